"""Close-ups of layers, against the tensors and weights that they are made from."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array, Graph
from irquant.passes import Context, QuantizationConfig
from irquant.passes.evaluation import closeups
from irquant.passes.evaluation.closeups import CloseUp, close_ups
from irquant.passes.evaluation.sensitivity import measure_effects
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

RNG = np.random.default_rng(3)
SAMPLES = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(20)]
WEIGHTS = RNG.normal(size=(200, 3, 3, 3)).astype(np.float32) * 0.3


Made = tuple[Graph, Context]


@pytest.fixture(scope="module")
def made() -> Made:
    x, ones = op.parameter([1, 3, 8, 8], np.float32, name="x"), [1, 1]
    first = op.relu(op.convolution(x, WEIGHTS, ones, ones, ones, ones, name="first"))
    product = op.matmul(first, first, False, True, name="product")
    graph = from_runtime(ov.Model([op.result(product)], [x], "net"))
    config = QuantizationConfig.checked(
        preset="mixed", range_estimator={"max": {"type": "quantile", "outlier_prob": 0.05}}
    )
    _, _, calibrated = quantize_once(graph, SAMPLES, load_target("cpu"), config)
    return calibrated.rounded(config, {}, hiding=False)


def close_ups_of(made: Made) -> dict[str, CloseUp]:
    graph, context = made
    effects = measure_effects(graph, context, context.held_out)
    return {each.name: each for each in close_ups(graph, context, effects, context.held_out)}


@pytest.fixture(scope="module")
def found(made: Made) -> dict[str, CloseUp]:
    return close_ups_of(made)


@pytest.fixture(scope="module")
def held_out(made: Made) -> Array:
    return np.array([each.feed["x"] for each in made[1].held_out])


def test_a_histogram_counts_all_values_of_a_small_tensor(found: dict[str, CloseUp], held_out: Array) -> None:
    (histogram,) = found["first"].activations
    ends = 2 * len(held_out)  # the extremes of each sample are counted twice
    assert (histogram.tensor, sum(histogram.counts)) == ("x", held_out.size + ends)
    assert histogram.first == pytest.approx(min(held_out.min(), histogram.low), abs=1e-6)
    assert histogram.last == pytest.approx(max(held_out.max(), histogram.high), abs=1e-6)
    half = (histogram.high - histogram.low) / 255 / 2
    outside = np.mean((held_out < histogram.low - half) | (held_out > histogram.high + half))
    assert histogram.outside == pytest.approx(outside)
    assert histogram.outside > 0


def test_weights_are_shown_by_channel_and_neighbours_share_a_column(found: dict[str, CloseUp]) -> None:
    weights = found["first"].weights
    assert weights is not None
    assert (weights.channels, len(weights.spreads)) == (200, 128)
    assert weights.spreads[0] == pytest.approx(tuple(np.quantile(WEIGHTS[:2], (0, 0.05, 0.95, 1))), abs=1e-6)
    assert weights.spreads[-1] == pytest.approx(tuple(np.quantile(WEIGHTS[-1], (0, 0.05, 0.95, 1))), abs=1e-6)


def test_a_product_of_activations_has_no_weights(found: dict[str, CloseUp]) -> None:
    assert found["product"].weights is None
    assert len(found["product"].activations) >= 1


def test_large_tensors_are_counted_in_part_with_their_extremes(
    made: Made, held_out: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closeups, "_COUNTED", 50)
    (histogram,) = close_ups_of(made)["first"].activations
    assert sum(histogram.counts) == 52 * len(held_out)
    assert histogram.last >= held_out.max()


def test_tensors_that_do_not_fit_together_are_read_one_after_the_other(
    made: Made, found: dict[str, CloseUp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closeups, "_MOST_BYTES", 1)
    assert close_ups_of(made) == found
