"""How a run is tuned: what is refused, and that a file gives the bytes of the measurements that wrote it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
import yaml

from irquant import Report, UserError, quantize_model
from irquant.ir import read_model
from irquant.passes.accuracy.requantize import Attempt, CalibratedModel
from irquant.passes.calibration.fingerprint import model_fingerprint
from irquant.passes.evaluation.latency import Latency, Mode
from irquant.passes.options.config_error import ConfigError
from irquant.passes.tuning import tuner as tuner_module
from irquant.passes.tuning.goals import SECONDS, TuningGoals
from irquant.passes.tuning.tune import TuningStep, TuningTimes
from irquant.passes.tuning.tuner import begin_tuning
from irquant.targets import load_target
from tests.passes.beside_data import beside_data

pytestmark = pytest.mark.filterwarnings("ignore::irquant.QuantizationWarning")  # a test reads the report
RNG = np.random.default_rng(4)
DATA = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
ONE = Latency(1e-3, 0.9e-3, 1.1e-3, 3e-3)
STEP = TuningStep(("second",), 2e-3, 0.8e-3, is_kept=True)


def times(*, is_faster: bool = True) -> TuningTimes:
    int8, tuned = replace(ONE, median=2e-3), replace(ONE, median=0.8e-3)
    return TuningTimes(ONE, int8, tuned, 100, 2, Mode("bf16", "latency", is_default=True), (STEP,), is_faster)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two convolutions."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    kernels = [RNG.normal(size=(size, channels, 3, 3)).astype(np.float32) for size, channels in ((8, 3), (4, 8))]
    y = op.relu(op.convolution(x, kernels[0], *[[1, 1]] * 4, name="first"))
    y = op.convolution(y, kernels[1], *[[1, 1]] * 4, name="second")
    ov.serialize(ov.Model([op.result(y)], [x], "m"), tmp_path / "m.xml")
    return tmp_path / "m.xml"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes measurements find these layers."""

    def found(*layers: str, is_faster: bool = True) -> None:
        def tune(*_: Any) -> tuple[Sequence[str], TuningTimes]:
            return layers, times(is_faster=is_faster)

        monkeypatch.setattr(tuner_module, "tune", tune)

    return found


def tuned(path: Path, name: str, **options: Any) -> tuple[bytes, Report]:
    result = quantize_model(path, DATA, output=path.with_name(f"{name}.xml"), **options)
    return result.model.read_bytes() + result.model.with_suffix(".bin").read_bytes(), result.report


def floats(report: Report) -> list[str]:
    return [layer.name for layer in report.layers if not layer.decision.int8]


