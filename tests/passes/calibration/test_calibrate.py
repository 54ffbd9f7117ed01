"""Statistics equal a slow computation on raw tensors; the data are run once, by one compiled model."""

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irquant.ir import Graph, from_text, read_model
from irquant.passes import Context, QuantizationConfig
from irquant.passes.calibration import measurement
from irquant.passes.calibration.attach_statistics import blocks
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.reading import CalibrationSample
from irquant.passes.calibration.sample_order import HELD_OUT_MOST, is_held_out
from irquant.passes.runtime import engine as runtime_module
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.samples import DataError, PreparedSample, Sample
from irquant.passes.statistics.batch import batched_tensors
from irquant.passes.statistics.request import QUANTILES, Reduction, Request, request
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]


def calibrated(graph: Graph, wanted: set[Request], data: object, samples: int = 300) -> Context:
    context = Context(load_target("cpu"), QuantizationConfig(samples=samples), samples=data)
    context.wanted = frozenset(wanted)
    assert Calibrate().run(graph, context) == 0
    return context


def slow(tensor: Array, wanted: Request, *, batched: bool) -> Array:
    """The obvious computation: one observation after the other, one channel after the other."""
    rows: list[list[float]] = []
    for item in tensor.astype(np.float64) if batched else [tensor.astype(np.float64)]:
        axis = None if wanted.channel_axis is None else wanted.channel_axis - batched
        channels = [item] if axis is None else list(np.moveaxis(item, axis, 0))
        rows.append([slow_number(channel, wanted) for channel in channels])
    return np.array(rows)


def slow_number(values: Array, wanted: Request) -> float:
    match wanted.reduction:
        case Reduction.MIN:
            return float(values.min())
        case Reduction.MAX:
            return float(values.max())
        case Reduction.ABS_MAX:
            return float(np.abs(values).max())
        case Reduction.MEAN:
            return float(values.mean())
        case Reduction.MEAN_SQUARE:
            return float((values**2).mean())
        case Reduction.QUANTILE:
            return float(np.quantile(values, wanted.level or 0))
        case _:
            return float(np.quantile(np.abs(values), wanted.level or 0))


def test_a_very_large_batch_is_one_observation() -> None:
    graph = from_text("x: f32[?,3] = Parameter()\ny: f32[?,3] = ReLU(x)\nr = Result(y)\n")
    wanted = {
        each: request(graph.node("x").output(), each, 1) for each in (Reduction.MIN, Reduction.MAX, Reduction.MEAN)
    }
    samples = [np.random.default_rng(k).normal(size=(rows, 3)).astype(np.float32) for k, rows in enumerate((256, 257))]
    found = calibrated(graph, set(wanted.values()), samples).statistics
    for reduction, function in ((Reduction.MIN, np.min), (Reduction.MAX, np.max), (Reduction.MEAN, np.mean)):
        expected = np.concatenate([samples[0], function(samples[1], axis=0, keepdims=True)])
        np.testing.assert_allclose(found[wanted[reduction]], expected, rtol=1e-5, atol=1e-6)


LEVELS = [0.0, 0.001, 0.1, 0.5, 0.77, 0.99, 1.0]


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data())
def test_statistics_are_those_of_the_raw_tensor(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, 6))
    shape = data.draw(st.lists(st.integers(1, 5), min_size=rank, max_size=rank))
    if rank:
        shape[0] = data.draw(st.sampled_from([1, 4]))
    dtype = data.draw(st.sampled_from([np.float32, np.float16]))
    axis = data.draw(st.sampled_from([None, *range(rank)]))
    is_dynamic = st.lists(st.booleans(), min_size=rank, max_size=rank)
    declared = [
        -1 if each and k != axis else size
        for k, (size, each) in enumerate(zip(shape, data.draw(is_dynamic), strict=True))
    ]
    if rank >= 4:
        declared[0] = shape[0]  # a dynamic one would be a batch, whose rows are samples
    folder = tmp_path_factory.mktemp("m")
    x = op.parameter(declared, dtype, name="x")
    ov.serialize(ov.Model([op.result(op.sin(x))], [x]), folder / "m.xml", folder / "m.bin")
    graph = read_model(folder / "m.xml")
    tensor = graph.node("x").output()
    level = data.draw(st.sampled_from(LEVELS))
    reductions = data.draw(
        st.sets(st.sampled_from([each for each in Reduction if each not in ("shape", "sample")]), min_size=1)
    )
    wanted = [request(tensor, each, axis, level if each in QUANTILES else None) for each in reductions]
    sizes = request(tensor, Reduction.SHAPE)
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=shape).astype(dtype) for _ in range(3)]
    found = calibrated(graph, {*wanted, sizes}, samples).statistics
    batched = rank > 1 and declared[0] != 1 and axis != 0
    for each in wanted:
        expected = np.concatenate([slow(sample, each, batched=batched) for sample in samples])
        np.testing.assert_allclose(found[each], expected, rtol=2e-5, atol=2e-6, err_msg=str(each))
    assert found[sizes].astype(int).tolist() == [shape] * 3


