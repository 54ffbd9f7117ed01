"""Aligning channels changes no output, takes only pairs that allow it, and knows the statistics without a second run."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization, quantize
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.measurement import Measurement
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.request import Reduction, request
from irquant.passes.transforms.align_activation_channels import AlignActivationChannels, pairs
from irquant.targets import load_target
from tests.passes.measured_again import assert_as_measured_again
from tests.passes.runs_int8.nets import some_slow

RNG = np.random.default_rng(5)
Array = np.ndarray[Any, np.dtype[Any]]
SIDE, SPREAD = 10, np.exp(RNG.normal(size=8)).astype(np.float32)


def weights(*shape: int) -> Array:
    """Output channels of very different sizes."""
    values = RNG.normal(scale=0.3, size=shape).astype(np.float32)
    if shape[0] == 8:
        values *= SPREAD.reshape(8, *[1] * (len(shape) - 1))
    return values


def bias(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def conv(x: Any, values: Array, *, stride: int = 1, pad: int = 0, dilation: int = 1) -> Any:
    return op.convolution(x, values, [stride] * 2, [pad] * 2, [pad] * 2, [dilation] * 2)


def depthwise(x: Any, values: Array) -> Any:
    return op.group_convolution(x, values, [1, 1], [1, 1], [1, 1], [1, 1])


def model(build: Any, *, dynamic: bool = False) -> Graph:
    side = -1 if dynamic else SIDE
    x = op.parameter([1, 4, side, side], np.float32, name="x")
    return from_runtime(ov.Model([op.result(op.relu(build(x)))], [x]))


#: Pairs, by what they look like.
PAIRS: dict[str, Any] = {
    "two biases": lambda x: op.add(conv(op.add(conv(x, weights(8, 4, 3, 3)), bias(1, 8, 1, 1)), weights(6, 8, 1, 1)), bias(1, 6, 1, 1)),
    "no bias at all": lambda x: conv(conv(x, weights(8, 4, 3, 3), pad=1, stride=2), weights(6, 8, 3, 3)),
    "a bias in front only": lambda x: conv(op.add(conv(x, weights(8, 4, 1, 1)), bias(1, 8, 1, 1)), weights(6, 8, 1, 1)),
    "a bias behind only": lambda x: op.add(conv(conv(x, weights(8, 4, 1, 1)), weights(6, 8, 1, 1)), bias(1, 6, 1, 1)),
    "a scalar bias": lambda x: op.add(conv(op.add(conv(x, weights(8, 4, 1, 1)), bias(1)), weights(6, 8, 1, 1)), bias(1, 1, 1, 1)),
    "biases of rank 3": lambda x: op.add(conv(op.add(conv(x, weights(8, 4, 1, 1)), bias(8, 1, 1)), weights(6, 8, 1, 1)), bias(6, 1, 1)),
    "the bias comes first": lambda x: conv(op.add(bias(1, 8, 1, 1), conv(x, weights(8, 4, 1, 1))), weights(6, 8, 2, 2)),
    "depthwise in front": lambda x: conv(op.add(depthwise(x, weights(4, 1, 1, 3, 3)), bias(1, 4, 1, 1)), weights(6, 4, 1, 1)),
    "groups in front": lambda x: conv(depthwise(x, weights(2, 4, 2, 3, 3)), weights(6, 8, 1, 1)),
}  # fmt: skip
#: Those whose biases have a number for each place, which only go with static sizes.
PLACES: dict[str, Any] = {
    "a bias for each place": lambda x: conv(op.add(conv(x, weights(8, 4, 1, 1)), bias(1, 8, SIDE, SIDE)), weights(6, 8, 1, 1)),
    "biases for each place": lambda x: op.add(conv(op.add(conv(x, weights(8, 4, 1, 1)), bias(8, SIDE, 1)), weights(6, 8, 1, 1)), bias(6, 1, SIDE)),
}  # fmt: skip
#: No pairs, and why.
OTHERS: dict[str, Any] = {
    "an activation between": lambda x: conv(op.relu(conv(x, weights(8, 4, 1, 1))), weights(6, 8, 1, 1)),
    "padding": lambda x: conv(conv(x, weights(8, 4, 1, 1)), weights(6, 8, 3, 3), pad=1),
    "strides": lambda x: conv(conv(x, weights(8, 4, 1, 1)), weights(6, 8, 1, 1), stride=2),
    "dilation": lambda x: conv(conv(x, weights(8, 4, 1, 1)), weights(6, 8, 2, 2), dilation=2),
    "a second reader": lambda x: (lambda t: op.concat([conv(t, weights(8, 8, 1, 1)), t], 1))(conv(x, weights(8, 4, 1, 1))),
    "a residual sum": lambda x: (lambda t: conv(op.add(conv(t, weights(8, 4, 1, 1)), conv(t, weights(8, 4, 1, 1))), weights(6, 8, 1, 1)))(x),
    "groups behind": lambda x: depthwise(conv(x, weights(8, 4, 1, 1)), weights(8, 1, 1, 3, 3)),
    "a bias that widens the tensor": lambda x: conv(op.add(conv(x, weights(8, 4, SIDE, SIDE)), bias(1, 8, SIDE, SIDE)), weights(6, 8, 1, 1)),
}  # fmt: skip


def context_of(graph: Graph, **options: Any) -> Context:
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(12)]
    context = Context(load_target("cpu"), QuantizationConfig.checked(**options), data)
    passes = default_quantization()
    manager = PassManager(passes)
    context.wanted = manager.prepare(graph, context)
    return context


def run(graph: Graph) -> Array:
    sample = np.random.default_rng(8).normal(size=(1, 4, SIDE, SIDE)).astype(np.float32)
    compiled = ov.Core().compile_model(to_runtime(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(sample)[0])


@pytest.mark.parametrize(
    ("case", "dynamic"),
    [
        *((case, False) for case in PAIRS | PLACES),
        *(pytest.param(case, True, marks=pytest.mark.slow) for case in PAIRS),
    ],
)
def test_the_outputs_stay_and_the_channels_become_alike(case: str, *, dynamic: bool) -> None:
    graph = model((PAIRS | PLACES)[case], dynamic=dynamic)
    before = run(graph)
    context = context_of(graph)
    Calibrate().run(graph, context)
    (pair,) = pairs(graph, context, across=False)
    ends = [request(pair.tensor, each, 1) for each in (Reduction.MIN, Reduction.MAX)]
    old = spread(context, ends)
    assert AlignActivationChannels().run(graph, context) == 1
    np.testing.assert_allclose(run(graph), before, rtol=2e-4, atol=2e-5)
    assert spread(context, ends) < min(1.3, old)
    assert AlignActivationChannels().run(graph, context) == 0


def spread(context: Context, ends: list[Any]) -> float:
    """How far the widest channel is from the narrowest."""
    low, high = (np.median(context.statistics[each], axis=0) for each in ends)
    ranges = (high - low)[high > low]  # a channel may be dead behind a ReLU
    return float(ranges.max() / ranges.min())


@pytest.mark.parametrize("case", some_slow(PAIRS))
@pytest.mark.better
def test_statistics_are_those_of_a_run_of_the_aligned_model(case: str) -> None:
    graph = model(PAIRS[case])
    context = context_of(graph)
    Calibrate().run(graph, context)
    AlignActivationChannels().run(graph, context)
    (pair,) = pairs(graph, context, across=False)
    assert request(pair.tensor, Reduction.SAMPLE, 1) in context.wanted
    assert_as_measured_again(graph, context)


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_pair_is_left_alone(case: str) -> None:
    graph = model(OTHERS[case])
    assert not pairs(graph, context_of(graph), across=False)


def test_biases_for_each_place_of_dynamic_sizes_are_left_alone() -> None:
    graph = model(PLACES["a bias for each place"], dynamic=True)
    assert not pairs(graph, context_of(graph), across=False)


@pytest.mark.parametrize("ignored", [["re:Convolution.*"], ["first"], ["second"]])
@pytest.mark.better
def test_what_the_user_ignores_is_left_alone(ignored: list[str]) -> None:
    graph = model(PAIRS["two biases"])
    first, second = graph.nodes("Convolution")
    names = {"first": first.name, "second": second.name}
    context = context_of(graph, ignored={"scope": [names.get(each, each) for each in ignored]})
    assert not pairs(graph, context, across=False)


@pytest.mark.parametrize(
    "wish",
    [
        {"weights": {"mode": "asymmetric"}},
        {"activations": {"bits": 7}},
        {"activations": {"granularity": "perchannel"}},
    ],
    ids=str,
)
def test_layers_that_are_rounded_but_run_in_float_are_aligned(wish: dict[str, Any]) -> None:
    graph = model(PAIRS["two biases"])
    context = context_of(graph, **wish)
    assert not any(each.int8 for each in context.plan.decisions.values())
    assert len(pairs(graph, context, across=False)) == 1
    Calibrate().run(graph, context)
    assert AlignActivationChannels().run(graph, context) == 1


def test_shared_weights_are_left_alone() -> None:
    shared = op.constant(weights(8, 4, 1, 1))

    def build(x: Any) -> Any:
        return op.add(conv(conv(x, shared), weights(6, 8, 1, 1)), conv(op.relu(conv(x, shared)), weights(6, 8, 1, 1)))

    graph = model(build)
    assert not pairs(graph, context_of(graph), across=False)


def test_a_dead_channel_keeps_its_scale() -> None:
    values = weights(8, 4, 1, 1)
    values[3] = 0
    graph = model(lambda x: conv(conv(x, values), weights(6, 8, 1, 1)))
    before, context = run(graph), context_of(graph)
    Calibrate().run(graph, context)
    assert AlignActivationChannels().run(graph, context) == 1
    np.testing.assert_allclose(run(graph), before, rtol=2e-4, atol=2e-5)


def test_a_tensor_that_is_always_zero_is_left_alone() -> None:
    graph = model(lambda x: conv(conv(x, np.zeros((8, 4, 1, 1), np.float32)), weights(6, 8, 1, 1)))
    context = context_of(graph)
    Calibrate().run(graph, context)
    assert AlignActivationChannels().run(graph, context) == 0


def test_it_takes_no_more_than_the_one_run() -> None:
    graph = model(PAIRS["two biases"])
    measurement = Measurement.of(graph, context_of(graph).wanted)
    assert [block.raw for block in measurement.blocks] == [False]


@pytest.mark.parametrize(("side", "is_quantile"), [(64, True), (65, False)])
def test_of_large_channels_the_extremes_are_taken(side: int, *, is_quantile: bool) -> None:
    x = op.parameter([1, 4, side, side], np.float32)
    values = (weights(8, 4, 1, 1), weights(6, 8, 1, 1))
    graph = from_runtime(ov.Model([op.result(op.relu(conv(conv(x, values[0]), values[1])))], [x]))
    wanted = {each.reduction for each in context_of(graph).wanted}
    assert (Reduction.QUANTILE in wanted) == is_quantile


def test_it_makes_the_result_better() -> None:
    build = PAIRS["two biases"]
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(40)]
    x = op.parameter([1, 4, SIDE, SIDE], np.float32)
    original = ov.Model([op.result(build(x))], [x])
    errors: list[float] = []
    for passes in (
        default_quantization(),
        [p for p in default_quantization() if p.name != "align-activation-channels"],
    ):
        graph = from_runtime(original)
        PassManager(passes).run(graph, Context(load_target("cpu"), QuantizationConfig(), data))
        compiled = [ov.compile_model(each, "CPU") for each in (original, to_runtime(graph))]
        errors.append(sum(float(((compiled[0](each)[0] - compiled[1](each)[0]) ** 2).mean()) for each in data))
    assert errors[0] < 0.7 * errors[1]


def test_quantize_aligns() -> None:
    x = op.parameter([1, 4, SIDE, SIDE], np.float32)
    original = ov.Model([op.result(PAIRS["two biases"](x))], [x])
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(20)]
    reports: list[Any] = []
    quantize(original, data, report=reports.append)
    assert reports[0].results["align-activation-channels"].changes == 1


#: What only the named option takes: scales alone, across what commutes with them.
ACROSS: dict[str, Any] = {
    "ReLU": lambda x: conv(op.relu(op.add(conv(x, weights(8, 4, 1, 1)), bias(1, 8, 1, 1))), weights(6, 8, 3, 3), pad=1),
    "PReLU": lambda x: conv(op.prelu(conv(x, weights(8, 4, 1, 1)), bias(8)), weights(6, 8, 1, 1)),
    "ReLU and PReLU": lambda x: conv(op.prelu(op.relu(conv(x, weights(8, 4, 1, 1))), bias(1)), weights(6, 8, 1, 1), stride=2),
    "a depthwise convolution behind": lambda x: depthwise(op.relu(conv(x, weights(8, 4, 1, 1))), weights(8, 1, 1, 3, 3)),
    "padding": OTHERS["padding"],
    "strides": OTHERS["strides"],
    "dilation": OTHERS["dilation"],
    "nothing": PAIRS["two biases"],
}  # fmt: skip


@pytest.mark.parametrize("case", some_slow(ACROSS, 2))
def test_across_activations_the_outputs_stay_and_the_channels_become_alike(case: str) -> None:
    graph = model(ACROSS[case])
    before, context = run(graph), across(graph)
    Calibrate().run(graph, context)
    (pair,) = pairs(graph, context, across=True)
    ends = [request(pair.tensor, each, 1) for each in (Reduction.MIN, Reduction.MAX)]
    old = spread(context, ends)
    assert AlignActivationChannels(across=True).run(graph, context) == 1
    np.testing.assert_allclose(run(graph), before, rtol=2e-4, atol=2e-5)
    assert spread(context, ends) < min(1.5, old)
    assert_as_measured_again(graph, context)


def across(graph: Graph) -> Context:
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(12)]
    context = Context(load_target("cpu"), QuantizationConfig.checked(align_across=True), data)
    context.wanted = PassManager(default_quantization(config=context.config)).prepare(graph, context)
    return context


#: What even that option leaves alone.
NEITHER: dict[str, Any] = {
    "a bound above": lambda x: conv(op.clamp(conv(x, weights(8, 4, 1, 1)), 0, 6), weights(6, 8, 1, 1)),
    "a curve": lambda x: conv(op.sigmoid(conv(x, weights(8, 4, 1, 1))), weights(6, 8, 1, 1)),
    "groups of several channels": lambda x: depthwise(op.relu(conv(x, weights(8, 4, 1, 1))), weights(2, 3, 4, 3, 3)),
    "a second reader": OTHERS["a second reader"],
    "a residual sum": OTHERS["a residual sum"],
    "a second reader behind the activation": lambda x: (lambda t: op.concat([conv(t, weights(8, 8, 1, 1)), t], 1))(op.relu(conv(x, weights(8, 4, 1, 1)))),
}  # fmt: skip


@pytest.mark.parametrize("case", NEITHER)
def test_what_does_not_commute_is_left_alone(case: str) -> None:
    graph = model(NEITHER[case])
    assert not pairs(graph, across(graph), across=True)


@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_quantiles_of_aligned_channels_need_no_second_run(preset: str) -> None:
    graph = model(PAIRS["two biases"])
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(12)]
    end = {"outlier_prob": 0.05, "granularity": "perchannel", "aggregator": "median"}
    config = QuantizationConfig.checked(
        preset=preset, activations={"range_estimator": {"min": end, "max": end, "preset": "quantile"}}
    )
    PassManager(default_quantization()).run(graph, Context(load_target("cpu"), config, data))
    assert sum(1 for _ in graph.nodes("FakeQuantize")) == 2


@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_quantiles_of_aligned_tensors_need_no_second_run(preset: str) -> None:
    """For the whole tensor's stands the outermost of its channels': no narrower, and hardly wider."""
    graph = model(PAIRS["two biases"])
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(12)]
    estimator = {"min": {"outlier_prob": 0.05}, "max": {"outlier_prob": 0.05}, "preset": "quantile"}
    config = QuantizationConfig.checked(preset=preset, activations={"range_estimator": estimator})
    context = Context(load_target("cpu"), config, data)
    without = ("correct-biases-fast", "absorb-zero-points", "compress-weights")
    PassManager([each for each in default_quantization() if each.name not in without]).run(graph, context)
    second = [*graph.nodes("Convolution")][1]
    found = second.source().node
    low, high = (float(found.source(index).node.array) for index in (1, 2))
    aligned = graph.copy()
    for node in [*aligned.nodes("FakeQuantize")]:
        node.replace_with(node.source())
    tensor = next(node for node in aligned.nodes("Add"))
    probe = to_runtime(aligned)
    behind = next(each for each in probe.get_ops() if each.get_friendly_name() == tensor.name)
    compiled = ov.compile_model(
        ov.Model([op.result(behind)], probe.get_parameters()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    values = [compiled(each)[0] for each in data]
    if preset == "performance":
        exact = np.mean([np.quantile(np.abs(each), 0.95) for each in values])
        assert exact * 0.999 <= high < 1.4 * exact
    else:
        lower, upper = (np.mean([np.quantile(each, share) for each in values]) for share in (0.05, 0.95))
        assert 1.4 * lower < low <= lower * 0.99
        assert upper * 0.99 <= high < 1.4 * upper
