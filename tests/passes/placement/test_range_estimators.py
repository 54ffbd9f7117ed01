"""Range estimators: the published defaults, every option against plain numpy, and what the user asks for and gets."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irquant.ir import Graph, Node, read_model
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.analysis.ranges import asymmetric_range, symmetric_range, weight_range
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.options.config_error import ConfigError
from irquant.passes.placement.range_estimators import End, ends_of
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.aggregators import AGGREGATORS
from irquant.passes.statistics.request import Reduction
from irquant.targets import Mode, load_target
from tests.passes.beside_data import beside_data

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(7)
WEIGHTS = (RNG.normal(size=(6, 4, 3, 3)) * np.exp(RNG.normal(size=(6, 1, 1, 1)))).astype(np.float32)
SAMPLES = [(RNG.standard_t(3, size=(1, 4, 9, 9)) * (1 + k / 5)).astype(np.float32) for k in range(9)]


def end_of(low: End, high: End) -> tuple[str, str, str, str]:
    return low.reduction.value, low.aggregator, high.reduction.value, high.aggregator


@pytest.mark.parametrize(
    ("preset", "per_channel", "mode", "expected"),
    [
        ("default", False, Mode.SYMMETRIC, ("min", "min", "abs_max", "mean")),
        ("default", False, Mode.ASYMMETRIC, ("min", "mean", "max", "mean")),
        ("default", True, Mode.SYMMETRIC, ("min", "min", "abs_max", "max")),
        ("default", True, Mode.ASYMMETRIC, ("min", "min", "max", "max")),
        ("quantile", False, Mode.SYMMETRIC, ("min", "min", "abs_quantile", "mean")),
        ("quantile", False, Mode.ASYMMETRIC, ("quantile", "mean", "quantile", "mean")),
        ("quantile", True, Mode.SYMMETRIC, ("min", "min", "abs_quantile", "max")),
        ("quantile", True, Mode.ASYMMETRIC, ("quantile", "min", "quantile", "max")),
    ],
)
@pytest.mark.parity
def test_the_defaults_are_the_published_ones(
    preset: str, *, per_channel: bool, mode: Mode, expected: tuple[str, str, str, str]
) -> None:
    config = QuantizationConfig.checked(range_estimator={"preset": preset})
    low, high = ends_of(mode, config, is_per_channel=per_channel, is_weights=False)
    assert end_of(low, high) == expected
    assert [end.level for end in (low, high) if end.level is not None] in (
        [],
        [1 - 1e-4],
        [1e-4, 1 - 1e-4],
    )


@pytest.mark.parity
def test_an_estimator_of_its_own_replaces_the_global_one() -> None:
    """As published, they are not merged: activations fall back to the defaults, weights keep the global preset."""
    config = QuantizationConfig.checked(
        range_estimator={"preset": "quantile"}, activations={"range_estimator": {"max": {"aggregator": "max"}}}
    )
    of = {kind: ends_of(Mode.SYMMETRIC, config, is_per_channel=False, is_weights=kind) for kind in (True, False)}
    assert of[True][1].reduction is Reduction.ABS_QUANTILE
    assert end_of(*of[False]) == ("min", "min", "abs_max", "max")


@pytest.mark.parametrize("kind", ["quantile", "abs_quantile"])
@pytest.mark.better
def test_a_symmetric_quantile_is_one_of_magnitudes(kind: str) -> None:
    config = QuantizationConfig.checked(activations={"range_estimator": {"max": {"type": kind, "outlier_prob": 0.01}}})
    _, high = ends_of(Mode.SYMMETRIC, config, is_per_channel=False, is_weights=False)
    assert (high.reduction, high.level) == (Reduction.ABS_QUANTILE, 0.99)


def test_sites_of_one_kind_share_their_estimators() -> None:
    first, again, weights = (
        ends_of(Mode.SYMMETRIC, QuantizationConfig(), is_per_channel=False, is_weights=each)
        for each in (False, False, True)
    )
    assert again is first
    assert weights is not first


@pytest.mark.parametrize("reduction", [Reduction.MIN, Reduction.MAX, Reduction.ABS_MAX])
def test_the_ends_of_halves_are_those_of_the_same_floats(reduction: Reduction) -> None:
    low, _ = ends_of(Mode.SYMMETRIC, QuantizationConfig(), is_per_channel=True, is_weights=True)
    halves = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float16)
    found = [replace(low, reduction=reduction).of(each, (1,)) for each in (halves, halves.astype(np.float32))]
    assert [(each.dtype, each.shape) for each in found] == [(np.dtype(np.float32), (3, 1))] * 2
    assert np.array_equal(found[0], found[1])


def conv_graph(folder: Path, weights: Array = WEIGHTS) -> Graph:
    x = op.parameter([1, 4, 9, 9], np.float32, name="x")
    conv = op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1], name="conv")
    conv = op.add(conv, np.ones((1, len(weights), 1, 1), np.float32))
    ov.serialize(ov.Model([op.result(op.relu(conv))], [x]), folder / "m.xml", folder / "m.bin")
    return read_model(folder / "m.xml")


@pytest.fixture
def quantized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Graph, Context]]:
    """A convolution quantized with some options; all samples count."""
    monkeypatch.setattr("irquant.passes.calibration.sample_order.is_held_out", lambda _: False)

    def quantize(*, compress: bool = False, **options: Any) -> tuple[Graph, Context]:
        folder = tmp_path / str(compress)
        folder.mkdir(exist_ok=True)
        graph, context = conv_graph(folder), Context(load_target("cpu"), QuantizationConfig.checked(**options), SAMPLES)
        passes = [each for each in default_quantization() if compress or each.name != "compress-weights"]
        PassManager(passes).run(graph, context)
        return graph, context

    return quantize


@pytest.mark.parametrize(("mode", "expected"), [("symmetric", 1), ("asymmetric", 2)])
def test_only_asymmetric_weights_have_a_lower_end(
    quantized: Callable[..., tuple[Graph, Context]], monkeypatch: pytest.MonkeyPatch, mode: str, expected: int
) -> None:
    asked: list[End] = []
    real = End.of

    def counted(end: End, values: Array, axes: tuple[int, ...]) -> Array:
        asked.append(end)
        return real(end, values, axes)

    monkeypatch.setattr(End, "of", counted)
    quantized(weights={"mode": mode})
    assert len(asked) == expected


def limits(node: Node) -> tuple[Array, Array]:
    return node.source(1).node.array, node.source(2).node.array


def slow_aggregate(name: str, values: list[float]) -> float:
    if name.endswith("no_outliers"):
        low, high = np.quantile(values, [0.01, 0.99])
        values = [value for value in values if low <= value <= high]
    if name == "hl_estimator":
        return float(np.median([values[i] + values[j] for i in range(len(values)) for j in range(i)]) / 2)
    functions: dict[str, Callable[..., Any]] = {"mean": np.mean, "max": np.max, "min": np.min}
    return float(functions.get(name.partition("_")[0], np.median)(values))


@pytest.mark.parametrize("aggregator", AGGREGATORS)
@pytest.mark.parametrize(
    "kind",
    [
        "max",
        pytest.param("quantile", marks=pytest.mark.slow),
        pytest.param("abs_max", marks=pytest.mark.slow),
        "abs_quantile",
    ],
)
@pytest.mark.parametrize("mode", ["symmetric", "asymmetric"])
def test_activation_ranges_are_those_of_plain_numpy(
    quantized: Callable[..., tuple[Graph, Context]], mode: str, kind: str, aggregator: str
) -> None:
    share = 0.02
    wish = {"type": kind, "aggregator": aggregator, "outlier_prob": share}
    graph, _ = quantized(activations={"mode": mode, "range_estimator": {"min": wish, "max": wish}})
    absolute = kind.startswith("abs") or mode == "symmetric"
    upper, lower = [], []
    for sample in SAMPLES:
        values = np.abs(sample) if absolute else sample
        low = np.abs(sample) if kind.startswith("abs") else sample
        upper.append(float(np.quantile(values, 1 - share) if "quantile" in kind else values.max()))
        if kind.startswith("abs"):
            lower.append(float(np.quantile(low, 1 - share) if "quantile" in kind else low.max()))
        else:
            lower.append(float(np.quantile(low, share) if "quantile" in kind else low.min()))
    high = np.array(slow_aggregate(aggregator, upper))
    low = np.array(slow_aggregate(aggregator, lower) * (-1 if kind.startswith("abs") else 1))
    make = symmetric_range if mode == "symmetric" else asymmetric_range
    expected = make(low, high, 256)
    found = limits(graph.node("conv").source(0).node)
    np.testing.assert_allclose(found, [expected.low, expected.high], rtol=2e-6)


@pytest.mark.parametrize("mode", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("granularity", ["pertensor", "perchannel"])
@pytest.mark.parametrize("kind", ["max", "quantile"])
def test_weight_ranges_are_those_of_plain_numpy(
    quantized: Callable[..., tuple[Graph, Context]], mode: str, granularity: str, kind: str
) -> None:
    share = 0.05
    wish = {"type": kind, "outlier_prob": share}
    graph, _ = quantized(
        weights={"mode": mode, "granularity": granularity, "range_estimator": {"min": wish, "max": wish}}, align=False
    )
    rows = WEIGHTS.reshape(6, -1) if granularity == "perchannel" else WEIGHTS.reshape(1, -1)
    if mode == "symmetric":
        largest = np.quantile(np.abs(rows), 1 - share, axis=1) if kind == "quantile" else np.abs(rows).max(axis=1)
        expected = weight_range(largest)
    else:
        low = np.quantile(rows, share, axis=1) if kind == "quantile" else rows.min(axis=1)
        high = np.quantile(rows, 1 - share, axis=1) if kind == "quantile" else rows.max(axis=1)
        expected = asymmetric_range(low, high, 256)
    found = limits(graph.node("conv").source(1).node)
    np.testing.assert_allclose([each.ravel() for each in found], [expected.low, expected.high], rtol=2e-6)


def test_a_number_a_channel_may_make_the_range_of_a_tensor(quantized: Callable[..., tuple[Graph, Context]]) -> None:
    """The outermost of the channels' aggregated ends."""
    wish = {"granularity": "perchannel", "aggregator": "median"}
    graph, _ = quantized(activations={"mode": "asymmetric", "range_estimator": {"min": wish, "max": wish}})
    low, high = (np.median([of(sample, axis=(0, 2, 3)) for sample in SAMPLES], axis=0) for of in (np.min, np.max))
    expected = asymmetric_range(low.min(), high.max(), 256)
    np.testing.assert_allclose(limits(graph.node("conv").source(0).node), [expected.low, expected.high], rtol=2e-6)


options = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["symmetric", "asymmetric"]),
        "granularity": st.sampled_from(["pertensor", "perchannel"]),
        "bits": st.integers(2, 16),
        "range_estimator": st.fixed_dictionaries(
            {},
            optional={
                "preset": st.sampled_from(["default", "quantile"]),
                "min": st.fixed_dictionaries({}, optional={"clipping_value": st.floats(-3, -0.1)}),
                "max": st.fixed_dictionaries({}, optional={"clipping_value": st.floats(0.1, 3)}),
            },
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=25)
@given(weights=options, activations=options, preset=st.sampled_from(["performance", "mixed", "accuracy"]))
def test_whatever_is_asked_for_zero_lies_on_every_grid(
    tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Any], activations: dict[str, Any], preset: str
) -> None:
    graph = conv_graph(tmp_path_factory.mktemp("any"))
    config = QuantizationConfig.checked(preset=preset, weights=weights, activations=activations)
    PassManager([each for each in default_quantization() if each.name != "compress-weights"]).run(
        graph, Context(load_target("cpu"), config, SAMPLES)
    )
    for node in graph.nodes("FakeQuantize"):
        low, high = (each.astype(np.float64) for each in limits(node))
        zero = -low / (high - low) * (int(node.attributes["levels"]) - 1)
        np.testing.assert_allclose(zero, np.round(zero), atol=2e-3 * max(1, int(node.attributes["levels"]) / 256))


