"""Migrating scales changes no output, takes only groups that allow it and gain, and needs no second run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, to_text
from irquant.passes import Context, PassManager, QuantizationConfig, Reduction, Report, Request, quantize
from irquant.passes.accuracy.requantize import CalibratedModel
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.analysis.channel_scales import Channels, Matrix, Tried, best_of, expected_error, scales, tried
from irquant.passes.analysis.ranges import Range, fake_quantize
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.request import Statistics
from irquant.passes.testing import check_pass
from irquant.passes.transforms import smooth_quant
from irquant.passes.transforms.correct_biases_fast import CorrectBiasesFast
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.passes.transforms.smooth_quant import SmoothQuant, groups
from irquant.targets import load_target
from tests.passes.measured_again import assert_as_measured_again

Array = np.ndarray[Any, np.dtype[Any]]
pytestmark = pytest.mark.slow
RNG = np.random.default_rng(6)
WIDTH, LENGTH = 16, 12
#: Two channels are far louder than the others, as they are in transformers.
LOUD = np.array([60, 40, *[1] * (WIDTH - 2)], np.float32)
EVERYWHERE = SmoothQuant(everywhere=True)


def weights(rows: int, columns: int = WIDTH) -> Array:
    return RNG.normal(scale=0.3, size=(rows, columns)).astype(np.float32)


def linear(x: Any, values: Any, *, bias: bool = True, transpose_b: bool = True) -> Any:
    product = op.matmul(x, values, False, transpose_b)
    width = product.get_output_partial_shape(0)[-1].get_length()
    return op.add(product, RNG.normal(size=(1, 1, width)).astype(np.float32)) if bias else product


def norm(x: Any, loudness: Array = LOUD) -> Any:
    """A normalization written out, with loud channels."""
    gamma, beta = loudness.reshape(1, 1, -1), RNG.normal(size=(1, 1, WIDTH)).astype(np.float32)
    kind = x.get_element_type().to_dtype()
    return op.add(op.multiply(op.mvn(x, [-1], True, 1e-5, "inside_sqrt"), gamma.astype(kind)), beta.astype(kind))


def halves(x: Any) -> Any:
    half = norm(op.convert(x, "f16"))
    return op.convert(op.matmul(half, weights(8).astype(np.float16), False, True), "f32")


def twice(x: Any) -> Any:
    shared, tensor = op.constant(weights(8)), norm(x)
    return op.concat([op.matmul(tensor, shared, False, True), op.tanh(op.matmul(tensor, shared, False, True))], -1)


def residual(x: Any) -> Any:
    tensor = norm(x)
    return op.add(tensor, op.tanh(linear(tensor, weights(WIDTH))))


def three(x: Any) -> Any:
    tensor = norm(x)
    q, k, v = (linear(tensor, weights(WIDTH)) for _ in range(3))
    return op.add(op.matmul(op.softmax(op.matmul(q, k, False, True), -1), v, False, False), tensor)


def measured_size(x: Any) -> Any:
    tensor = norm(x)
    return op.reshape(linear(tensor, weights(WIDTH)), op.shape_of(tensor), False)


#: Groups, by what they look like; one in each.
GROUPS: dict[str, Any] = {
    "a normalization in front": lambda x: linear(norm(x), weights(8)),
    "no bias": lambda x: linear(norm(x), weights(8), bias=False),
    "a residual sum": residual,
    "queries, keys and values": three,
    "weights that are not transposed": lambda x: linear(norm(x), weights(WIDTH, 8), transpose_b=False),
    "weights that two layers of the group share": twice,
    "f16": halves,
    "a curve in front": lambda x: linear(op.gelu(norm(x), "erf"), weights(8)),
    "nothing below zero": lambda x: linear(op.relu(norm(x)), weights(8)),
    "a layer in front": lambda x: linear(linear(x, weights(WIDTH) * LOUD[:, None]), weights(8)),
    "somebody who asks for the size": measured_size,
    "a model output": lambda x: (lambda t: [t, linear(t, weights(8))])(norm(x)),
    "a channel that is always zero": lambda x: linear(norm(x) * np.array([0] + [1] * (WIDTH - 1), np.float32), weights(8)),
    "a channel that nobody reads": lambda x: linear(norm(x), weights(8) * np.array([1, 1, 0] + [1] * (WIDTH - 3), np.float32)),
}  # fmt: skip


def gathered(x: Any) -> Any:
    table, tensor = op.constant(weights(8)), norm(x)
    rows = op.gather(table, op.convert(op.reduce_max(op.sign(op.abs(x)), [0, 1]), "i32"), 0)
    return op.concat([op.reduce_sum(op.matmul(tensor, table, False, True), [0, 1]), op.reduce_sum(rows, [0])], 0)


def tied(x: Any) -> Any:
    shared = op.constant(weights(WIDTH))
    return linear(op.tanh(linear(norm(x), shared)), shared)


def product_of_data(x: Any) -> Any:
    tensor = norm(x)
    return op.concat([linear(tensor, weights(LENGTH)), op.matmul(tensor, op.tanh(tensor), False, True)], -1)


def convolved(x: Any) -> Any:
    tensor = op.unsqueeze(norm(x), 0)
    kernel = RNG.normal(size=(2, 1, 1, 1)).astype(np.float32)
    conv = op.convolution(tensor, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return op.concat([op.reduce_sum(conv, [1]), op.reduce_sum(op.matmul(tensor, weights(WIDTH), False, True), [1])], -1)


#: No groups.
OTHERS: dict[str, Any] = {
    "weights that are no constants": lambda x: op.matmul(norm(x), op.tanh(op.reduce_mean(x, [1], True)), False, True),
    "batched weights": lambda x: op.matmul(norm(x), weights(16 * WIDTH, 1).reshape(2, WIDTH, 8), False, False),
    "transposed data": lambda x: op.matmul(norm(x), weights(8, LENGTH), True, True),
    "weights of another group": tied,
    "weights that are a table, too": gathered,
    "a product of data that reads the same": product_of_data,
    "a convolution that reads the same": convolved,
    "constant data": lambda x: op.add(x, op.matmul(op.constant(weights(1)[None]), weights(WIDTH), False, True)),
    "an average that is stored in int8": lambda x: linear(op.reduce_mean(norm(x), [1], True), weights(8)),
    "a convolution": lambda x: op.convolution(x, RNG.normal(size=(4, LENGTH, 1)).astype(np.float32), [1], [0], [0], [1]),
}  # fmt: skip


def model(build: Any, *, dynamic: bool = False) -> ov.Model:
    x = op.parameter([-1, -1, WIDTH] if dynamic else [1, LENGTH, WIDTH], np.float32, name="x")
    outputs = build(x)
    return ov.Model([op.result(each) for each in (outputs if isinstance(outputs, list) else [outputs])], [x])


def samples(count: int = 12) -> list[Array]:
    return [RNG.normal(size=(1, LENGTH, WIDTH)).astype(np.float32) for _ in range(count)]


def context_of(graph: Graph, **options: Any) -> Context:
    config = QuantizationConfig.checked(**{"migrate_scales": True} | options)
    context = Context(load_target("cpu"), config, samples())
    context.wanted = PassManager(default_quantization(config=config)).prepare(graph, context)
    return context


def outputs(model: ov.Model, sample: Array, **options: str) -> list[Array]:
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **options})
    return [np.array(each) for each in compiled(sample).values()]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("case", GROUPS)
def test_the_outputs_stay_and_the_channels_become_alike(case: str, *, dynamic: bool) -> None:
    graph = from_runtime(model(GROUPS[case], dynamic=dynamic))
    before, context = graph.copy(), context_of(graph)
    Calibrate().run(graph, context)
    loudest = [spread(group.tensor, context) for group in groups(graph, context)]
    assert EVERYWHERE.run(graph, context) >= 1
    assert spread(groups(graph, context)[-1].tensor, context) < loudest[-1] / 3
    (sample,) = samples(1)
    tolerance = 2e-3 if case == "f16" else 2e-5
    for one, other in zip(*(outputs(to_runtime(each), sample) for each in (before, graph)), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * np.abs(one).max())
    assert EVERYWHERE.run(graph, context) == 0


def spread(tensor: Any, context: Context) -> float:
    """How much louder the loudest channel is than the one in the middle."""
    of = [context.statistics[Request(tensor.node.id, 0, each, 2)] for each in (Reduction.MIN, Reduction.MAX)]
    largest = np.maximum(-of[0], of[1]).max(axis=0)
    return float(largest.max() / np.median(largest[largest > 0]))


@pytest.mark.parametrize("preset", ["performance", "mixed"])
@pytest.mark.parametrize("case", GROUPS)
def test_statistics_are_those_of_a_run_of_the_migrated_model(case: str, preset: str) -> None:
    graph = from_runtime(model(GROUPS[case]))
    context = context_of(graph, preset=preset)
    Calibrate().run(graph, context)
    EVERYWHERE.run(graph, context)
    wanted = SetRanges().requests(graph, context) | CorrectBiasesFast().requests(graph, context)
    assert any(each.reduction is Reduction.SAMPLE for each in wanted)
    assert_as_measured_again(graph, context, wanted, 5e-3 if case == "f16" else 1e-4)


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_group_is_left_alone(case: str) -> None:
    graph = from_runtime(model(OTHERS[case]))
    assert not groups(graph, context_of(graph))


@pytest.mark.better
def test_a_group_with_a_layer_that_the_user_ignores_is_left_alone() -> None:
    graph = from_runtime(model(three))
    names = [node.name for node in graph.nodes("MatMul") if node.source(1).node.type == "Const"]
    for name in names:
        twin = graph.copy()
        found = groups(twin, context_of(twin, ignored={"scope": [name]}))
        assert [[layer.name for layer in group.layers] for group in found] == [[each for each in names if each != name]]
    assert not groups(graph, context_of(graph, ignored={"scope": names}))


@pytest.mark.parametrize("end", [{"type": "quantile"}, {"granularity": "perchannel"}])
def test_ranges_that_do_not_follow_from_those_of_the_channels_are_left_alone(end: dict[str, str]) -> None:
    graph = from_runtime(model(residual))
    estimator = {"range_estimator": {"min": end, "max": end}}
    assert not groups(graph, context_of(graph, activations=estimator))


def test_a_tensor_that_shares_its_range_is_left_alone() -> None:
    graph = from_runtime(model(lambda x: linear(op.concat([norm(x), norm(op.tanh(x))], 1), weights(8))))
    context = context_of(graph)
    assert any(site.group is not None for site in context.plan.sites)
    assert not groups(graph, context)


@pytest.mark.better
def test_a_group_without_loud_channels_is_left_alone() -> None:
    graph = from_runtime(model(lambda x: linear(op.sin(op.multiply(x, np.float32(9))), np.sign(weights(32)))))
    context = context_of(graph)
    before = to_text(graph, values=True)
    Calibrate().run(graph, context)
    assert len(groups(graph, context)) == 1
    assert EVERYWHERE.run(graph, context) == 0
    assert to_text(graph, values=True) == before


@pytest.mark.parametrize("transformer", [False, True])
def test_only_transformers_are_changed_unless_it_is_asked_for(*, transformer: bool) -> None:
    graph = from_runtime(model(three if transformer else residual))
    context = context_of(graph, migrate_scales=None)
    Calibrate().run(graph, context)
    assert bool(SmoothQuant().requests(graph, context)) == transformer
    assert SmoothQuant().run(graph, context) == transformer


def test_it_can_be_switched_off() -> None:
    names = [
        [each.name for each in default_quantization(config=QuantizationConfig(migrate_scales=it))]
        for it in (None, False)
    ]
    assert ["smooth-quant" in each for each in names] == [True, False]


def test_the_multiplication_is_for_the_group_only() -> None:
    """2.297 is 16 ** 0.3: the strength is 0.6, and only the ratio of the scales counts."""
    numpy = 'auto_broadcast="numpy"'
    matmul = 'transpose_a="false" transpose_b="true"'
    numbers = {Reduction.MIN: [[-16.0, -1.0]], Reduction.MAX: [[16.0, 1.0]], Reduction.MEAN: [[0.0, 0.0]]}
    measured = {Request(0, 0, each, 1): np.array(value, np.float32) for each, value in numbers.items()}
    context = Context(load_target("cpu"), QuantizationConfig.checked(preset="performance"))
    context.statistics = Statistics(measured)
    before = f"""
        x: f32[?,2] = Parameter()
        wq: f32[1,2] = Const() [1.0, 1.0]
        q: f32[?,1] = MatMul(x, wq) {matmul}
        wk: f32[1,2] = Const() [1.0, -1.0]
        k: f32[?,1] = MatMul(x, wk) {matmul}
        y: f32[?,1] = Add(q, k) {numpy}
        z: f32[?,2] = Add(x, y) {numpy}
        r = Result(z)
    """
    after = f"""
        x: f32[?,2] = Parameter()
        q/scale: f32[1,2] = Const() [0.4352753, 2.2973967]
        q/scaled: f32[?,2] = Multiply(x, q/scale) {numpy}
        wq: f32[1,2] = Const() [2.2973967, 0.4352753]
        q: f32[?,1] = MatMul(q/scaled, wq) {matmul}
        wk: f32[1,2] = Const() [2.2973967, -0.4352753]
        k: f32[?,1] = MatMul(q/scaled, wk) {matmul}
        y: f32[?,1] = Add(q, k) {numpy}
        z: f32[?,2] = Add(x, y) {numpy}
        r = Result(z)
    """
    check_pass(EVERYWHERE, before=before, after=after, context=context, prepare=[PlanPlacement()])


# ------------------------------------------------------------------------------------------------- what it is good for


def error(original: ov.Model, **options: Any) -> tuple[float, Report]:
    """The squared error of the quantized model's output as a share of its power, on new samples."""
    reports: list[Report] = []
    quantized = quantize(original, samples(40), config=QuantizationConfig.checked(**options), report=reports.append)
    fresh = samples(20)
    both = [[outputs(each, sample)[0] for sample in fresh] for each in (original, quantized)]
    noise = sum(float(((one - other) ** 2).sum()) for one, other in zip(*both, strict=True))
    return noise / sum(float((one**2).sum()) for one in both[0]), reports[0]


