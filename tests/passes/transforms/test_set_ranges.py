"""Which activations get the range with the least expected error, and which keep the published one."""

import re
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, Node
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.analysis.ranges import Range, asymmetric_range, fake_quantize, symmetric_range
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.statistics.request import Reduction, Statistics
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(2)
ONES = [[1, 1], [0, 0], [0, 0], [1, 1]]
KERNEL = RNG.normal(size=(6, 4, 1, 1)).astype(np.float32)
PUBLISHED: dict[str, Any] = {"range_estimator": {"preset": "default"}}


def lopsided(count: int = 20, *, side: int = 12) -> list[Array]:
    """Values as behind SiLU: down to -0.28, up to 10 or so, all of which are sampled."""
    values = [RNG.normal(size=(1, 4, side, side)) * 3 for _ in range(count)]
    return [(each / (1 + np.exp(-each))).astype(np.float32) for each in values]


def convolution(*, side: int = 12) -> Graph:
    x = op.parameter([1, 4, side, side], np.float32, name="x")
    return from_runtime(ov.Model([op.result(op.convolution(x, KERNEL, *ONES, name="conv"))], [x]))


def ranged(graph: Graph, data: list[Array], *, target: str = "cpu", **options: Any) -> Context:
    """Quantizes a graph up to the ranges, all samples counting."""
    config = QuantizationConfig.checked(align=False, migrate_scales=False, **options)
    context = Context(load_target(target), config, data)
    passes = default_quantization(config=config)
    until = next(index for index, each in enumerate(passes) if isinstance(each, SetRanges))
    PassManager(passes[: until + 1]).run(graph, context)
    return context


@pytest.fixture(autouse=True)
def no_sample_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irquant.passes.calibration.sample_order.is_held_out", lambda _: False)


def limits(node: Node) -> tuple[float, float]:
    assert node.type == "FakeQuantize"
    return float(node.source(1).node.array), float(node.source(2).node.array)


def in_front(graph: Graph, name: str = "conv") -> tuple[float, float]:
    return limits(graph.node(name).source(0).node)


def range_of(data: list[Array], *, target: str = "cpu", **options: Any) -> tuple[float, float]:
    """The range in front of a convolution of such data."""
    graph = convolution(side=data[0].shape[-1])
    ranged(graph, data, target=target, **options)
    return in_front(graph)


def is_symmetric(found: tuple[float, float]) -> bool:
    return found[0] == pytest.approx(-found[1] * 256 / 254)


def error(data: list[Array], found: tuple[float, float]) -> float:
    """What rounding costs the sums of the convolution, channel by channel."""
    values, limits = np.concatenate(data), Range(*(np.array(each, np.float32) for each in found))
    squares = np.square(fake_quantize(values, limits, 256) - values, dtype=np.float64).sum((0, 2, 3))
    return float(squares @ np.square(KERNEL, dtype=np.float64).sum((0, 2, 3)))


# ------------------------------------------------------------------------------------------- the least expected error


def test_no_range_of_a_fine_grid_is_much_better() -> None:
    data = lopsided()
    values = np.concatenate(data)
    ends = [(low, high) for low in np.linspace(0.2, 1, 20) for high in np.linspace(0.2, 1, 40)]
    ranges = [
        asymmetric_range(np.full(1, values.min() * low), np.full(1, values.max() * high), 256) for low, high in ends
    ]
    best = min(error(data, (float(each.low[0]), float(each.high[0]))) for each in ranges)
    assert error(data, range_of(data)) < 1.1 * best


def test_it_is_better_than_the_published_range() -> None:
    data = lopsided()
    assert error(data, range_of(data)) < error(data, range_of(data, **PUBLISHED)) / 2


def test_channels_that_the_weights_do_not_listen_to_may_be_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [RNG.normal(size=(1, 4, 11, 11)).astype(np.float32) for _ in range(9)]
    for each in data:
        each[0, 3] *= 6
    heard = range_of(data)
    deaf = KERNEL.copy()
    deaf[:, 3] *= 1e-3
    monkeypatch.setitem(globals(), "KERNEL", deaf)
    assert range_of(data)[1] < heard[1] / 2


