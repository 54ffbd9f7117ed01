"""Where statistics come from, and what contradicts itself."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, Fact, Pass, QuantizationConfig, default_quantization, quantize
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.load_statistics import LoadStatistics
from irquant.passes.infra.checked_passes import checked_passes
from irquant.passes.jobs.measured_by import LOADING, measured_by
from irquant.passes.options.config_error import ConfigError


class Nothing(Pass):
    """A pass that neither measures nor sets ranges."""

    name: ClassVar[str] = "nothing"

    def run(self, graph: Graph, context: Context) -> int:
        """Changes nothing."""
        return 0


class Measures(Nothing):
    """A pass that says that it measures."""

    name: ClassVar[str] = "measures"
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})


def test_data_are_run_and_the_statistics_are_saved_where_that_is_wanted() -> None:
    assert measured_by(None, None, None) == Calibrate()
    assert measured_by(None, "kept.npz", "local") == Calibrate(Path("kept.npz"), "local")


def test_a_file_of_statistics_needs_no_run() -> None:
    assert measured_by("kept.npz", None, None) == LoadStatistics(Path("kept.npz"))


@pytest.mark.parametrize(("save", "cluster"), [("new.npz", None), (None, "local")])
def test_what_is_read_from_a_file_is_not_measured(save: str | None, cluster: str | None) -> None:
    with pytest.raises(ConfigError) as raised:
        measured_by("kept.npz", save, cluster)
    assert "leave out save_statistics and cluster" in str(raised.value)


def test_a_pipeline_brings_its_own_pass() -> None:
    source = Calibrate()
    assert measured_by(None, None, None, default_quantization(source)) is source


@pytest.mark.parametrize("options", [("a.npz", None, None), (None, "a.npz", None), (None, None, "local")], ids=str)
def test_a_pipeline_that_measures_leaves_no_choice(options: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(ConfigError) as raised:
        measured_by(*options, default_quantization())
    assert "leave out statistics, save_statistics and cluster" in str(raised.value)


@pytest.mark.parametrize(
    ("passes", "missing"), [([Nothing()], "'calibrate'"), ([Measures()], "'set-ranges'"), ([], "")]
)
def test_a_pipeline_that_quantizes_nothing_is_refused(passes: list[Pass], missing: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^the pipeline quantizes nothing: none of its passes establishes "
    ) as raised:
        measured_by(None, None, None, passes)
    assert missing in str(raised.value)


def test_passes_of_the_user_are_passes() -> None:
    passes = [Nothing(), Measures()]
    assert checked_passes(iter(passes)) == passes


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([Nothing(), Nothing], "passes holds the class Nothing, expected an object: write Nothing()"),
        (
            ["normalize"],
            "passes holds the name 'normalize', expected an object: write Normalize(), from "
            "irquant.passes.transforms.normalize",
        ),
        (["norm"], "passes holds 'norm', expected objects of classes that are derived from irquant.passes.Pass"),
        ([None], "passes holds None, expected objects of classes that are derived from irquant.passes.Pass"),
        ("x.yaml", "passes is 'x.yaml', expected a list of passes; the command line reads files: --pipeline FILE"),
        (3, "passes is 3, expected a list of passes; the command line reads files: --pipeline FILE"),
    ],
)
def test_what_is_no_pass_gets_what_to_write(wrong: Any, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked_passes(wrong)
    assert str(raised.value) == said


def test_options_that_select_passes_contradict_a_pipeline() -> None:
    config = QuantizationConfig(align=False, correct_biases="no")
    with pytest.raises(ConfigError, match=r"^passes says which passes run: align, correct_biases would"):
        quantize("model.xml", [], config=config, passes=default_quantization())


def test_the_preset_applies_to_a_pipeline_of_the_user(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8], np.float32, name="x")
    product = op.matmul(x, rng.normal(size=(8, 4)).astype(np.float32), False, False)
    ov.save_model(ov.Model([product], [x]), tmp_path / "m.xml", compress_to_fp16=False)
    rows = [rng.random((1, 8), np.float32) - 0.3 for _ in range(20)]
    given = [
        quantize(tmp_path / "m.xml", rows, preset=preset, passes=passes, output=tmp_path / "o.xml", guard=False)
        .with_suffix(".bin")
        .read_bytes()
        for preset in ("performance", "mixed")
        for passes in (None, default_quantization())
    ]
    assert given[0] == given[1]
    assert given[1] != given[2]
    assert given[2] == given[3]


def test_the_pass_that_loads_is_known_by_its_name_without_being_imported() -> None:
    assert LoadStatistics.name == LOADING