@pytest.mark.parametrize("correct_biases", ["fast", "sequential", "no"])
@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_it_makes_the_result_better(preset: str, correct_biases: str) -> None:
    quiet = np.where(LOUD > 1, 0.02, 0.3).astype(np.float32)  # weights answer loudness, or else the error hardly counts

    def build(x: Any) -> Any:
        tensor = norm(x)
        return op.add(op.tanh(linear(tensor, weights(WIDTH) * quiet)), linear(tensor, weights(WIDTH) * quiet))

    original = model(build, dynamic=True)
    found = {
        on: error(original, preset=preset, correct_biases=correct_biases, migrate_scales=on) for on in (False, True)
    }
    assert found[True][0] < 0.4 * found[False][0]
    assert found[True][1].results["smooth-quant"].changes == 1
    assert (execution := found[True][1].check.execution)
    assert not execution.fallen


def test_statistics_from_a_file_give_the_same_bytes(tmp_path: Path) -> None:
    ov.serialize(model(three, dynamic=True), tmp_path / "m.xml", tmp_path / "m.bin")
    data = samples(20)
    saved = tmp_path / "statistics.npz"
    quantize(tmp_path / "m.xml", data, output=tmp_path / "a.xml", save_statistics=saved)
    for preset in ("mixed", "performance"):
        found = [
            quantize(tmp_path / "m.xml", data, output=tmp_path / f"{number}.xml", preset=preset, statistics=statistics)
            for number, statistics in enumerate((None, saved))
        ]
        one, other = (path.read_bytes() + path.with_suffix(".bin").read_bytes() for path in found)
        assert one == other
        assert b"/scaled" in one