def test_outliers_that_no_sampled_element_shows_are_seen_by_the_extremes() -> None:
    """Of 65536 elements 512 are sampled; the others are large in a few places, in each sample."""
    data = [RNG.normal(size=(1, 4, 128, 128)).astype(np.float32) for _ in range(5)]
    quiet = range_of(data)
    for each in data:
        each.reshape(-1)[[7, 11, 13]] = 300, -300, 200
    assert range_of(data)[1] > 3 * quiet[1]


def test_spikes_of_one_sample_do_not_widen_the_range_of_a_large_tensor() -> None:
    data = lopsided(24, side=24)
    data[5][0, 1, 2:5, 2:5] = 100
    assert range_of(data)[1] < 20


def test_spikes_of_one_sample_count_in_a_small_tensor() -> None:
    """They are many of its values."""
    data = lopsided(24, side=12)
    data[5][0, 1, 2:5, 2:5] = 100
    assert range_of(data)[1] > 50


def test_a_loud_sample_counts() -> None:
    data = lopsided(24, side=24)
    data[5] *= 10
    assert range_of(data)[1] > 50


def test_spikes_of_each_sample_count() -> None:
    data = lopsided(24, side=24)
    for each in data:
        each[0, 1, 2, 2] = 100
    assert range_of(data)[1] > 50


def test_data_that_are_always_zero_keep_the_published_range() -> None:
    data = [np.zeros((1, 4, 6, 6), np.float32)] * 3
    assert range_of(data) == range_of(data, **PUBLISHED)


def test_a_second_run_gives_the_same_range() -> None:
    data = lopsided()
    assert range_of(data) == range_of(data)


# ------------------------------------------------------------------------------------------ symmetric or asymmetric


def test_a_range_may_be_asymmetric_where_that_is_free_and_the_user_has_no_preference() -> None:
    low, high = range_of(lopsided())
    assert -low < high / 10


@pytest.mark.parametrize("options", [{"preset": "performance"}, {"activations": {"mode": "symmetric"}}], ids=str)
def test_a_range_is_symmetric_where_the_user_says_so(options: dict[str, Any]) -> None:
    assert is_symmetric(range_of(lopsided(), **options))


def test_a_range_is_symmetric_where_a_zero_point_is_not_free() -> None:
    assert is_symmetric(range_of(lopsided(), target="npu"))
    assert not load_target("npu").specs["a8"].free_zero_point


def test_the_better_symmetric_range_is_not_the_published_one() -> None:
    data = lopsided()
    named, published = range_of(data, preset="performance"), range_of(data, preset="performance", **PUBLISHED)
    assert named != published
    assert error(data, named) <= error(data, published)


@pytest.mark.parametrize("options", [{"preset": "mixed"}, {"activations": {"mode": "asymmetric"}}], ids=str)
def test_a_range_may_be_asymmetric_where_the_user_says_so(options: dict[str, Any]) -> None:
    for target in ("cpu", "npu"):
        low, high = range_of(lopsided(), target=target, **options)
        assert -low < high / 10


def test_a_layer_that_takes_no_zero_point_gets_a_symmetric_range() -> None:
    """Transposed convolutions take none."""
    x = op.parameter([1, 16, 8, 8], np.float32, name="x")
    kernel = RNG.normal(size=(16, 16, 2, 2)).astype(np.float32)
    y = op.convolution_backprop_data(x, kernel, [2, 2], pads_begin=[0, 0], pads_end=[0, 0], name="conv")
    graph = from_runtime(ov.Model([op.result(y)], [x]))
    data = [np.concatenate([each] * 4, axis=1) for each in lopsided(side=8)]
    context = ranged(graph, data)
    (site,) = (each for each in context.plan.sites if not each.is_weights)
    assert not site.spec.free_zero_point
    assert is_symmetric(in_front(graph))


# -------------------------------------------------------------------------------------------------- the published ones


