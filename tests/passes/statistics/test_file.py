"""Statistics in a file: measured once, enough for any preset and target; wrong and damaged files are refused."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import UserError
from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.runtime import engine as runtime_module
from irquant.passes.statistics.file import StatisticsFileError, open_statistics
from irquant.targets import target_names

RNG = np.random.default_rng(9)
SAMPLES = [RNG.normal(size=(1, 3, 16, 16)).astype(np.float32) for _ in range(30)]


def net(path: Path, scale: float = 0.2) -> Path:
    """Plain, depthwise and transposed convolutions, a residual connection, an If."""
    rng = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(scale=scale, size=shape).astype(np.float32)

    x = op.parameter([1, 3, -1, -1], np.float32, name="x")
    first = op.convolution(x, weights(8, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="same")
    depth = op.group_convolution(op.relu(first), weights(8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="same")
    total = op.add(first, depth)
    up = op.convolution_backprop_data(total, weights(8, 8, 2, 2), [2, 2])
    condition = op.greater(op.reduce_mean(x, np.array([0, 1, 2, 3])), np.float32(9))
    branch = op.if_op(condition.output(0))
    branch.set_friendly_name("branch")
    for index, setter in enumerate((branch.set_then_body, branch.set_else_body)):
        inner = op.parameter([1, 8, -1, -1], np.float32)
        layer = op.convolution(inner, weights(8, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1], name=f"layer_{index}")
        setter(ov.Model([op.result(layer)], [inner]))
    bodies = [branch.get_function(index) for index in (0, 1)]
    branch.set_input(up.output(0), *(body.get_parameters()[0] for body in bodies))
    out = branch.set_output(*(body.get_results()[0] for body in bodies))
    ov.serialize(ov.Model([op.result(op.relu(out))], [x]), path, path.with_suffix(".bin"))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return net(tmp_path_factory.mktemp("model") / "m.xml")


@pytest.fixture(scope="module")
def saved(model: Path) -> Path:
    path = model.with_name("s.npz")
    quantize(model, SAMPLES, output=model.with_name("first.xml"), save_statistics=path)
    return path


def files(path: Path) -> list[bytes]:
    return [path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")]


@pytest.fixture
def no_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> None:
        message = "there was an inference"
        raise AssertionError(message)

    monkeypatch.setattr(runtime_module, "_finish", run)


@pytest.mark.slow
@pytest.mark.usefixtures("no_inference")
@pytest.mark.parametrize("target", target_names())
def test_every_target_is_served_without_inference(model: Path, saved: Path, target: str) -> None:
    quantize(model, statistics=saved, output=model.with_name(f"{target}.xml"), target=target)


@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_another_preset_is_that_of_a_fresh_run_byte_by_byte(
    model: Path, saved: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = files(quantize(model, SAMPLES, output=model.with_name("fresh.xml"), preset=preset))
    monkeypatch.setattr(runtime_module, "_finish", None)
    reports: list[Report] = []
    again = model.with_name("again.xml")
    assert files(quantize(model, statistics=saved, output=again, preset=preset, report=reports.append)) == fresh
    assert reports[0].samples == 27
    assert reports[0].check.outputs is None, "without data nothing can be checked"


def test_the_same_data_check_the_result(model: Path, saved: Path) -> None:
    reports: list[Report] = []
    for statistics in (None, saved):
        output = model.with_name("x.xml")
        quantize(model, SAMPLES, output=output, report=reports.append, statistics=statistics)
    assert reports[0].check == reports[1].check
    assert reports[0].check.outputs is not None


def test_a_branch_that_was_never_reached_stays_float(model: Path, saved: Path) -> None:
    reports: list[Report] = []
    quantize(model, statistics=saved, output=model.with_name("x.xml"), report=reports.append)
    floats = {layer.name: layer.decision.reason for layer in reports[0].layers if not layer.decision.int8}
    assert floats == {"branch|layer_0": "no sample of the calibration data reached it"}


def test_a_second_file_is_the_same_byte_by_byte(model: Path, saved: Path) -> None:
    again = model.with_name("again.npz")
    quantize(model, SAMPLES, output=model.with_name("x.xml"), save_statistics=again)
    assert again.read_bytes() == saved.read_bytes()


def test_the_file_is_what_its_description_says(saved: Path) -> None:
    with np.load(saved, allow_pickle=False) as file:
        header = json.loads(str(file["header"]))
        assert (header["format"], header["version"], header["samples"]) == ("irquant statistics", 1, 27)
        assert "x" in {each["tensor"] for each in header["statistics"]}
        for number, _ in enumerate(header["statistics"]):
            assert file[str(number)].dtype == np.float32
        assert file["0"].shape[0] == 27


# ------------------------------------------------------------------------------------------------------------ refused


def complaint(model: Path, path: Path, data: object = None, **options: Any) -> str:
    output = model.with_name("refused.xml")
    with pytest.raises(UserError) as caught:
        quantize(model, data, output=output, statistics=path, **options)  # type: ignore[call-overload]
    assert not output.exists()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ") or not isinstance(caught.value, StatisticsFileError)
    return message.removeprefix(f"{path}: ")


def test_another_model_is_refused(saved: Path, tmp_path: Path) -> None:
    other = net(tmp_path / "other.xml", scale=0.3)
    assert complaint(other, saved) == "measured on another model than this one; calibrate this one with data"


@pytest.mark.parametrize("data", [SAMPLES[1:], SAMPLES[::-1], [*SAMPLES, SAMPLES[0]], []])
def test_other_data_are_refused(model: Path, saved: Path, data: object) -> None:
    expected = "measured on other data, or another number of samples; calibrate on these"
    assert complaint(model, saved, data) == expected


def test_what_was_not_measured_is_named(model: Path, saved: Path, tmp_path: Path) -> None:
    def without_means(header: dict[str, Any]) -> None:
        for each in header["statistics"]:
            each["tensor"] += "_" if each["reduction"] == "mean" else ""

    path = edited(saved, tmp_path / "s.npz", without_means)
    message = complaint(model, path)
    assert message.startswith("holds no mean of ")
    assert message.endswith(", which these options need for target 'cpu'; calibrate with them and data")


def test_options_that_differ_from_those_of_the_file_are_named(model: Path, tmp_path: Path) -> None:
    ends = {"range_estimator": {"preset": "quantile"}}
    config = QuantizationConfig.checked(activations=ends, align=False)
    path = tmp_path / "quantile.npz"
    options: dict[str, Any] = {"config": config, "save_statistics": path, "report": lambda _: None}
    quantize(model, SAMPLES, output=tmp_path / "o.xml", **options)
    said = complaint(model, path)
    assert re.match(
        r"holds no \w+ of Parameter 'x' \(id 0\), which this run needs: it was saved with activations ", said
    )
    assert said.endswith(
        ' {"range_estimator": {"preset": "quantile"}} instead of {}; align false instead of true; calibrate with these '
        "options and data"
    )


def edited(saved: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    with np.load(saved, allow_pickle=False) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    change(header)
    np.savez(to, **(arrays | {"header": np.array(json.dumps(header))}))
    return to


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda it: it.update(version=2), "version: Input should be 1"),
        (lambda it: it.update(format="other"), "format: Input should be 'irquant statistics'"),
        (lambda it: it.pop("model"), "model: Field required"),
        (lambda it: it.update(more=1), "more: Extra inputs are not permitted"),
        (lambda it: it["statistics"][0].update(port="x"), "statistics.0.port: Input should be a valid integer"),
        (lambda it: it["statistics"][0].update(reduction="mode"), "statistics.0.reduction: "),
    ],
)
def test_headers_that_make_no_sense(
    model: Path, saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    message = complaint(model, edited(saved, tmp_path / "s.npz", change))
    assert message.startswith(f"not statistics that this version can read: {expected}")


def damaged(saved: Path, folder: Path) -> Iterator[Path]:
    whole = saved.read_bytes()
    for cut in range(0, len(whole), max(1, len(whole) // 40)):
        path = folder / f"{cut}.npz"
        path.write_bytes(whole[:cut])
        yield path
    for name, content in (("text", b"hello"), ("npy", whole[60:400])):
        (folder / f"{name}.npz").write_bytes(content)
        yield folder / f"{name}.npz"


@pytest.mark.slow
def test_damaged_files_are_refused_in_one_line(model: Path, saved: Path, tmp_path: Path) -> None:
    for path in damaged(saved, tmp_path):
        assert complaint(model, path) == "not a statistics file, or a damaged one"


def test_a_file_without_its_first_bytes_is_damaged(model: Path, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(saved.read_bytes()[10:])
    assert complaint(model, tmp_path / "s.npz") == "not a statistics file, or a damaged one"


def test_pickles_are_never_opened(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", header=np.array([object()], dtype=object))
    assert complaint(model, tmp_path / "s.npz") == "not a statistics file, or a damaged one"


def test_what_is_no_file(model: Path, tmp_path: Path) -> None:
    assert complaint(model, tmp_path / "gone.npz") == "cannot be read: No such file or directory"
    assert complaint(model, tmp_path) == "cannot be read: Is a directory"


def test_statistics_are_measured_or_read_not_both(model: Path, saved: Path, tmp_path: Path) -> None:
    expected = "statistics from a file are not measured: leave out save_statistics and cluster"
    assert complaint(model, saved, SAMPLES, save_statistics=tmp_path / "n.npz") == expected
    assert complaint(model, saved, SAMPLES, cluster="local") == expected


def test_a_file_that_cannot_be_written_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StatisticsFileError) as caught:
        quantize(model, SAMPLES, output=model.with_name("r.xml"), save_statistics=tmp_path / "no" / "s.npz")
    assert str(caught.value) == f"{tmp_path / 'no' / 's.npz'}: cannot be written: No such file or directory"
    assert not model.with_name("r.xml").exists()


def test_layers_of_one_name_are_told_apart(saved: Path) -> None:
    names = {each.tensor for each in open_statistics(saved).header.statistics}
    assert len({name for name in names if name.startswith("same@")}) == 2
    assert "same" not in names
