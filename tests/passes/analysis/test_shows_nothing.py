"""Probabilities that are next to zero in all samples: what a model does not find is no signal to compare errors with."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.accuracy import device
from irquant.passes.analysis.agreement import agreements
from irquant.passes.analysis.outputs import NOTHING, Output, OutputKind, Outputs, find_outputs
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.samples import Sample, ValidationSample

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(11)


def detector(bias: float, last: Callable[[Any], Any] = op.sigmoid) -> ov.Model:
    """A map of probabilities: how large they are is up to the bias."""
    rng = np.random.default_rng(3)
    x = op.parameter([1, 3, 24, 24], np.float32, name="x")
    x.output(0).set_names({"x"})
    node = x
    for channels in ((3, 8), (8, 8), (8, 1)):
        weights = rng.normal(scale=1 / math.sqrt(9 * channels[0]), size=(channels[1], channels[0], 3, 3))
        node = op.convolution(op.relu(node), weights.astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    found = last(op.add(node, op.constant(np.full([1, 1, 1, 1], bias, np.float32))))
    found.output(0).set_names({"map"})
    return ov.Model([found], [x], "detector")


def samples(largest: float) -> list[ValidationSample]:
    arrays = [RNG.random((1, 1, 8, 8)) * largest for _ in range(4)]
    return [ValidationSample(Sample(f"sample {k}", {}), {}, [each.astype(np.float32)]) for k, each in enumerate(arrays)]


def known(largest: float) -> Output:
    """What is known of an output of probabilities up to the largest."""
    (found,) = Outputs((Output("map", OutputKind.VALUES, (0,), has_probabilities=True),)).seen(samples(largest)).each
    return found


@pytest.mark.parametrize("last", [op.sigmoid, lambda x: op.transpose(op.sigmoid(x), [0, 2, 3, 1])])
def test_a_sigmoid_gives_probabilities_of_elements(last: Callable[[Any], Any]) -> None:
    assert find_outputs(from_runtime(detector(0.0, last))).each[0].has_probabilities


@pytest.mark.parametrize(
    "last", [op.hsigmoid, lambda x: op.softmax(x, 1), lambda x: op.multiply(op.sigmoid(x), np.float32(1e-3))]
)
def test_other_values_are_none(last: Callable[[Any], Any]) -> None:
    assert not find_outputs(from_runtime(detector(0.0, last))).each[0].has_probabilities


def test_probabilities_show_something_if_one_in_any_sample_does() -> None:
    assert known(NOTHING / 2).shows_nothing
    assert not known(3 * NOTHING).shows_nothing
    (unknown,) = Outputs((Output("map", OutputKind.VALUES, (0,), has_probabilities=True),)).seen([]).each
    assert not unknown.shows_nothing


@pytest.mark.parametrize(("largest", "ratio"), [(1e-6, 20.0), (1.0, 55.0)])
def test_errors_next_to_nothing_are_compared_with_the_least_that_counts(largest: float, ratio: float) -> None:
    given = samples(largest)
    found = [[each.outputs[0] + np.float32(NOTHING / 10)] for each in given]
    outputs = Outputs((Output("map", OutputKind.VALUES, (0,), has_probabilities=True),)).seen(given)
    (agreement,) = agreements(outputs, [each.outputs for each in given], found)
    assert agreement.sqnr == pytest.approx(ratio, abs=1.0)


@pytest.mark.parametrize(("scale", "wrong"), [(1.0, False), (4.0, True)])
def test_the_device_is_judged_by_the_logits_of_probabilities_next_to_nothing(scale: float, *, wrong: bool) -> None:
    """A logit that is off by a tenth of the others' errors makes one probability a thousand times as large."""
    logits = RNG.normal(loc=-16.0, size=(2, 1, 1, 500))
    noise = RNG.normal(size=logits.shape)
    noise[:, 0, 0, 0] = 7.0
    off = logits + RNG.normal(size=logits.shape), logits + scale * noise
    wanted, meant, made = ([[(1 / (1 + np.exp(-each))).astype(np.float32)] for each in it] for it in (logits, *off))
    given = [ValidationSample(Sample(f"sample {k}", {}), {}, each) for k, each in enumerate(wanted)]
    outputs = Outputs((Output("map", OutputKind.VALUES, (0,), has_probabilities=True),))  # others show something
    assert not np.isinf(device._logits(np.array([0, 1e-3, 1], np.float16))).any()
    assert bool(device.compared(outputs, given, meant, made).wrong) is wrong


@pytest.mark.parametrize(("bias", "told"), [(-20.0, True), (0.0, False)])
def test_users_are_told_that_the_model_finds_nothing(bias: float, *, told: bool) -> None:
    reports: list[Report] = []
    data = [RNG.normal(size=(1, 3, 24, 24)).astype(np.float32) for _ in range(24)]
    quantize(detector(bias), data, report=reports.append)
    found = [each for each in reports[0].warnings if "stays below 0.01 in all samples" in each]
    assert bool(found) is told
    assert all("output 'map' of a sigmoid" in each for each in found)
    assert (reports[0].verdict == "fair") is told  # nothing that counts was compared
    assert not any("computes it otherwise" in each for each in reports[0].warnings)
    assert not reports[0].guard
