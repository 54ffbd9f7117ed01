"""The page about compressed weights."""

from pathlib import Path

from irquant.passes import CompressionReport
from irquant.passes.infra.compressed_layers import CompressedLayer, WeightCheck
from irquant.tools.report.compression_page import compression_page
from tests.tools.conftest import HOSTILE

LAYERS = (
    CompressedLayer("exact", "MatMul", "i8"),
    CompressedLayer("worst", "MatMul", "i4", 64, 1e-2),
    CompressedLayer("better", "MatMul", "i4", 64, 1e-4),
    CompressedLayer(HOSTILE, "Gather", reason="its weights are read by others"),
)


def page(check: WeightCheck) -> str:
    report = CompressionReport("int4", LAYERS, check, "CPU", 0, 0, ("<b>warned",), 4000, 1000, {})
    return compression_page(report, Path("m.xml"), Path("o.xml"))


def test_layers_are_ranked_by_the_error_of_their_weights() -> None:
    text = page(WeightCheck())
    ranks = [f'<tr data-place="{place}" data-rank="{rank}">' for place, rank in enumerate((3, 1, 2, 4))]
    assert all(each in text for each in ranks)
    assert '<td class="n">20.0 dB</td>' in text
    assert '<td class="n">40.0 dB</td>' in text
    assert '<td class="n">exact</td>' in text
    assert "<td>as it was</td>" in text


def test_names_and_messages_are_no_markup() -> None:
    text = page(WeightCheck())
    assert "<img" not in text
    assert "<b>warned" not in text
    assert "&lt;b&gt;warned" in text


def test_layers_that_the_device_unpacks_are_named() -> None:
    text = page(WeightCheck(kept=("exact",), folded=(("worst", "f32 from Const 'w'"),)))
    assert "The device makes floats of it, and reads f32 from Const &#39;w&#39;." in text
    assert "<strong>1 of 2</strong>" in text
    assert "not verified" not in text
    assert "this machine has no CPU" in page(WeightCheck())
