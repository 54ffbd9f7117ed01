"""What a quantized model says of where it comes from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import read_model
from irquant.passes import quantize

DATA = [np.random.default_rng(k).normal(size=(1, 4, 6, 6)).astype(np.float32) for k in range(20)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    x = op.parameter([1, 4, 6, 6], np.float32, name="x")
    weights = np.random.default_rng(9).normal(size=(4, 4, 3, 3)).astype(np.float32)
    made = ov.Model([op.result(op.relu(op.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1])))], [x])
    made.set_rt_info("yes", ["model_info", "reverse_input_channels"])
    ov.serialize(made, tmp_path / "m.xml", tmp_path / "m.bin")
    return tmp_path / "m.xml"


def section(path: Path) -> dict[str, str]:
    return read_model(path).metadata("irquant")


def test_it_holds_versions_options_and_fingerprints(model: Path) -> None:
    with pytest.warns(UserWarning, match="matches no operation"):
        found = section(quantize(model, DATA, preset="mixed", ignored=["re:none.*"]))
    assert found.keys() == {"version", "openvino", "target", "config", "model", "data", "fed", "samples"}
    assert (found["target"], found["openvino"], found["samples"]) == ("cpu", ov.get_version(), "19")
    assert found["fed"] == "20 samples; 'x' f32[1,4,6,6] -3.078 to 3.323"
    config = json.loads(found["config"])
    assert (config["preset"], config["samples"], config["ignored"]["scope"]) == ("mixed", 300, ["re:none.*"])


def test_the_runtime_reads_it_and_what_was_there_before(model: Path) -> None:
    result = ov.Core().read_model(quantize(model, DATA))
    assert result.get_rt_info(["irquant", "target"]).astype(str) == "cpu"
    assert result.get_rt_info(["model_info", "reverse_input_channels"]).astype(str) == "yes"


def test_a_second_run_gives_the_same_bytes_wherever_it_is(model: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for suffix in (".xml", ".bin"):
        (elsewhere / f"other{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    paths = [quantize(model, DATA), quantize(elsewhere / "other.xml", DATA, output=elsewhere / "out.xml")]
    for suffix in (".xml", ".bin"):
        one, other = (path.with_suffix(suffix).read_bytes() for path in paths)
        assert one == other
    assert str(tmp_path) not in paths[0].read_text()


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"preset": "mixed"}, {"config"}),
        ({"samples": 15}, {"config", "data", "fed", "samples"}),
        ({"target": "gpu"}, {"target"}),
    ],
)
def test_only_what_changed_differs(model: Path, change: dict[str, Any], differs: set[str]) -> None:
    one = section(quantize(model, DATA))
    other = section(quantize(model, DATA, **change))
    assert {key for key in one if one[key] != other[key]} == differs


def test_a_model_without_any_metadata_gets_it_too(tmp_path: Path) -> None:
    x = op.parameter([1, 4, 6, 6], np.float32, name="x")
    conv = op.convolution(x, np.ones((4, 4, 3, 3), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    ov.serialize(ov.Model([op.result(op.relu(conv))], [x]), tmp_path / "m.xml", tmp_path / "m.bin")
    text = (tmp_path / "m.xml").read_text()
    start, end = text.index("<rt_info", text.index("</edges>")), text.rindex("</net>")
    (tmp_path / "m.xml").write_text(text[:start] + text[end:])
    path = quantize(tmp_path / "m.xml", DATA)
    assert section(path)["target"] == "cpu"
    assert ov.Core().read_model(path).get_rt_info(["irquant", "samples"]).astype(str) == "19"