@pytest.mark.parametrize(("level", "is_raw"), [(0.9995, False), (0.001, False), (0.9, True)])
@pytest.mark.parametrize("axis", [None, 1, 3])
def test_extreme_quantiles_are_taken_in_the_graph(level: float, *, is_raw: bool, axis: int | None) -> None:
    graph = from_text("x: f32[4,8,50,40] = Parameter()\ny: f32[4,8,50,40] = ReLU(x)\nr = Result(y)\n")
    wanted = [request(graph.node("x").output(), each, axis, level) for each in QUANTILES]
    (block,) = blocks(graph, wanted, batched_tensors(graph))
    assert block.raw == is_raw
    sample = np.random.default_rng(3).normal(size=(4, 8, 50, 40)).astype(np.float32)
    found = calibrated(graph, set(wanted), [sample]).statistics
    for each in wanted:
        np.testing.assert_allclose(found[each], slow(sample, each, batched=True), rtol=1e-6)


MODEL = "x: f32[1,2] = Parameter()\ny: f32[1,2] = Sqrt(x)\nr = Result(y)\n"


def test_the_data_are_run_once_by_one_compiled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"models": 0, "inferences": 0}
    compile_model = ov.Core.compile_model

    real = runtime_module._finish

    def finish(*args: Any) -> Any:
        counts["inferences"] += 1
        return real(*args)

    def compiled(*args: Any, **options: Any) -> Any:
        counts["models"] += 1
        return compile_model(*args, **options)

    monkeypatch.setattr(ov.Core, "compile_model", compiled)
    monkeypatch.setattr(runtime_module, "_finish", finish)
    graph = from_text(MODEL)
    data = (np.full((1, 2), k, np.float32) for k in range(40))  # read once, lazily
    context = calibrated(graph, {Request(0, 0, Reduction.MAX)}, data)
    assert counts == {"models": 1, "inferences": 40}
    assert context.statistics.samples + len(context.held_out) == 40