def test_layers_in_bodies_are_migrated() -> None:
    x, flag = op.parameter([1, LENGTH, WIDTH], np.float32, name="x"), op.parameter([], np.bool_, name="flag")
    branch = op.if_op(flag)
    for setter in (branch.set_then_body, branch.set_else_body):
        inner = op.parameter([1, LENGTH, WIDTH], np.float32)
        setter(ov.Model([op.result(residual(inner))], [inner]))
    bodies = [branch.get_function(index) for index in (0, 1)]
    branch.set_input(x.output(0), *(body.get_parameters()[0] for body in bodies))
    out = branch.set_output(*(body.get_results()[0] for body in bodies))
    graph = from_runtime(ov.Model([op.result(out)], [x, flag]))
    before, config = graph.copy(), QuantizationConfig(migrate_scales=True)
    data = [[sample, np.array(index % 2 == 0)] for index, sample in enumerate(samples(20))]
    context = Context(load_target("cpu"), config, data)
    passes = default_quantization(config=config)
    last = [each.name for each in passes].index(SmoothQuant.name)
    PassManager(passes[: last + 1]).run(graph, context)
    compiled = [
        ov.compile_model(to_runtime(each), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (before, graph)
    ]
    assert sum(node.name.endswith("/scaled") for each in graph.walk() for node in each.nodes("Multiply")) == 2
    for sample in data[:4]:
        one, other = (each(sample)[0] for each in compiled)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(one).max())


