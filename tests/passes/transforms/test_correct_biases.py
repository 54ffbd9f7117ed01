"""Sequential bias correction: what it leaves of the mean errors, next to correcting layer after layer by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.analysis.biases import change_bias
from irquant.passes.calibration import measurement
from irquant.passes.calibration.measurement import SampleKeeper
from irquant.passes.calibration.reading import CalibrationSample
from irquant.passes.calibration.sample_order import is_held_out, rank
from irquant.passes.jobs.measured_by import measured_by
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.options.config_error import ConfigError
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.samples import PreparedSample, Sample
from irquant.passes.transforms import correct_biases
from irquant.passes.transforms.correct_biases import CorrectBiases
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(11)
FLOAT = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}


@pytest.fixture(autouse=True)
def afresh() -> None:
    """Each test draws the same numbers, whatever ran before it."""
    RNG.bit_generator.state = np.random.default_rng(12).bit_generator.state


def coarse(*shape: int) -> Array:
    """Weights of which rounding takes a good part: few are large, most small and positive."""
    return (np.abs(RNG.normal(size=shape)) * np.where(RNG.random(shape) < 0.1, 3, 0.02)).astype(np.float32)


def chain(batch: int = 1) -> Graph:
    """Three convolutions, one depthwise, with ReLUs that clipping and rounding shift; one bias, of rank 3."""
    x = op.parameter([batch, 4, 8, 8], np.float32, name="x")
    first = op.relu(op.convolution(x, coarse(8, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="first"))
    second = op.group_convolution(first, coarse(8, 1, 1, 3, 3), [1, 1], [0, 0], [0, 0], [1, 1], name="second")
    second = op.relu(op.subtract(second, np.full((1, 8, 1, 1), 0.5, np.float32)))
    third = op.convolution(second, coarse(5, 8, 1, 1), [2, 2], [0, 0], [0, 0], [1, 1], name="third")
    third = op.add(third, np.ones((5, 1, 1), np.float32))
    return from_runtime(ov.Model([op.result(op.relu(third))], [x]))


def samples(batch: int = 1, count: int = 40) -> list[Array]:
    return [(RNG.random((batch, 4, 8, 8)) ** 2).astype(np.float32) for _ in range(count)]


def quantized(graph: Graph, data: list[Array], **options: Any) -> tuple[Graph, Context]:
    copy = graph.copy()
    config = QuantizationConfig.checked(preset="mixed", weights={"bits": 3}, **options)
    context = Context(load_target("cpu"), config, data)
    PassManager(default_quantization(config=config)).run(copy, context)
    return copy, context


def mean_errors(graph: Graph, other: Graph, data: list[Array]) -> Array:
    """Of each channel of the output, as FakeQuantize in float computes it."""
    both = [ov.Core().compile_model(to_runtime(each), "CPU", FLOAT) for each in (graph, other)]
    differences = [both[1](sample)[0] - both[0](sample)[0] for sample in data]
    return np.asarray(np.abs(np.mean([each.mean(axis=(0, 2, 3), dtype=np.float64) for each in differences], axis=0)))


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_it_leaves_less_of_the_mean_error_than_the_fast_correction(batch: int) -> None:
    graph, data = chain(batch), samples(batch)
    fresh = samples(batch)
    found = {
        kind: mean_errors(graph, quantized(graph, data, correct_biases=kind)[0], fresh).max()
        for kind in ("no", "fast", "sequential")
    }
    assert found["sequential"] < 0.75 * found["fast"] < 0.75 * found["no"]


@pytest.mark.better
def test_it_compiles_two_models_and_runs_a_fifth_of_the_samples_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    real: Callable[..., None] = Engine.run

    def run(self: Engine, items: Any, take: Any) -> None:
        listed = list(items)
        ran.append(len(listed))
        real(self, listed, take)

    monkeypatch.setattr(Engine, "run", run)
    quantized(chain(), samples(count=120), correct_biases="sequential")
    assert ran[0] == 120  # the calibration
    assert len(ran) == 3
    assert ran[1] == ran[2] <= 0.2 * 120 + 1


def kept_of(count: int) -> list[int]:
    """The numbers of the samples that are kept of so many."""
    keeper = SampleKeeper(QuantizationConfig.checked(correct_biases="sequential"))
    for index in range(count):
        keeper.take(CalibrationSample(Sample("", None), {}, is_held_out(index)), index)
    return list(keeper.kept)


@pytest.mark.parametrize(
    ("count", "kept"), [(1, 1), (3, 3), (8, 8), (12, 11), (30, 16), (60, 16), (200, 40), (900, 64)]
)
def test_of_few_samples_more_than_a_fifth_are_kept(count: int, kept: int) -> None:
    assert len(kept_of(count)) == pytest.approx(kept, abs=1 if kept == 40 else 0)
    assert not any(is_held_out(index) for index in kept_of(count))


@pytest.mark.parametrize("count", [60, 200, 900])
def test_samples_are_kept_from_all_parts_of_the_data(count: int) -> None:
    found = np.array([0, *kept_of(count), count])
    assert np.diff(found).max() <= 2.7 * np.diff(found).mean()


@pytest.mark.parametrize("count", [60, 144, 200, 900])
def test_samples_are_kept_from_all_parts_of_data_that_are_read_at_even_distances(count: int) -> None:
    """Their lowest ranks would be neighbours at both ends of the data, for 144 samples for instance."""
    keeper = SampleKeeper(QuantizationConfig.checked(correct_biases="sequential"), count)
    order = sorted(range(count), key=rank)
    for index in range(count):
        keeper.take(CalibrationSample(Sample("", None), {}, is_held_out=False), index)
    found = np.array([0, *sorted(order[index] for index in keeper.kept), count])
    assert np.diff(found).max() <= 2.7 * np.diff(found).mean()


@pytest.mark.parametrize(
    ("size_of", "kept"),
    [
        (lambda _: 15, 16),
        (lambda _: 100, 2),
        (lambda _: 300, 0),
        (lambda index: 100 if index > 16 else 1, 3),
        (lambda index: 300 if index % 2 else 15, 16),
    ],
    ids=["small", "large", "too large", "small ones first", "every other one too large"],
)
def test_what_is_kept_for_the_guard_fits_its_memory_however_sizes_differ(
    size_of: Callable[[int], int], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "KEPT_BYTES", 250)
    keeper = SampleKeeper(QuantizationConfig.checked())
    for index in range(120):
        feed = {"x": np.zeros(size_of(index), np.uint8)}
        keeper.take(CalibrationSample(Sample("", None), feed, is_held_out(index)), index)
    assert len(keeper.kept) == kept
    assert sum(each.feed["x"].nbytes for each in keeper.kept.values()) <= 250


def test_one_sample_corrects_nothing() -> None:
    _, context = quantized(chain(), samples(count=1), correct_biases="sequential")
    assert [each.is_accepted for each in context.corrections.values()] == [False] * 3


def test_corrections_made_from_few_samples_are_judged_by_all_of_them() -> None:
    graph, data = chain(), samples(count=5)
    _, context = quantized(graph, data, correct_biases="sequential")
    assert len(context.kept) == 5
    assert all(each.remaining > 0 for each in context.corrections.values())


@pytest.mark.slow
@pytest.mark.parity
def test_the_corrections_are_those_of_going_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow way: after each layer is corrected, the model is run again for the error of the next."""
    monkeypatch.setattr("irquant.passes.analysis.bias_cross_validation.MOST", 0.0)
    graph, data = chain(), samples(count=24)
    copy = graph.copy()
    config = QuantizationConfig.checked(preset="mixed", weights={"bits": 3}, correct_biases="no")
    context = Context(load_target("cpu"), config, data)
    passes = [each for each in default_quantization(config=config) if each.name != "compress-weights"]
    PassManager(passes).run(copy, context)
    kept = {k: PreparedSample(Sample(f"sample {k}", None), {"x": sample}) for k, sample in enumerate(data)}
    context.take_over(replace(context.calibration, kept=kept))
    ours = copy.copy()
    assert CorrectBiases().run(ours, context) == 3

    def output_means(each: Graph, layer: str) -> Array:
        """The mean of each channel behind a layer and its bias."""
        model = to_runtime(each)
        node = next(found for found in model.get_ops() if found.get_friendly_name() == layer)
        readers = [port.get_node() for port in node.output(0).get_target_inputs()]
        behind = readers[0] if len(readers) == 1 and readers[0].get_type_name() == "Add" else node
        probe = ov.Model([op.result(behind)], model.get_parameters())
        compiled = ov.Core().compile_model(probe, "CPU", FLOAT)
        means = [compiled(sample)[0].mean(axis=(0, 2, 3), dtype=np.float64) for sample in data]
        return np.asarray(np.mean(means, axis=0))

    for layer in ("first", "second", "third"):
        change_bias(copy.node(layer), output_means(graph, layer) - output_means(copy, layer))
    for layer in ("first", "second", "third"):
        slow, fast = (output_means(each, layer) for each in (copy, ours))
        spread = np.abs(output_means(graph, layer)).max()
        np.testing.assert_allclose(fast, slow, atol=0.01 * spread)