@pytest.mark.parametrize(
    "options",
    [
        {"range_estimator": {"preset": "default"}},
        {"range_estimator": {}},
        {"activations": {"range_estimator": {"preset": "default"}}},
        {"activations": {"range_estimator": {}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_a_named_estimator_gives_the_published_numbers(options: dict[str, Any], preset: str) -> None:
    data = lopsided()
    low, high = (np.mean([function(each) for each in data], keepdims=True) for function in (np.min, np.max))
    symmetric = symmetric_range(np.full(1, -1.0), high, 256)
    expected = symmetric if preset == "performance" else asymmetric_range(low, high, 256)
    found = range_of(data, preset=preset, **options)
    assert found == pytest.approx((float(expected.low[0]), float(expected.high[0])), rel=1e-6)


@pytest.mark.parametrize("end", [{"aggregator": "max"}, {"type": "quantile", "outlier_prob": 0.01}], ids=str)
def test_an_estimator_that_the_user_describes_is_kept_as_it_is(end: dict[str, Any]) -> None:
    data = lopsided()
    low, high = range_of(data, activations={"range_estimator": {"max": end}})
    largest = [np.abs(each) for each in data]
    expected = (
        max(map(np.max, largest)) if "aggregator" in end else np.mean([np.quantile(each, 0.99) for each in largest])
    )
    assert high == pytest.approx(expected, rel=1e-5)
    assert is_symmetric((low, high))


def test_an_estimator_of_weights_changes_nothing_of_activations() -> None:
    data = lopsided()
    assert range_of(data, weights={"range_estimator": {"preset": "quantile"}}) == range_of(data)


def depthwise() -> Graph:
    x = op.parameter([1, 4, 12, 12], np.float32, name="x")
    kernel = RNG.normal(size=(4, 1, 1, 3, 3)).astype(np.float32)
    y = op.group_convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="conv")
    return from_runtime(ov.Model([op.result(y)], [x]))


def test_ranges_of_channels_are_the_published_ones() -> None:
    data, found = lopsided(), list[list[Array]]()
    for options in ({}, PUBLISHED):
        graph = depthwise()
        context = ranged(graph, data, **options)
        assert [each.is_per_channel for each in context.plan.sites if not each.is_weights] == [True]
        assert not any(each.reduction is Reduction.SAMPLE for each in context.wanted)
        found.append([port.source.node.array for port in graph.node("conv").source(0).node.inputs[1:]])
    np.testing.assert_array_equal(found[0], found[1])


def repeated() -> Graph:
    """A convolution for each of five pictures, in a body, and one behind it."""
    x, inner = op.parameter([5, 4, 12, 12], np.float32, name="x"), op.parameter([1, 4, 12, 12], np.float32)
    body = ov.Model([op.result(op.convolution(inner, KERNEL[:4], *ONES, name="inside"))], [inner])
    each = op.tensor_iterator()
    each.set_body(body)
    each.set_sliced_input(inner, x.output(0), 0, 1, 1, -1, 0)
    pictures = each.get_concatenated_slices(body.outputs[0], 0, 1, 1, -1, 0)
    return from_runtime(ov.Model([op.result(op.convolution(pictures, KERNEL, *ONES, name="conv"))], [x]))


def test_ranges_in_bodies_are_the_published_ones() -> None:
    five = [np.concatenate(lopsided(5)) for _ in range(8)]
    inside, outside = list[tuple[float, float]](), list[tuple[float, float]]()
    for options in ({}, PUBLISHED):
        graph = repeated()
        context = ranged(graph, five, **options)
        (layer,) = (node for each in graph.walk() if each.scope for node in each.nodes("Convolution"))
        assert not any(each.reduction is Reduction.SAMPLE for each in context.wanted if each.scope)
        inside.append(limits(layer.source(0).node))
        outside.append(in_front(graph))
    assert inside[0] == inside[1]
    assert outside[0] != outside[1]


def test_without_samples_of_the_elements_ranges_are_the_published_ones() -> None:
    """So it is with statistics of tensors that are not known well enough any more."""
    data, graph = lopsided(), convolution()
    config = QuantizationConfig.checked(align=False, migrate_scales=False, preset="performance")
    context = Context(load_target("cpu"), config, data)
    passes = default_quantization(config=config)
    at = next(index for index, each in enumerate(passes) if isinstance(each, Calibrate))
    until = next(index for index, each in enumerate(passes) if isinstance(each, SetRanges))
    manager = PassManager(passes[: until + 1])
    context.wanted = manager.prepare(graph, context)
    Calibrate().run(graph, context)
    known = context.statistics.measured
    few = {each: known[each] for each in known if each.reduction is not Reduction.SAMPLE}
    context.statistics = Statistics(few, context.statistics.recipes, context.statistics.samples)
    for each in passes[at + 1 : until + 1]:
        each.run(graph, context)
    assert in_front(graph) == range_of(data, preset="performance", **PUBLISHED)


# ----------------------------------------------------------------------------------------------------- shared ranges


def joined(scale: float = 1.0) -> Graph:
    """Two tensors that Concat joins in front of a convolution."""
    x = op.parameter([1, 4, 12, 12], np.float32, name="x")
    parts = [op.multiply(op.sin(x), np.float32(1)), op.multiply(op.elu(x, 1.0), np.float32(scale))]
    kernel = np.concatenate([KERNEL, KERNEL], axis=1)
    y = op.convolution(op.concat(parts, 1, name="cat"), kernel, *ONES, name="conv")
    return from_runtime(ov.Model([op.result(y)], [x]))


@pytest.mark.parametrize("options", [{}, {"preset": "performance"}, {"preset": "mixed"}, PUBLISHED], ids=str)
def test_tensors_that_are_joined_share_one_range(options: dict[str, Any]) -> None:
    graph = joined(5.0)
    context = ranged(graph, lopsided(), **options)
    sites = [each for each in context.plan.sites if not each.is_weights]
    assert len({each.group for each in sites}) == 1
    found = {limits(node) for node in graph.nodes("FakeQuantize") if node.name in {each.name for each in sites}}
    assert len(sites) == 2
    assert len(found) == 1
    ((low, high),) = found
    zero = -low / (high - low) * 255
    assert zero == pytest.approx(round(zero), abs=1e-4)


def test_the_shared_range_suits_both() -> None:
    """Each counts as much as the other: the quiet one keeps the loud one from a range of its own."""
    data = [each / 3 for each in lopsided()]
    alone = joined(30.0)
    ranged(alone, data)
    found = [limits(node) for node in alone.nodes("FakeQuantize") if node.source().node.type == "Multiply"]
    assert len(set(found)) == 1
    assert found[0][1] > 10


# ----------------------------------------------------------------------------------------- as many samples as it takes


def sampling(data: list[Array], **options: Any) -> tuple[int, str]:
    """How many of some samples are measured, and why."""
    context = ranged(convolution(), data, **options)
    return context.statistics.samples, context.calibration.sampling.why


def bounded(count: int) -> list[Array]:
    return [RNG.uniform(-1, 1, size=(1, 4, 12, 12)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("options", [{}, PUBLISHED, PUBLISHED | {"preset": "mixed"}])
def test_ranges_that_have_settled_need_no_more_samples(options: dict[str, Any]) -> None:
    why = "the ranges have settled: standard errors below 2% of their widths"
    assert sampling(bounded(100), **options) == (32, why)


def test_a_sample_with_outliers_is_waited_for() -> None:
    data = bounded(100)
    data[0][0, 0, 0, 0] = 100
    assert sampling(data) == (100, "all are needed: the range at 'x' depends on the extremes of few samples")


def test_the_size_of_an_error_that_is_too_large_is_told() -> None:
    loud = [RNG.uniform(-1, 1, size=(1, 4, 24, 24)) * (0.05 if index % 2 else 1) for index in range(34)]
    context = ranged(convolution(side=24), [each.astype(np.float32) for each in loud], **PUBLISHED)
    assert context.statistics.samples == 34
    said = r"all are needed: the range at 'x' has a standard error of (\d\.\d)%"
    assert (found := re.fullmatch(said, context.calibration.sampling.why))
    assert float(found[1]) == pytest.approx(100 * 0.95 / 1.05 / 2 / 32**0.5, rel=0.1)


@pytest.mark.parametrize("aggregator", ["max", "median", "hl_estimator"])
def test_what_is_no_mean_needs_all_samples(aggregator: str) -> None:
    end = {"min": {"aggregator": "mean"}, "max": {"aggregator": aggregator}}
    said = f"all are needed: the range at 'x' comes from the {aggregator} of all samples"
    assert sampling(bounded(40), preset="mixed", range_estimator=end) == (40, said)


def test_means_that_would_clip_too_much_need_all_samples() -> None:
    data = [np.full((1, 4, 1, 1), 1 + 9 * (index % 3 == 0), np.float32) - 2 for index in range(40)]
    context = ranged(convolution(side=1), data, **PUBLISHED)
    assert context.statistics.samples == 40
    assert context.calibration.sampling.why == (
        "all are needed: the range at 'x' comes from extremes, since their mean would clip too much"
    )


def test_a_sign_that_no_sample_has_shown_is_waited_for() -> None:
    said = "all are needed: the range at 'x' has no negative values so far, and one would double it"
    assert sampling([np.abs(each) for each in bounded(40)], **PUBLISHED) == (40, said)
