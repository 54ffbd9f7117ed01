"""Zero points that take time go, if that costs little accuracy."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy import guard
from irquant.passes.accuracy.zero_points import percent_of_zero_points
from irquant.passes.analysis import agreement
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

RNG = np.random.default_rng(0)
SAMPLES = [RNG.normal(size=(1, 3, 24, 24)).astype(np.float32) for _ in range(16)]


def leaky(x: Any) -> Any:
    return op.prelu(x, np.float32(0.2))


def nearly_linear(x: Any) -> Any:
    """Its numbers are so even that a symmetric range loses little."""
    return op.prelu(x, np.float32(0.5))


def network(function: Callable[[Any], Any], channels: int = 64, pad: int = 1, *, depthwise: bool = False) -> ov.Model:
    """Four convolutions; the first one reads a picture."""
    rng = np.random.default_rng(1)
    x = y = op.parameter([1, 3, 24, 24], np.float32, name="x")
    one, ends = [1, 1], [pad, pad]
    for number in range(4):
        width = channels if number else 3
        if depthwise and number:
            kernel = rng.normal(size=(width, 1, 1, 3, 3)).astype(np.float32) / 3
            layer = op.group_convolution(y, kernel, one, ends, ends, one)
        else:
            kernel = rng.normal(size=(channels, width, 3, 3)).astype(np.float32) / (3 * np.sqrt(np.float32(width)))
            layer = op.convolution(y, kernel, one, ends, ends, one)
        y = function(op.add(layer, rng.normal(size=(1, channels, 1, 1)).astype(np.float32)))
    return ov.Model([op.result(op.reduce_mean(y, np.array([2, 3]), keep_dims=False))], [x])


def percent(model: ov.Model, target: str = "cpu") -> float:
    """The time of slow zero points in the first model that is made."""
    _, first, _ = quantize_once(from_runtime(model), SAMPLES, load_target(target), QuantizationConfig())
    return percent_of_zero_points(first)


def test_padding_convolutions_take_time_for_zero_points_of_numbers_of_both_signs() -> None:
    assert 15 < percent(network(leaky)) < 20  # all of the time but that of the first layer, whose channels are too few


def joined_with_a_constant() -> ov.Model:
    """Two padding convolutions; the second one reads a constant and numbers of both signs, which share a range."""
    rng = np.random.default_rng(1)
    x, one = op.parameter([1, 32, 24, 24], np.float32, name="x"), [1, 1]
    first = op.convolution(x, rng.normal(size=(64, 32, 3, 3)).astype(np.float32) / 17, one, one, one, one)
    joined = op.concat([rng.uniform(size=(1, 32, 24, 24)).astype(np.float32), leaky(first)], 1)
    second = op.convolution(joined, rng.normal(size=(64, 96, 3, 3)).astype(np.float32) / 29, one, one, one, one)
    return ov.Model([op.result(op.reduce_mean(second, np.array([2, 3]), keep_dims=False))], [x])


def test_constants_that_a_layer_reads_beside_activations_are_no_obstacle() -> None:
    samples = [RNG.normal(size=(1, 32, 24, 24)).astype(np.float32) for _ in range(16)]
    _, first, _ = quantize_once(
        from_runtime(joined_with_a_constant()), samples, load_target("cpu"), QuantizationConfig()
    )
    assert percent_of_zero_points(first) > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "target"),
    [
        (network(op.relu), "cpu"),  # zero is the lowest number
        (network(leaky, depthwise=True), "cpu"),
        (network(leaky, 6), "cpu"),
        (network(leaky, pad=0), "cpu"),  # biases take them over
        (network(leaky), "cpu_avx2"),
        (network(leaky), "gpu"),
        (network(leaky), "npu"),
    ],
    ids=["no negative numbers", "depthwise", "few channels", "no padding", "cpu_avx2", "gpu", "npu"],
)
def test_no_time_goes_elsewhere(model: ov.Model, target: str) -> None:
    assert percent(model, target) == 0


def zero_levels(model: ov.Model) -> list[int]:
    """The levels of zero in the data of all layers but the first, which has three channels."""
    found: list[int] = []
    for each in model.get_ordered_ops():
        if each.get_type_name() == "FakeQuantize":
            low, high = (float(each.input_value(port).get_node().data.min()) for port in (1, 2))
            found.append(round(-low / (high - low) * 255))
    return found[1:]


def made(function: Callable[[Any], Any], **options: Any) -> tuple[list[int], Report]:
    reports: list[Report] = []
    model = quantize(network(function), SAMPLES, config=QuantizationConfig.checked(**options), report=reports.append)
    return zero_levels(model), reports[0]


def test_a_good_model_loses_them_if_that_costs_little() -> None:
    before, _ = made(nearly_linear, guard=False)
    after, report = made(nearly_linear)
    assert (all(level < 120 for level in before), after) == (True, [128] * 3)
    step = report.speed_trial
    assert step is not None
    assert not report.guard
    assert (step.is_kept, step.what) == (True, "no zero points where they take time (about 20 % of it)")
    assert step.after >= step.before - 3


def test_a_good_model_keeps_them_if_it_would_lose_more() -> None:
    levels, report = made(leaky)
    assert all(level < 100 for level in levels)
    step = report.speed_trial
    assert step is not None
    assert not report.guard
    assert (step.is_kept, step.after < step.before - 3) == (False, True)
    assert step.why_dropped in ("it loses more than 3 dB", "an output would no longer be good")


@pytest.mark.parametrize("most", [guard.MOST_CHANCE, 50.0])
def test_a_fair_model_loses_them_if_that_costs_no_more_than_chance(
    most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "_LEVELS", agreement.Levels(floor=10.0, good=100.0))
    monkeypatch.setattr(guard, "MOST_CHANCE", most)
    levels, report = made(leaky)
    step = report.speed_trial
    assert step is not None
    assert (step.is_kept, levels == [128] * 3) == ((most == 50.0,) * 2)
    assert step.is_kept or re.fullmatch(r"output '.*' loses \d+\.\d dB", step.why_dropped)


@pytest.mark.parametrize(
    "options",
    [{"slow_zero_points": True}, {"preset": "mixed"}, {"activations": {"mode": "asymmetric"}}],
    ids=["zero points", "preset", "mode"],
)
def test_what_the_user_chose_stays(options: dict[str, Any]) -> None:
    levels, report = made(leaky, **options)
    assert all(level < 100 for level in levels)
    assert report.speed_trial is None


def test_the_user_can_do_without_them() -> None:
    assert made(leaky, slow_zero_points=False, guard=False)[0] == [128] * 3


def test_the_device_computes_signed_numbers_as_they_are_meant() -> None:
    _, report = made(nearly_linear)
    assert report.check.asked is not None
    assert (report.check.asked.wrong, [layer.decision.int8 for layer in report.layers]) == ("", [True] * 4)


def with_attention() -> ov.Model:
    """Four convolutions, and attention between their 16 places."""
    rng = np.random.default_rng(2)
    front = network(nearly_linear)
    (mean,) = (each for each in front.get_ordered_ops() if each.get_type_name() == "ReduceMean")
    pooled = op.avg_pool(mean.input_value(0), [6, 6], [0, 0], [0, 0], [6, 6], False)
    tokens = op.transpose(op.reshape(pooled, np.array([1, 64, 16]), False), np.array([0, 2, 1]))
    query, key, value = (
        op.matmul(tokens, rng.normal(size=(64, 64)).astype(np.float32) / 8, False, False) for _ in "qkv"
    )
    weights = op.softmax(op.multiply(op.matmul(query, key, False, True), np.float32(0.1)), 2)
    return ov.Model([op.result(op.matmul(weights, value, False, False))], front.get_parameters())


def test_zero_points_go_from_convolutions_of_models_with_attention_too() -> None:
    """Their activations are asymmetric by default."""
    levels = [
        zero_levels(quantize(with_attention(), SAMPLES, config=QuantizationConfig(guard=False, slow_zero_points=slow)))
        for slow in (True, False)
    ]
    assert (128 in levels[0][:3], levels[1][:3]) == (False, [128] * 3)