@pytest.mark.parametrize("shape", [(3, 8, 5), (1, 8, 5)])
def test_several_matrices_of_weights_are_corrected_together(shape: tuple[int, ...]) -> None:
    x = op.parameter([12, 8], np.float32)
    graph = from_runtime(ov.Model([op.result(op.relu(op.matmul(x, coarse(*shape), False, False)))], [x]))
    data = [RNG.random((12, 8)).astype(np.float32) for _ in range(20)]
    graphs = [graph, *(quantized(graph, data, correct_biases=kind)[0] for kind in ("no", "sequential"))]
    models = [ov.Core().compile_model(to_runtime(each), "CPU", FLOAT) for each in graphs]
    wanted, plain, corrected = (np.mean([each(sample)[0] for sample in data], axis=(0, 1, 2)) for each in models)
    assert wanted.shape == (5,)
    assert np.abs(corrected - wanted).max() < 0.5 * np.abs(plain - wanted).max()


def test_layers_that_stay_float_are_corrected_only_if_wanted() -> None:
    data = samples()
    kept = {"ignored": {"scope": ["third"]}, "correct_biases": "sequential"}
    _, context = quantized(chain(), data, **kept)
    assert {node.name for node in context.corrections} == {"first", "second"}
    _, context = quantized(chain(), data, **kept, correct_float_layers=True)
    assert {node.name for node in context.corrections} == {"first", "second", "third"}