@pytest.mark.parametrize(("batch", "channels"), [(2, 3), (3, 2), (1, 3), (2, 8)])
def test_means_of_a_batch_behind_a_pooling_are_those_of_its_numbers(batch: int, channels: int) -> None:
    """In one step, the plugin gives other numbers each time for two or three channels."""
    rng = np.random.default_rng(4)
    x = op.parameter([batch, channels, 9, 9], np.float32)
    offsets = rng.normal(size=(batch, 1, 1, 1)).astype(np.float32)  # a number of its own: the items are no samples
    pooled = op.max_pool(op.add(x, offsets), [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    kernel = rng.normal(size=(4, channels, 1, 1)).astype(np.float32)
    model = ov.Model([op.result(op.convolution(pooled, kernel, [1, 1], [0, 0], [0, 0], [1, 1]))], [x])
    graph = from_runtime(model)
    (pool,) = graph.nodes("MaxPool")
    data = [rng.normal(size=(batch, channels, 9, 9)).astype(np.float32) for _ in range(8)]
    wanted = request(pool.output(), Reduction.MEAN, 1)
    windows = [(each + offsets)[:, :, :8, :8].reshape(batch, channels, 4, 2, 4, 2) for each in data]
    expected = [each.max(axis=(3, 5)).mean(axis=(0, 2, 3), dtype=np.float64) for each in windows]
    found = calibrated(graph, {wanted}, data).statistics[wanted]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_if_the_runtime_refuses_the_taps_they_read_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no memory for some convolutions with several more readers, say."""
    refused = list[Graph]()

    def engine(graph: Graph, config: dict[str, str]) -> Engine:
        if not graph.in_file_order("Maximum"):
            refused.append(graph)
            message = "the runtime cannot compile the model: NotAllocated"
            raise RuntimeRejectedError(message)
        return Engine(graph, config)

    wanted = {Request(0, 0, Reduction.MAX), Request(0, 0, Reduction.MEAN)}
    data = [np.full((1, 2), k, np.float32) for k in range(20)]
    found = calibrated(from_text(MODEL), wanted, data)
    monkeypatch.setattr(measurement, "Engine", engine)
    again = calibrated(from_text(MODEL), wanted, data)
    assert len(refused) == 1
    for each in wanted:
        np.testing.assert_array_equal(again.statistics[each], found.statistics[each])


def test_no_more_samples_are_pulled_than_asked_for() -> None:
    pulled: list[int] = []

    def endless() -> Any:
        while True:
            pulled.append(len(pulled))
            yield np.zeros((1, 2), np.float32)

    calibrated(from_text(MODEL), {Request(0, 0, Reduction.MAX)}, endless(), samples=5)
    assert len(pulled) <= 6


def test_held_out_samples_are_spread_evenly_over_every_period() -> None:
    chosen = [index for index in range(2000) if is_held_out(index)]
    assert len(chosen) == pytest.approx(200, abs=3)
    for period in range(2, 13):
        counts = np.bincount(np.array(chosen) % period, minlength=period)
        assert counts.min() > 0.6 * len(chosen) / period


def test_held_out_samples_stay_out_of_the_statistics_and_are_few() -> None:
    data = [np.full((1, 2), 1000.0 if is_held_out(k) else 1.0, np.float32) for k in range(1000)]
    context = calibrated(from_text(MODEL), {Request(0, 0, Reduction.MAX)}, data[:200], samples=1000)
    assert context.statistics[Request(0, 0, Reduction.MAX)].max() == 1.0
    assert [float(each.outputs[0][0, 0]) for each in context.held_out] == [pytest.approx(1000**0.5)] * 20
    assert len(calibrated(from_text(MODEL), set(), data, samples=1000).held_out) == HELD_OUT_MOST


def test_a_model_that_gives_nan_is_named_with_the_sample() -> None:
    data = [np.ones((1, 2), np.float32), np.full((1, 2), -1, np.float32)]
    with pytest.raises(DataError) as caught:
        calibrated(from_text(MODEL), {Request(1, 0, Reduction.MEAN, 1)}, data)
    assert str(caught.value) == "sample 1: the float model gives NaN or Inf at Sqrt 'y' (id 1); leave the sample out"


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("reduction", [Reduction.MIN, Reduction.MAX, Reduction.MEAN, Reduction.ABS_MAX])
@pytest.mark.parametrize(
    "place", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(777, marks=pytest.mark.slow), -1]
)
def test_one_nan_anywhere_is_found(reduction: Reduction, axis: int | None, place: int) -> None:
    graph = from_text("x: f32[1,9,17,11] = Parameter()\ny: f32[1,9,17,11] = Sqrt(x)\nr = Result(y)\n")
    bad = np.ones((1, 9, 17, 11), np.float32)
    bad.reshape(-1)[place] = -1
    with pytest.raises(DataError, match=r"^sample 1: the float model gives NaN or Inf at Sqrt 'y' \(id 1\)"):
        calibrated(graph, {Request(1, 0, reduction, axis)}, [np.ones_like(bad), bad])


EMPTY = "x: f32[1,4,?] = Parameter()\ny: f32[1,4,?] = ReLU(x)\nr = Result(y)\n"


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("level", [None, 0.3])
def test_samples_of_nothing_say_nothing_and_that_is_told(axis: int | None, level: float | None) -> None:
    reductions = [Reduction.MIN, Reduction.MAX, Reduction.MEAN] if level is None else [*QUANTILES]
    graph = from_text(EMPTY)
    wanted = {request(graph.node("x").output(), each, axis, level) for each in reductions}
    data = [np.full((1, 4, size), size, np.float32) for size in (3, 0, 2, 0)]
    context = calibrated(graph, wanted, data)
    for each in wanted:
        assert context.statistics[each][:, 0].tolist() == [3, 2]
    assert context.statistics.samples == 2
    expected = "2 samples do not count for ranges: for example, sample 1 leaves Parameter 'x' (id 0) empty"
    assert context.warnings == [expected]


def test_data_of_nothing_are_refused() -> None:
    graph = from_text(EMPTY)
    with pytest.raises(DataError) as caught:
        calibrated(graph, {Request(0, 0, Reduction.MAX)}, [np.zeros((1, 4, 0), np.float32)] * 3)
    left = "the model leaves Parameter 'x' (id 0) empty, as for all samples"
    expected = f"sample 0: input 'x' is empty, and {left}"
    assert str(caught.value) == expected


def test_empty_data_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        calibrated(from_text(MODEL), {Request(0, 0, Reduction.MAX)}, [])
    assert str(caught.value) == "the calibration data are empty: at least one sample is needed"


def test_a_sample_that_the_model_cannot_run_is_named(tmp_path: Path) -> None:
    x = op.parameter([-1, -1], np.float32, name="x")
    x.output(0).set_names({"x"})
    model = ov.Model([op.result(op.matmul(x, np.ones((3, 2), np.float32), False, False))], [x])
    model.reshape({"x": ov.PartialShape([ov.Dimension(1, 2), 3])})
    ov.serialize(model, tmp_path / "m.xml", tmp_path / "m.bin")
    with pytest.raises(DataError, match=r"^sample 1: the model cannot run it \('x' \[5, 3\]\): "):
        calibrated(read_model(tmp_path / "m.xml"), set(), [np.ones((2, 3)), np.ones((5, 3))])


def test_what_the_runtime_says_of_a_sample_is_told_without_the_places_in_its_source(tmp_path: Path) -> None:
    x, sizes = op.parameter([1, 1, 2, 4], np.float32, name="x"), op.parameter([4], np.int64, name="sizes")
    resized = op.interpolate(x, sizes, "linear_onnx", "sizes")
    resized.set_friendly_name("resized")
    ov.serialize(ov.Model([op.result(resized)], [x, sizes]), tmp_path / "m.xml", tmp_path / "m.bin")
    with pytest.raises(DataError) as caught:
        calibrated(read_model(tmp_path / "m.xml"), set(), [(np.ones((1, 1, 2, 4)), np.array([2, 2, 4, 8]))])
    said = (
        r"(\[CPU\] Interpolate node with name 'resized'|Interpolate layer) only supports resize on spatial dimensions.*"
    )
    shapes = r"\('x' \[1, 1, 2, 4\], 'sizes' \[4\]\)"
    whole = f"sample 0: the model cannot run it {shapes}: {said}"
    assert re.fullmatch(whole, str(caught.value)), "its words differ by version"


def test_the_state_of_a_stateful_model_is_reset_for_every_sample(tmp_path: Path) -> None:
    x = op.parameter([1, 2], np.float32, name="x")
    read = op.read_value(op.constant(np.zeros((1, 2), np.float32)), "v", np.float32, [1, 2])
    total = op.add(read, x)
    assign = op.assign(total, "v")
    ov.serialize(ov.Model([op.result(total)], [assign], [x]), tmp_path / "m.xml", tmp_path / "m.bin")
    graph = read_model(tmp_path / "m.xml")
    node = next(graph.nodes("Add"))
    found = calibrated(graph, {request(node.output(), Reduction.MAX)}, [np.ones((1, 2), np.float32)] * 12).statistics
    assert found[request(node.output(), Reduction.MAX)].max() == 1.0


def test_each_array_of_a_sample_is_read_for_one_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint of the data and the count of copies both need it, and large arrays take time."""
    read: list[int] = []

    def checksum(data: memoryview) -> int:
        read.append(data.nbytes)
        return len(read)

    monkeypatch.setattr(zlib, "crc32", checksum)
    x = op.parameter([1, 8], np.float32, "x")
    graph = from_runtime(ov.Model([op.relu(x)], [x], "m"))
    calibrated(graph, {request(next(graph.nodes("ReLU")).output(), Reduction.MAX)}, [np.ones((1, 8), np.float32)] * 12)
    assert read == [32] * 12


def test_samples_kept_for_the_guard_are_measured_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that are kept again for each sample."""
    sizes: list[int] = []
    size = measurement._size

    def measured(sample: PreparedSample) -> int:
        sizes.append(size(sample))
        return sizes[-1]

    monkeypatch.setattr(measurement, "_size", measured)
    keeper = measurement.SampleKeeper(QuantizationConfig.checked())
    for index in range(100):
        feed = {"x": np.zeros(4, np.uint8)}
        keeper.take(CalibrationSample(Sample("", None), feed, is_held_out=False), index)
    assert len(keeper.kept) == measurement.KEPT_LEAST
    assert len(sizes) <= 300
