"""Ranges with the least expected error, against a search of all ranges, and against the errors of all values."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from irquant.passes.analysis.expected_error import (
    CLIPPING_COUNTS,
    Distribution,
    expected_sqnr,
    least_error,
    least_error_range,
)
from irquant.passes.analysis.ranges import Floats, Range, asymmetric_range, fake_quantize, symmetric_range

LEVELS = 256
rng = np.random.default_rng
reals = st.floats(-1e4, 1e4, width=32)
some_values = arrays(np.float32, st.integers(1, 40), elements=reals)


def scalars(low: float, high: float) -> Range:
    return Range(np.array(low, np.float32), np.array(high, np.float32))


def known(values: Any, weights: Any = None) -> Distribution:
    found = np.asarray(values, np.float32)
    return Distribution.of(found, np.ones(len(found)) if weights is None else np.asarray(weights, np.float64))


def start_of(values: Any, levels: int = LEVELS) -> Range:
    """The range that loses nothing."""
    found = np.asarray(values, np.float32)
    low, high = found.min(keepdims=True), np.abs(found).max(keepdims=True)
    return symmetric_range(low, high, levels).reshaped(())


def chosen(values: Any, weights: Any = None, *, asymmetric: bool = False, signed: bool = False) -> Range:
    found = known(values, weights)
    return least_error_range(found, start_of(values), LEVELS, signed=signed, asymmetric=asymmetric)


def error_of(found: Distribution, limits: Range, levels: int) -> float:
    return float(found.errors(limits, levels).item())


def slow_error(values: Floats, weights: Floats, limits: Range, levels: int) -> float:
    """One value after the other: the nearest of the levels, or an end."""
    low, high = float(limits.low), float(limits.high)
    step = (high - low) / (levels - 1)
    found = 0.0
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        code = min(max(round((value - low) / step), 0), levels - 1)
        found += weight * (low + code * step - value) ** 2 * (1 if low <= value <= high else CLIPPING_COUNTS)
    return found


def symmetric_ones(values: Floats, levels: int) -> list[Range]:
    """All symmetric ranges of a fine grid."""
    low, largest = values.min(keepdims=True), float(np.abs(values).max())
    shares = np.linspace(0.1, 1, 300)
    return [symmetric_range(low, np.full(1, largest * share), levels).reshaped(()) for share in shares]


def all_ranges(values: Floats, levels: int) -> list[Range]:
    """All asymmetric ranges of a fine grid."""
    low, high = float(values.min()), float(values.max())
    shares = itertools.product(np.linspace(0.1, 1, 60), repeat=2)
    return [
        asymmetric_range(np.full(1, low * one), np.full(1, high * other), levels).reshaped(()) for one, other in shares
    ]


def same(one: Range, other: Range) -> bool:
    return bool(one.low == other.low) and bool(one.high == other.high)


# ------------------------------------------------------------------------------------------------------------- errors


@given(some_values, st.sampled_from([16, 255, 256]), st.randoms(use_true_random=False))
def test_the_error_is_the_weighted_sum_of_squared_differences(values: Floats, levels: int, random: Any) -> None:
    weights = np.array([random.uniform(0, 3) for _ in values])
    limits = start_of(values, levels)
    found, expected = error_of(known(values, weights), limits, levels), slow_error(values, weights, limits, levels)
    largest = float(np.abs(values).max()) + 1e-3
    assert found == pytest.approx(expected, rel=1e-2, abs=weights.sum() * (1e-6 * largest) * largest / levels)


def relu(values: Floats) -> Floats:
    return np.maximum(values, 0)


SHAPES: dict[str, Floats] = {
    "normal": rng(0).normal(size=100_000),
    "Laplace": rng(1).laplace(size=100_000),
    "behind ReLU": relu(rng(2).normal(size=100_000)),
    "two humps": np.concatenate([rng(3).normal(-4, 0.3, 50_000), rng(4).normal(3, 1, 50_000)]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("levels", [16, 256])
def test_a_few_thousand_values_err_as_all_of_them(shape: str, share: float, levels: int) -> None:
    values = SHAPES[shape].astype(np.float32)
    weights = rng(7).uniform(0.5, 2, len(values))
    few = Distribution.of(values, weights)
    assert len(few.values) < 5000
    limits = symmetric_range(values.min(keepdims=True), np.abs(values).max(keepdims=True) * share, levels)
    exact = error_of(Distribution(values, weights), limits.reshaped(()), levels)
    assert error_of(few, limits.reshaped(()), levels) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("count", [1, 511, 512, 4608, 4609, 5000, 12_345])
def test_no_weight_is_lost_and_the_outermost_values_are_all_there(count: int) -> None:
    values, weights = rng(5).normal(size=count).astype(np.float32), rng(6).uniform(size=count)
    found = Distribution.of(values, weights)
    assert found.weights.sum() == pytest.approx(weights.sum())
    order = np.argsort(values)
    for ends in (slice(None, 256), slice(-256, None)):
        assert found.values[ends].tolist() == values[order][ends].tolist()
        assert found.weights[ends].tolist() == weights[order][ends].tolist()


def test_tensors_that_are_joined_count_alike_however_many_values_each_has() -> None:
    loud, quiet = known([100.0] * 5), known([0.4, 0.2], [3.0, 1.0])
    found = Distribution.joined([loud, quiet])
    assert sorted(zip(found.values.tolist(), found.weights.tolist(), strict=True)) == [
        (pytest.approx(0.2), 0.25),
        (pytest.approx(0.4), 0.75),
        *[(100.0, pytest.approx(0.2))] * 5,
    ]


# ------------------------------------------------------------------------------------------------------------- search


SMALL: dict[str, Floats] = {
    "normal": rng(10).normal(size=300),
    "Laplace": rng(11).laplace(size=300),
    "heavy tails": rng(12).standard_t(3, size=300),
    "behind ReLU": relu(rng(13).normal(size=300)),
    "behind SiLU": (lambda x: x / (1 + np.exp(-x)))(rng(14).normal(size=300) * 3),
    "two humps": np.concatenate([rng(15).normal(-4, 0.3, 150), rng(16).normal(3, 1, 150)]),
    "all negative": -np.abs(rng(17).normal(size=300)) - 1,
    "far from zero": rng(18).normal(50, 1, size=300),
    "one sided": np.concatenate([rng(19).normal(size=299), [30]]),
}


@pytest.mark.parametrize("shape", SMALL)
@pytest.mark.parametrize("levels", [16, 256])
def test_no_symmetric_range_is_much_better(shape: str, levels: int) -> None:
    values = SMALL[shape].astype(np.float32)
    found = known(values)
    best = min(error_of(found, each, levels) for each in symmetric_ones(values, levels))
    limits = least_error_range(found, start_of(values, levels), levels, signed=False, asymmetric=False)
    assert error_of(found, limits, levels) <= 1.15 * best + 1e-9


@pytest.mark.parametrize("shape", SMALL)
@pytest.mark.parametrize("levels", [16, pytest.param(256, marks=pytest.mark.slow)])
def test_no_range_at_all_is_much_better(shape: str, levels: int) -> None:
    values = SMALL[shape].astype(np.float32)
    found = known(values)
    both = [*symmetric_ones(values, levels), *all_ranges(values, levels)]
    best = min(error_of(found, each, levels) for each in both)
    limits = least_error_range(found, start_of(values, levels), levels, signed=False, asymmetric=True)
    assert error_of(found, limits, levels) <= 1.2 * best + 1e-9


@pytest.mark.parametrize("share", [0.12, 0.35, 0.47, 0.72, 0.93])
def test_the_best_share_is_found_wherever_it_lies_between_those_that_are_tried_first(share: float) -> None:
    """Many values at the best end, none between it and the outlier."""
    values = np.concatenate([rng(20).uniform(-share, share, 4000), [1.0]]).astype(np.float32)
    weights = [*[1.0] * 4000, 1e-6]
    limits = chosen(values, weights)
    assert float(limits.high) == pytest.approx(share, rel=0.03)


@settings(max_examples=60)
@given(some_values, st.booleans(), st.booleans(), st.sampled_from([16, 255, 256]))
def test_no_range_is_worse_than_the_one_at_the_start(
    values: Floats, signed: bool, asymmetric: bool, levels: int
) -> None:
    found, start = known(values), start_of(values, levels)
    limits = least_error_range(found, start, levels, signed=signed, asymmetric=asymmetric)
    assert error_of(found, limits, levels) <= error_of(found, start, levels)
    assert limits.low <= 0 <= limits.high


@settings(max_examples=60)
@given(some_values, st.booleans())
def test_zero_is_a_level(values: Floats, asymmetric: bool) -> None:
    limits = chosen(values, asymmetric=asymmetric)
    step = float(limits.high - limits.low) / (LEVELS - 1)
    assert np.abs(fake_quantize(np.zeros(1, np.float32), limits, LEVELS)).max() <= 1e-4 * step


def test_no_asymmetric_range_is_taken_unless_it_may_be() -> None:
    values = SMALL["behind SiLU"]
    symmetric, asymmetric = chosen(values), chosen(values, asymmetric=True)
    assert float(symmetric.low) == pytest.approx(-float(symmetric.high) * 256 / 254)
    assert -float(asymmetric.low) < float(asymmetric.high) / 5
    assert error_of(known(values), asymmetric, LEVELS) < error_of(known(values), symmetric, LEVELS) / 2


def test_what_is_never_negative_gets_no_level_below_zero_unless_that_is_wanted() -> None:
    values = SMALL["behind ReLU"]
    for asymmetric in (False, True):
        assert float(chosen(values, asymmetric=asymmetric).low) == 0
    limits = least_error_range(known(values), scalars(-100, 100), LEVELS, signed=True, asymmetric=False)
    assert float(limits.low) == pytest.approx(-float(limits.high) * 256 / 254)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("values", [[0.0], [0.0] * 50, [1.0, np.nan], [np.inf, 1.0], [-np.inf, 1.0], [np.nan] * 3])
def test_of_zeros_and_of_what_is_no_number_nothing_is_learned(values: list[float], *, asymmetric: bool) -> None:
    start = scalars(-3, 3)
    with np.errstate(all="raise"):
        found = least_error_range(known(values), start, LEVELS, signed=False, asymmetric=asymmetric)
    assert same(found, start)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("value", [5.0, 1e-3, 1e30])
def test_a_constant_that_the_range_ends_at_keeps_it(value: float, *, asymmetric: bool) -> None:
    start = scalars(0, value)
    found = least_error_range(known([value] * 9), start, LEVELS, signed=False, asymmetric=asymmetric)
    assert same(found, start)


def test_values_that_are_all_negative_keep_a_range_down_to_the_lowest() -> None:
    values = np.linspace(-4, -2, 200)
    symmetric, asymmetric = chosen(values), chosen(values, asymmetric=True)
    assert same(symmetric, start_of(values))
    assert float(asymmetric.low) == pytest.approx(-4, rel=0.02)
    assert float(asymmetric.high) == 0


# ------------------------------------------------------------------------------------------------ outliers and weights


def test_rare_outliers_are_cut_off() -> None:
    values = np.concatenate([rng(30).normal(size=400_000), [12.0, -12.0]])
    assert float(chosen(values).high) < 10


def test_outliers_among_few_elements_stay() -> None:
    values = np.concatenate([rng(31).normal(size=50), [12.0, -12.0]])
    assert float(chosen(values).high) == pytest.approx(12, rel=0.01)


def test_outliers_that_readers_multiply_with_next_to_nothing_are_cut_off() -> None:
    values = np.concatenate([rng(32).normal(size=500), [12.0, -12.0]])
    kept, cut = chosen(values), chosen(values, [*[1.0] * 500, 1e-4, 1e-4])
    assert float(kept.high) == pytest.approx(12, rel=0.01)
    assert float(cut.high) < 5


def test_outliers_that_readers_listen_to_stay() -> None:
    values = np.concatenate([rng(33).normal(size=20_000), [12.0, -12.0]])
    assert float(chosen(values, [*[1.0] * 20_000, 1e3, 1e3]).high) == pytest.approx(12, rel=0.01)


def test_only_proportions_of_weights_count() -> None:
    values, weights = SMALL["heavy tails"], rng(34).uniform(size=300)
    assert same(chosen(values, weights, asymmetric=True), chosen(values, weights * 1024, asymmetric=True))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_quick_estimate_is_little_more_than_the_least_error(seed: int, *, signed: bool) -> None:
    values = rng(seed).standard_t(4, size=3000)
    found = known(values if signed else np.abs(values))
    best = least_error_range(found, start_of(found.values), LEVELS, signed=signed, asymmetric=False)
    least = error_of(found, best, LEVELS)
    assert least <= least_error(found, LEVELS, signed=signed) <= 1.1 * least


def test_the_quick_estimate_takes_levels_below_zero_if_they_are_wanted() -> None:
    found = known(np.abs(rng(1).normal(size=3000)))
    assert least_error(found, LEVELS, signed=True) > 3 * least_error(found, LEVELS, signed=False)


def probabilities(tokens: int, *, sharp: int = 0, rows: int = 64) -> Floats:
    """Rows whose sum is one; some of them have nearly all of it in one place."""
    logits = rng(0).normal(size=(rows, tokens))
    logits[:sharp, 0] += 20
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def ratio(values: Floats, high: float) -> float:
    return expected_sqnr(known(values.ravel()), scalars(0, high), LEVELS)


def measured_ratio(found: Floats, high: float, mean: float) -> float:
    """That of products with values of unit variance."""
    values = rng(1).normal(size=(found.shape[1], 256)) + mean
    exact, rounded = (each @ values for each in (found, fake_quantize(found, scalars(0, high), LEVELS)))
    return float(10 * np.log10(np.square(exact).sum() / np.square(rounded - exact).sum()))


@pytest.mark.parametrize("tokens", [16, 64, 256])
@pytest.mark.parametrize("sharp", [0, 8, 32])
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_a_product_is_hardly_worse_than_expected(tokens: int, sharp: int, mean: float) -> None:
    found = probabilities(tokens, sharp=sharp)
    high = float(found.max())
    assert ratio(found, high) < measured_ratio(found, high, mean) + 4


@pytest.mark.parametrize("tokens", [16, 64, 256])
@pytest.mark.parametrize("sharp", [0, 8, 32])
def test_with_values_whose_mean_is_zero_it_is_as_expected(tokens: int, sharp: int) -> None:
    found = probabilities(tokens, sharp=sharp)
    high = float(found.max())
    assert abs(ratio(found, high) - measured_ratio(found, high, 0.0)) < 5


def test_the_longer_the_rows_beside_a_sharp_one_the_lower_is_the_ratio() -> None:
    found = [ratio(probabilities(tokens, sharp=4), 1.0) for tokens in (16, 64, 256, 1024)]
    assert found == sorted(found, reverse=True)
    assert (found[0] > 35, found[-1] < 10) == (True, True)


def test_rows_that_are_all_spread_lose_little_in_a_range_of_their_own() -> None:
    found = probabilities(1024)
    assert ratio(found, float(found.max())) > ratio(found, 1.0) + 20


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.0]])
def test_what_is_rounded_to_itself_has_an_infinite_ratio(values: list[float]) -> None:
    assert ratio(np.array(values, np.float32), 1.0) == np.inf


def test_weights_that_are_all_rounded_to_zero_leave_less_than_nothing() -> None:
    assert ratio(np.full(100, 1e-4, np.float32), 1.0) == pytest.approx(-10 * np.log10(2))