def test_a_second_model_of_a_calibration_weighs_no_scales_again(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed: list[int] = []

    def counted(channels: Channels, matrices: Sequence[Matrix]) -> Tried:
        weighed.append(len(matrices))
        return tried(channels, matrices)

    monkeypatch.setattr(smooth_quant, "tried", counted)
    graph, config = from_runtime(model(twice)), QuantizationConfig(migrate_scales=True)
    context = Context(load_target("cpu"), config, samples())
    calibrated = CalibratedModel(lambda wanted: default_quantization(Calibrate(), wanted), context)
    PassManager(calibrated.pipeline(config), [calibrated]).run(graph, context)
    before = list(weighed)
    assert before
    calibrated.rounded(config, {})
    assert weighed == before


# -------------------------------------------------------------------------------------------------------- the numbers


def crafted(loudness: Array) -> tuple[Array, Array]:
    """Samples [observations, positions, channels], and weights."""
    return RNG.normal(size=(20, 30, len(loudness))) * loudness, RNG.normal(size=(24, len(loudness)))


def rounded(values: Array, largest: Any, levels: int) -> Array:
    high = np.asarray(largest, np.float32)
    return fake_quantize(values.astype(np.float32), Range(-high, high), levels).astype(np.float64)


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("is_per_channel", [False, True])
def test_the_error_foretold_is_the_one_measured(strength: float, *, is_per_channel: bool) -> None:
    x, w = crafted(np.exp(np.random.default_rng(1).normal(size=32)))
    scale = scales(np.abs(x).max(axis=(0, 1)), np.abs(w).max(axis=0), strength, 1 - strength)
    x_range, w_range = np.abs(x / scale).max(), np.abs(w * scale).max(axis=1 if is_per_channel else None, keepdims=True)
    y = rounded(x / scale, x_range, 255) @ rounded(w * scale, w_range, 255).T
    measured = np.square(y - x @ w.T).mean(axis=(0, 1)).sum()
    matrix = Matrix(np.abs(w).astype(np.float32), 255, is_per_channel=is_per_channel)
    found = expected_error(np.square(x).mean(axis=(0, 1)), [matrix], scale, 2 * x_range / 254)
    assert found == pytest.approx(measured, rel=0.1)


def chosen(loudness: Array) -> Array | None:
    x, w = crafted(loudness)
    x, w = np.sin(9 * x / np.maximum(loudness, 1e-9)) * loudness, np.sign(w)  # alike but for loudness
    channels = Channels(x.min(axis=1), x.max(axis=1), x.mean(axis=1))
    matrix = Matrix(np.abs(w).astype(np.float32), 255, is_per_channel=True)
    return best_of(tried(channels, [matrix]), lambda scale: float(np.abs(x / scale).max() / 127))


def test_the_mean_square_is_about_the_true_one() -> None:
    x, _ = crafted(np.exp(RNG.normal(size=32)))
    x += RNG.normal(size=32)
    channels = Channels(x.min(axis=1), x.max(axis=1), x.mean(axis=1))
    np.testing.assert_allclose(channels.mean_square(), np.square(x).mean(axis=(0, 1)), rtol=0.25)


def test_a_loud_channel_gets_a_large_scale() -> None:
    found = chosen(np.array([100.0, *[1.0] * 31]))
    assert found is not None
    assert 8 < found[0] / np.median(found) <= 100


@pytest.mark.parametrize("loudness", [np.ones(32), np.full(32, 1e-6), np.zeros(32)])
def test_equal_channels_are_left_alone(loudness: Array) -> None:
    assert chosen(loudness) is None


def test_scales_stay_within_bounds_and_channels_without_use_keep_theirs() -> None:
    found = scales(np.array([1e9, 0.0, 1.0, 1e-9, 1.0]), np.array([1.0, 1.0, 0.0, 1.0, 1.0]), 0.9, 0.1)
    np.testing.assert_allclose(found, [100, 1, 1, 0.01, 1])


def test_no_scale_goes_between_products_that_the_device_would_merge() -> None:
    """With one thread, the CPU merges two small products with a scale between them, and the result is zero."""
    x = op.parameter([1, WIDTH], np.float32)
    hidden = op.relu(
        op.add(op.matmul(x, weights(8) * np.array([[40, 30, *[1] * 6]], np.float32).T, False, True), LOUD[:8])
    )
    model = ov.Model([op.result(op.matmul(hidden, weights(4, 8), False, True))], [x], "m")
    samples = [RNG.normal(size=(1, WIDTH)).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    config = QuantizationConfig(guard=False, migrate_scales=True)
    quantized = quantize(model, samples, config=config, report=reports.append)
    assert [layer.is_int8 for layer in reports[0].layers] == [True, True]
    one_thread = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    wanted, found = (ov.compile_model(each, "CPU", one_thread)(samples[0])[0] for each in (model, quantized))
    assert sqnr([wanted], [found]) > 25