@pytest.mark.parametrize(
    "bits", [2, pytest.param(3, marks=pytest.mark.slow), 4, pytest.param(7, marks=pytest.mark.slow), 8]
)
@pytest.mark.parametrize("mode", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("levels", [None, pytest.param("odd", marks=pytest.mark.slow), "even"])
def test_stored_weights_are_the_rounded_ones(
    quantized: Callable[..., tuple[Graph, Context]], bits: int, mode: str, levels: str | None
) -> None:
    """Whatever the levels, the 8-bit codes and their scale say the same as the FakeQuantize."""
    half = 2 ** (bits - 1)
    count = {"level_low": -half + (levels == "odd"), "level_high": half - 1} if levels else {}
    wish = {"bits": bits, "mode": mode, **count}
    both = [quantized(weights=wish, compress=compress)[0] for compress in (False, True)]
    stored = {node.output().element_type.name for node in both[1].nodes("Const") if node.name.endswith("/quantized")}
    assert stored == {"i8"} if mode == "symmetric" else stored <= {"i8", "u8"}  # zero may happen to be in the middle
    config = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}
    ran = [ov.Core().compile_model(to_runtime(graph), "CPU", config)(SAMPLES[0])[0] for graph in both]
    np.testing.assert_allclose(ran[0], ran[1], rtol=1e-5, atol=1e-5 * np.abs(ran[0]).max())


