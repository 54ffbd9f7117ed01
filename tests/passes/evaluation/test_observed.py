"""Ranges of activations against the samples that they were estimated from, by plain numpy."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report
from irquant.passes.evaluation.observed import ObservedRange
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.reporting.detail import Detail
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

RNG = np.random.default_rng(3)
#: Each twice as loud as the one before.
SAMPLES = [(RNG.normal(size=(1, 4, 8, 8)) * 2**loud).astype(np.float32) for loud in range(5)]


def reported(*, activate: bool = False, **options: Any) -> Report:
    """One convolution over `x`, or over ReLU(x)."""
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    data = op.relu(x, name="relu") if activate else x
    conv = op.convolution(data, RNG.normal(size=(4, 4, 3, 3)).astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    graph = from_runtime(ov.Model([op.result(op.relu(conv))], [x]))
    return quantize_graph(graph, SAMPLES, load_target("cpu"), QuantizationConfig.checked(**options))[1]


def only(report: Report) -> ObservedRange:
    (found,) = report.ranges
    return found


def test_the_ends_of_all_samples_are_summed_up_by_their_quartiles() -> None:
    found = only(reported(preset="mixed"))
    lows, highs = [each.min() for each in SAMPLES], [each.max() for each in SAMPLES]
    assert found.tensor == "x"
    assert found.lows is not None
    for spread, ends in ((found.lows, lows), (found.highs, highs)):
        told = (spread.least, spread.lower, spread.median, spread.upper, spread.most)
        np.testing.assert_allclose(told, np.quantile(ends, (0, 0.25, 0.5, 0.75, 1)), rtol=1e-5)
    assert (found.lows.of, found.highs.of) == ("min", "max")
    assert found.low < 0 < found.high


def test_a_sample_counts_as_clipped_if_it_leaves_the_range() -> None:
    estimator = {"min": {"aggregator": "mean"}, "max": {"aggregator": "mean"}}
    found = only(reported(preset="mixed", range_estimator=estimator))
    margin = (found.high - found.low) / 255 / 2
    outside = [each.min() < found.low - margin or each.max() > found.high + margin for each in SAMPLES]
    assert 0 < found.clipped < 1
    assert found.clipped == pytest.approx(np.mean(outside))


def test_a_range_up_to_the_extremes_clips_no_sample() -> None:
    estimator = {"min": {"aggregator": "min"}, "max": {"aggregator": "max"}}
    assert only(reported(preset="mixed", range_estimator=estimator)).clipped == 0


def test_a_symmetric_range_is_told_with_magnitudes() -> None:
    found = only(reported(preset="performance"))
    assert found.highs.of == "abs_max"
    assert found.highs.most == pytest.approx(max(np.abs(each).max() for each in SAMPLES))


def test_what_cannot_be_negative_has_no_lower_ends() -> None:
    found = only(reported(activate=True))
    assert (found.low, found.lows) == (0, None)


def test_quantiles_are_named_with_their_level() -> None:
    found = only(reported(preset="mixed", range_estimator={"max": {"type": "quantile", "outlier_prob": 0.01}}))
    assert found.highs.of == "quantile 0.99"


def test_weights_are_not_told_of() -> None:
    assert [each.tensor for each in reported().ranges] == ["x"]


@pytest.mark.parametrize(
    ("copies", "wanted", "count"), [(1, True, 0), pytest.param(2, False, 0, marks=pytest.mark.slow), (2, True, 1)]
)
def test_effects_are_measured_only_if_wanted_and_if_samples_are_held_out(
    *, copies: int, wanted: bool, count: int
) -> None:
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    conv = op.convolution(x, np.ones((4, 4, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    graph = from_runtime(ov.Model([op.result(op.relu(conv))], [x]))
    detail = Detail.FULL if wanted else None
    _, report = quantize_graph(graph, SAMPLES * copies, load_target("cpu"), QuantizationConfig(), detail=detail)
    assert len(report.effects) == count
