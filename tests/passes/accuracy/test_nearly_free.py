"""Layers that take next to no time in float are returned if they cause much of the error of an output."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report
from irquant.passes.accuracy.guard import _what_is_lost
from irquant.passes.accuracy.nearly_free import (
    ENOUGH,
    MOST_PERCENT,
    find_nearly_free,
    improvable,
    largest_gain,
    largest_share,
)
from irquant.passes.accuracy.requantize import Attempt, CalibratedModel
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.infra.execution import Check
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
WIDTH, SIDE = 16, 24


def network(outlier: float, *, width: int = 4) -> tuple[ov.Model, list[Array]]:
    """Two convolutions, the mean of their channels, and a small product.

    Args:
        outlier: How much larger one of the channels is than the others; the product scales it down again.
        width: The number of results of the product, which says how long it takes.
    """
    rng = np.random.default_rng(0)
    x = op.parameter([1, 3, SIDE, SIDE], np.float32, name="x")
    tensor: Any = x
    for index, inputs in enumerate((3, WIDTH)):
        kernel = rng.normal(size=(WIDTH, inputs, 3, 3)) * math.sqrt(2 / (9 * inputs))
        tensor = op.relu(op.convolution(tensor, kernel.astype(np.float32), *[[1, 1]] * 4, name=f"conv{index}"))
    scale = np.ones((1, WIDTH, 1, 1), np.float32)
    scale[0, 0] = outlier
    means = op.reduce_mean(op.multiply(tensor, scale), np.array([2, 3]), False)
    weights = rng.normal(size=(width, WIDTH)).astype(np.float32)
    weights[:, 0] /= outlier
    head = op.matmul(means, weights, False, True, name="head")
    noise = rng.normal(size=(30, 1, 3, SIDE, SIDE)) + rng.normal(size=(30, 1, 3, 1, 1))
    return ov.Model([op.result(head)], [x], "net"), list(noise.astype(np.float32))


def quantized(outlier: float, **options: Any) -> Report:
    model, samples = network(outlier)
    config = QuantizationConfig.checked(**options)
    return quantize_graph(from_runtime(model), samples, load_target("cpu"), config)[1]


def tried(report: Report) -> list[tuple[str, bool]]:
    return [(step.what, step.is_kept) for step in report.guard]


@pytest.mark.parametrize("aim", ["knee", pytest.param("good", marks=pytest.mark.slow)])
def test_a_good_output_gets_the_layer_in_float_that_makes_its_error(aim: str) -> None:
    before, after = quantized(20, guard="floor"), quantized(20, guard=aim)
    assert [each.on_samples for each in before.check.outputs or ()] == [Verdict.GOOD]
    assert before.guard == ()
    ((what, is_kept),) = tried(after)
    assert what.startswith("float: 'head' (about 0.0")
    assert is_kept
    assert after.guard[0].after >= after.guard[0].before + 10
    assert [layer.name for layer in after.layers if not layer.decision.int8] == ["head"]


def test_where_no_layer_stands_out_nothing_is_tried() -> None:
    assert tried(quantized(1)) == []


def test_a_trial_that_the_runtime_does_not_run_is_told_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = CalibratedModel.attempt

    def refused(self: CalibratedModel, *arguments: Any) -> Attempt:
        found = attempt(self, *arguments)
        if found.reverted_to_float:
            found.context.check = Check(failure="the runtime refuses it")
        return found

    monkeypatch.setattr(CalibratedModel, "attempt", refused)
    assert [step.why_dropped for step in quantized(20, guard="knee").guard] == ["the runtime does not run it"]


def test_what_another_output_loses_is_the_reason() -> None:
    before, _ = made(1)
    before.context.check = replace(before.context.check, outputs=(values(25.0), replace(values(22.0), name="z")))
    context = before.context.again(before.config, {})
    context.check = replace(before.context.check, outputs=(values(35.0), replace(values(20.0), name="z")))
    assert _what_is_lost(before, replace(before, context=context)) == "output 'z' loses 2.0 dB"


def made(outlier: float, *, width: int = 4) -> tuple[Attempt, CalibratedModel]:
    model, samples = network(outlier, width=width)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), QuantizationConfig())
    return first, calibrated


def test_the_costs_of_the_layer_are_told() -> None:
    found = find_nearly_free(*made(20))
    assert found is not None
    assert [each.name for each in found.effects] == ["head"]
    assert 0 < found.percent <= MOST_PERCENT


@pytest.mark.parametrize(("width", "ratio"), [(4000, 25.0), (4, 20.0 + ENOUGH), (4, math.inf)])
def test_nothing_runs_without_a_candidate_or_where_the_outputs_need_no_more(
    width: int, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, calibrated = made(20, width=width)
    outputs = tuple(replace(each, sqnr=ratio) for each in first.context.check.outputs or ())
    first.context.check = replace(first.context.check, outputs=outputs)
    monkeypatch.delattr(CalibratedModel, "rounded")
    assert find_nearly_free(first, calibrated) is None


def values(ratio: float, kind: OutputKind = OutputKind.VALUES) -> Agreement:
    return Agreement("y", kind, ratio, 1.0)


def test_the_largest_share_of_any_output_counts() -> None:
    assert largest_share([(values(20.0), values(30.0)), (values(15.0), values(18.0))]) == pytest.approx(0.501, abs=1e-3)
    assert largest_share([(values(20.0), values(19.0))]) == 1.0
    assert largest_share([(values(20.0), values(math.inf))]) == 0.0
    assert largest_share([(values(math.nan), values(math.nan))]) == 0.0
    assert largest_share([]) == 0.0


def test_the_output_that_gains_most_of_those_that_need_it_is_told() -> None:
    before, _ = made(1)
    outputs = (values(25.0), values(22.0), values(40.0), values(44.0, OutputKind.IMAGE), values(math.nan))
    before.context.check = replace(before.context.check, outputs=outputs)
    assert list(improvable(before)) == [0, 1, 3]
    context = before.context.again(before.config, {})
    gained = tuple(
        replace(each, sqnr=ratio) for each, ratio in zip(outputs, (26.0, 25.0, 60.0, 45.0, 0.0), strict=True)
    )
    context.check = replace(before.context.check, outputs=gained)
    assert largest_gain(before, replace(before, context=context)) == (3.0, outputs[1], gained[1])