def test_without_data_it_says_what_it_needs(tmp_path: Any) -> None:
    graph, data = chain(), samples()
    quantize_graph(
        graph.copy(),
        data,
        load_target("cpu"),
        QuantizationConfig(),
        measuring=measured_by(None, tmp_path / "s.npz", None),
    )
    config = QuantizationConfig.checked(correct_biases="sequential")
    loaded = measured_by(tmp_path / "s.npz", None, None)
    with pytest.raises(
        ConfigError, match=r"^sequential bias correction runs the model: also give the calibration data$"
    ):
        quantize_graph(graph.copy(), None, load_target("cpu"), config, measuring=loaded)
    _, report = quantize_graph(graph.copy(), data, load_target("cpu"), config, measuring=loaded)
    assert report.corrected + report.uncorrected == 3


def test_the_product_of_a_single_vector_is_corrected_too() -> None:
    x = op.parameter([16], np.float32)
    first = op.relu(op.matmul(x, coarse(8, 16), False, True))
    model = ov.Model([op.result(op.matmul(first, coarse(4, 8), False, True))], [x])
    data = [RNG.random(16).astype(np.float32) for _ in range(20)]
    quantized(from_runtime(model), data, correct_biases="sequential", correct_float_layers=True)


def test_if_the_runtime_refuses_what_measures_that_is_told_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        message = "the runtime cannot compile the model: NotAllocated"
        raise RuntimeRejectedError(message)

    monkeypatch.setattr(correct_biases, "Engine", refused)
    graph, context = quantized(chain(), samples(), correct_biases="sequential")
    assert context.warnings == [
        "biases are not corrected sequentially: with outputs that measure them, the runtime cannot compile the model: "
        "NotAllocated"
    ]
    assert any(each.is_accepted for each in context.corrections.values()), "the fast correction follows"
    assert any(graph.nodes("FakeQuantize"))


def test_selections_at_the_outputs_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suppression of boxes takes seconds to compile, and changes no mean of a layer."""
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    boxes = op.relu(op.convolution(x, coarse(5, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    rows = op.transpose(op.reshape(boxes, np.array([1, 5, 64]), False), np.array([0, 2, 1]))
    corners, scores = op.split(rows, np.int64(2), 5).outputs()[:4], op.split(rows, np.int64(2), 5).output(4)
    corners, scores = op.concat(corners, 2), op.transpose(scores, np.array([0, 2, 1]))
    picked = op.non_max_suppression(corners, scores, np.array(5, np.int64), np.float32(0.5), np.float32(0.1))
    found = op.gather(corners, op.squeeze(op.slice(picked.output(0), *map(np.array, ([2], [3], [1], [1]))), 1), 1)
    graph, compiled = from_runtime(ov.Model([op.result(found)], [x])), list[Graph]()
    real = Engine

    def engine(model: Graph, config: dict[str, str]) -> Engine:
        compiled.append(model)
        return real(model, config)

    monkeypatch.setattr(correct_biases, "Engine", engine)
    _, context = quantized(graph, samples(), correct_biases="sequential")
    assert context.outputs.left_out
    assert len(compiled) == 2
    assert not any([*each.nodes("NonMaxSuppression")] for each in compiled)
    assert len(context.corrections) == 1


def test_a_second_run_changes_nothing() -> None:
    graph, data = chain(), samples()
    config = QuantizationConfig.checked(correct_biases="sequential")
    context = Context(load_target("cpu"), config, data)
    passes = [each for each in default_quantization(config=config) if each.name != "compress-weights"]
    PassManager(passes).run(graph, context)
    assert CorrectBiases().run(graph, context) == 0


@pytest.mark.parametrize("target", ["cpu", "npu"])
def test_recurrent_layers_behind_linear_ones_do_not_end_it(target: str) -> None:
    x = op.parameter([1, 6, 8], np.float32, name="x")
    y = op.matmul(x, coarse(8, 8), False, True)
    zero, length = np.zeros((1, 1, 4), np.float32), np.array([6])
    y = op.gru_sequence(y, zero, length, coarse(1, 12, 8), coarse(1, 12, 4), coarse(1, 12), 4, "forward").output(0)
    graph = from_runtime(ov.Model([op.matmul(y, coarse(4, 4), False, True)], [x]))
    data = [RNG.normal(size=(1, 6, 8)).astype(np.float32) for _ in range(4)]
    config = QuantizationConfig.checked(correct_biases="sequential", guard=False)
    context = Context(load_target(target), config, data)
    PassManager(default_quantization(config=config)).run(graph, context)
    assert {node.type for node in context.corrections} == {"MatMul"}