def complaint(run: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        run()
    return str(caught.value)


def test_the_file_gives_the_same_bytes_without_measuring(path: Path, measured: Callable[..., None]) -> None:
    file = path.with_name("t.json")
    measured("second")
    first, report = tuned(path, "first", tune=True, tuning=file)
    assert (floats(report), report.tuning and report.tuning.times) == (["second"], times())
    measured("nothing", "at", "all")
    again, report = tuned(path, "again", tuning=file)
    assert (again == first, floats(report)) == (True, ["second"])
    assert report.tuning is not None
    assert (report.tuning.layers, report.tuning.times, report.tuning.file) == (("second",), None, file)
    assert tuned(path, "plain")[0] != first


def test_floats_only_remove_errors(path: Path, measured: Callable[..., None]) -> None:
    measured("second")
    before, after = tuned(path, "plain")[1].check.outputs, tuned(path, "tuned", tune=True)[1].check.outputs
    assert before
    assert after
    assert after[0].sqnr > before[0].sqnr


def test_a_tuning_that_an_output_loses_by_is_undone(
    path: Path, measured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(attempt: Attempt, _: CalibratedModel) -> Attempt:
        check = attempt.context.check
        assert check.outputs is None
        attempt.context.check = replace(check, outputs=(replace(outputs[0], sqnr=outputs[0].sqnr - 0.2),))
        return attempt

    plain, report = tuned(path, "plain")
    outputs = report.check.outputs or ()
    monkeypatch.setattr(tuner_module, "checked", checked)
    measured("second")
    undone, report = tuned(path, "undone", tune=True, tuning=path.with_name("t.json"))
    assert (undone == plain, floats(report)) == (True, [])
    assert beside_data(report)[-1] == (
        f"the tuning was undone: output '{outputs[0].name}' was farther from the float model's with it"
    )
    kept = yaml.safe_load(path.with_name("t.json").read_text())
    assert (kept["float_layers"], kept["measured"]["tuned_ms"]) == ([], kept["measured"]["int8_ms"])


def test_a_model_that_int8_does_not_make_faster_is_told(path: Path, measured: Callable[..., None]) -> None:
    measured(is_faster=False)
    assert beside_data(tuned(path, "tuned", tune=True)[1]) == (
        "int8 brings no speed here, size only: the float model takes 1 ms an inference, the quantized one 2 ms, the tuned "
        "one 0.8 ms: keep the float model, or store only its weights in 8 bits (irquant compress)",
    )


def test_latencies_that_scatter_more_than_they_differ_say_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = replace(times(is_faster=False), tuned=replace(ONE, median=0.8e-3, p90=3e-3))
    assert (wild.is_unclear, replace(wild, is_faster=True).is_unclear, times(is_faster=False).is_unclear) == (
        True,
        False,
        False,
    )
    assert not replace(wild, float_model=wild.tuned).is_unclear, "the float model itself is the result"
    monkeypatch.setattr(tuner_module, "tune", lambda *_: ((), wild))
    assert beside_data(tuned(path, "tuned", tune=True)[1]) == (
        "too noisy to tell whether int8 is faster: the float model takes 0.9 to 1.1 ms an inference, the tuned one 0.9 to "
        "3 ms: measure while nothing else runs, or longer (tune_seconds)",
    )


def test_a_model_that_is_all_float_in_the_end_is_told(path: Path, measured: Callable[..., None]) -> None:
    measured("first", "second")
    _, report = tuned(path, "tuned", tune=True)
    assert floats(report) == ["first", "second"]
    assert beside_data(report) == (
        "no layer is left in int8: none was faster so when the model was tuned; the result is a float model",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "ab12"}, "belongs to another model (ab12, this one is {model}): tune this one"),
        ({"target": "gpu"}, "is for target 'gpu', but the run is for 'cpu': name that target"),
        (
            {"float_layers": ["first", "third"]},
            "float_layers[1] is 'third', which is no layer of the model: tune it again",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(path: Path, change: dict[str, object], said: str) -> None:
    model, file = model_fingerprint(read_model(path)), path.with_name("t.yaml")
    content = {"format": "irquant tuning", "version": 1, "model": model, "target": "cpu", "float_layers": []}
    file.write_text(yaml.safe_dump(content | change))
    assert complaint(lambda: tuned(path, "o", tuning=file)) == f"{file}: {said.format(model=model)}"
    assert not path.with_name("o.xml").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tune_seconds": 5.0}, "tune_seconds is the time to measure, and nothing is: give tune=True, too"),
        ({"tune": True, "tune_seconds": 0.0}, "tune_seconds is 0, expected a number above 0"),
        ({"tune": True, "tune_seconds": float("nan")}, "tune_seconds is nan, expected a number above 0"),
        ({"tune": True, "tuning": "t.txt"}, "t.txt: the file of a tuning ends in .json, .yaml or .yml"),
        (
            {"tune": True, "target": "gpu"},
            "a tuning measures on this machine, which has no GPU: name target cpu, or a tuning file",
        ),
        (
            {"tune": True, "metric": lambda predict: 1.0},
            "a tuning and metrics exclude each other: metrics would not see the tuned model; give one of them",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(path: Path, options: dict[str, Any], said: str) -> None:
    assert complaint(lambda: tuned(path, "o", **options)) == said


def test_statistics_alone_cannot_be_tuned(path: Path) -> None:
    def begin() -> object:
        return begin_tuning(TuningGoals(), read_model(path), load_target("cpu"), None, has_metrics=False)

    assert complaint(begin) == "a tuning runs the model on samples: give data (--data SOURCE)"


def test_goals_are_what_options_say() -> None:
    file = Path("t.json")
    assert TuningGoals.of(tune=False, file=None, seconds=None) is None
    assert TuningGoals.of(tune=True, file=None, seconds=None) == TuningGoals(SECONDS)
    assert (writing := TuningGoals.of(tune=True, file=file, seconds=3.0)) == TuningGoals(3.0, file)
    assert (reading := TuningGoals.of(tune=False, file=file, seconds=None)) == TuningGoals(None, file)
    assert writing is not None
    assert reading is not None
    assert (writing.reads, writing.writes, reading.reads, reading.writes) == (None, file, file, None)
    with pytest.raises(ConfigError):
        TuningGoals.of(tune=False, file=file, seconds=3.0)