@pytest.mark.parametrize("granularity", ["pertensor", "perchannel"])
@pytest.mark.parametrize("preset", ["performance", "mixed"])
def test_a_range_of_which_nothing_is_left_is_the_smallest(tmp_path: Path, preset: str, granularity: str) -> None:
    """No value is above zero, and the user cuts off all below."""
    estimator = {"min": {"clipping_value": 0.0}}
    config = QuantizationConfig.checked(
        preset=preset, activations={"granularity": granularity, "range_estimator": estimator}
    )
    graph = conv_graph(tmp_path)
    data = [-np.abs(each) - 1 for each in SAMPLES]
    PassManager(default_quantization()).run(graph, Context(load_target("cpu"), config, data))
    low, high = limits(graph.node("conv").source(0).node)
    assert (low == 0).all()
    assert (high == np.float32(8e-5)).all() if preset == "mixed" else (high > 1).all()


@pytest.mark.parametrize("kind", ["weights", "activations"])
@pytest.mark.parametrize("end", ["min", "max"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_clipping_value(kind: str, end: str, number: float) -> None:
    said = f"{kind}.range_estimator.{end}.clipping_value is {number}; should be a finite number"
    assert path_of({kind: {"range_estimator": {end: {"clipping_value": number}}}}) == said


WISHES = [
    ({"weights": {"bits": 4}}, 2, None),
    ({"weights": {"level_low": -1, "level_high": 1}}, 2, None),
    ({"weights": {"bits": 8, "level_low": 0, "level_high": 255}}, 2, None),
    ({"weights": {"granularity": "pertensor"}}, 2, None),
    ({"activations": {"mode": "asymmetric"}}, 2, None),
    ({"activations": {"bits": 4}}, 2, None),
    ({"activations": {"level_low": -127, "level_high": 127}}, 2, None),
    ({"activations": {"level_low": -128, "level_high": 127}}, 2, None),
    ({"weights": {"mode": "asymmetric"}}, 0, "runs no asymmetric weights"),
    ({"weights": {"bits": 16}}, 0, "runs no weights of 65536 levels"),
    ({"weights": {"level_low": -300, "level_high": 300}}, 0, "runs no weights of 601 levels"),
    ({"activations": {"bits": 7}}, 0, "runs no data of 128 levels"),
    ({"activations": {"granularity": "perchannel"}}, 1, "runs no per-channel data there"),
]


@pytest.mark.parametrize(
    ("wish", "int8", "said"),
    [pytest.param(*each, id=str(each[0]), marks=[pytest.mark.slow] if k % 2 else []) for k, each in enumerate(WISHES)],
)
def test_what_is_asked_for_is_done_and_its_cost_is_told(wish: dict[str, Any], int8: int, said: str | None) -> None:
    """A depthwise and a dense convolution, on the runtime: what the plan says of int8 is what it executes."""
    x = op.parameter([1, 4, 9, 9], np.float32, name="x")
    depthwise = op.group_convolution(x, WEIGHTS[:4, :1].reshape(4, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    dense = op.convolution(op.relu(depthwise), WEIGHTS, [1, 1], [1, 1], [1, 1], [1, 1])
    graph = from_runtime(ov.Model([op.result(op.relu(dense))], [x]))
    _, report = quantize_graph(graph, SAMPLES, load_target("cpu"), QuantizationConfig.checked(guard=False, **wish))
    assert report.check.execution is not None
    assert (report.check.execution.int8, report.check.execution.total) == (int8, 2)
    assert not report.check.execution.fallen
    wide = re.compile(r"^the weights of 2 layers have \d+ bits, as ")
    assert tuple(each for each in beside_data(report) if not wide.match(each)) == (
        (f"{2 - int8} of 2 layers are quantized as your options say and may run in float: target 'cpu' {said}",)
        if said
        else ()
    )
    fake_quantizes = list(graph.nodes("FakeQuantize"))
    assert len(fake_quantizes) >= 2  # float or not, all is rounded


def test_levels_without_bits_are_held_against_the_targets_own(tmp_path: Path) -> None:
    graph, context = (
        conv_graph(tmp_path),
        Context(
            load_target("gna"), QuantizationConfig.checked(weights={"level_low": -32767, "level_high": 32767}), SAMPLES
        ),
    )
    PassManager(default_quantization()).run(graph, context)
    assert not context.plan.warnings
    assert graph.node("conv").source(1).node.attributes["levels"] == "65535"


def path_of(wish: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        QuantizationConfig.checked(**wish)
    return str(caught.value)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"weights": {"bits": 1}}, "weights.bits is 1; should be greater than or equal to 2"),
        ({"activations": {"bits": 17}}, "activations.bits is 17; should be less than or equal to 16"),
        (
            {"weights": {"mode": "symetric"}},
            "weights.mode is 'symetric'; did you mean 'symmetric'? there are: symmetric, asymmetric",
        ),
        ({"weights": {"level_low": 0}}, "weights: level_low and level_high go together: give both or neither"),
        ({"weights": {"level_low": 3, "level_high": 9}}, "weights.level_low is 3; should be less than or equal to 0"),
        (
            {"weights": {"bits": 4, "level_low": -8, "level_high": 8}},
            "weights: levels -8 to 8 are 17, but 4 bits hold 16",
        ),
        (
            {"weights": {"bits": 8, "level_low": -128, "level_high": 128}},
            "weights: levels -128 to 128 are 257, but 8 bits hold 256",
        ),
        (
            {"weights": {"level_low": -32768, "level_high": 32768}},
            "weights: levels -32768 to 32768 are 65537, but 16 bits hold 65536",
        ),
        ({"weights": {"level_low": 0, "level_high": 1}}, "weights: levels 0 to 1 are 2, but it takes 3"),
        ({"activations": {"level_low": 0, "level_high": 1}}, "activations: levels 0 to 1 are 2, but it takes 3"),
        (
            {"weights": {"range_estimator": {"max": {"aggregator": "mean"}}}},
            "unknown key 'weights.range_estimator.max.aggregator'; known keys: type, "
            "outlier_prob, clipping_value, granularity",
        ),
        (
            {"activations": {"range_estimator": {"max": {"aggregator": "average"}}}},
            "activations.range_estimator.max.aggregator is 'average'; there are: mean, max, min, median, "
            "mean_no_outliers, median_no_outliers, hl_estimator",
        ),
        (
            {"activations": {"range_estimator": {"min": {"outlier_prob": 0.5}}}},
            "activations.range_estimator.min.outlier_prob is 0.5; should be less than 0.5",
        ),
        (
            {"activations": {"range_estimator": {"min": {"clipping_value": 0.5}}}},
            "activations.range_estimator: min.clipping_value is 0.5: ranges hold zero, so it cannot be above",
        ),
        (
            {"range_estimator": {"max": {"clipping_value": -1.0}}},
            "range_estimator: max.clipping_value is -1.0: ranges hold zero, so it must be above",
        ),
        (
            {"range_estimator": {"preset": "quantiles"}},
            "range_estimator.preset is 'quantiles'; did you mean 'quantile'? there are: default, quantile",
        ),
        (
            {"weights": {"granularity": "per_channel"}},
            "weights.granularity is 'per_channel'; did you mean 'perchannel'? there are: pertensor, perchannel",
        ),
    ],
)
def test_a_wrong_wish_is_refused_with_its_path(wish: dict[str, Any], said: str) -> None:
    assert path_of(wish) == said
