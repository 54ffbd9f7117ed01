"""Standard errors of ranges, against the spread of ranges from many data sets of the same kind."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from irquant.passes.analysis.expected_error import Distribution
from irquant.passes.analysis.ranges import symmetric_range
from irquant.passes.analysis.standard_errors import SETTLED, error_of_gain, error_of_least_error_range, error_of_mean

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLES, ELEMENTS = 64, 512
#: With few levels, many samples have values beyond the best ends.
FEW_LEVELS = 16


def error(values: Array, levels: int = 256, *, signed: bool = False, asymmetric: bool = False) -> float:
    weights = np.ones(values.shape[1])
    found = values.astype(np.float32)
    return error_of_least_error_range(found, weights, levels, signed=signed, asymmetric=asymmetric)


def best_end(values: Array) -> float:
    """The upper end of the range with the least expected error, by trial."""
    flat = values.astype(np.float32).ravel()
    found = Distribution.of(flat, np.ones(len(flat)))
    ends = np.linspace(0.4, 1, 250, dtype=np.float32) * np.abs(flat).max()
    tried = symmetric_range(flat.min(keepdims=True), ends, FEW_LEVELS)
    return float(ends[found.errors(tried, FEW_LEVELS).argmin()])


def test_the_error_of_a_mean_falls_with_the_root_of_the_number() -> None:
    numbers = np.array([[1, 5], [3, 5], [1, 5], [3, 5]], np.float32)
    np.testing.assert_allclose(error_of_mean(numbers), [math.sqrt(4 / 3) / 2, 0])
    assert (error_of_mean(np.repeat(numbers, 400, axis=0)) < error_of_mean(numbers) / 19)[0]


def test_one_sample_says_nothing_of_its_error() -> None:
    assert np.isinf(error_of_mean(np.ones((1, 3), np.float32))).all()
    assert math.isinf(error(np.ones((1, 3))))


@pytest.mark.parametrize(
    "draw",
    [
        partial(np.random.Generator.exponential, scale=1.0),
        partial(np.random.Generator.laplace, loc=0.0, scale=1.0),
        partial(np.random.Generator.normal, loc=0.0, scale=1.0),
    ],
)
def test_the_error_is_that_of_many_data_sets(draw: Any) -> None:
    rng = np.random.default_rng(4)
    sets = [draw(rng, size=(SAMPLES, ELEMENTS)) for _ in range(25)]
    ends = np.array([best_end(each) for each in sets])
    spread = ends.std(ddof=1) / ends.mean()
    foretold = np.mean([error(each, FEW_LEVELS) for each in sets])
    assert 0.5 * spread < foretold < 2 * spread


def test_it_falls_with_the_number_of_samples() -> None:
    values = np.random.default_rng(5).laplace(size=(512, ELEMENTS))
    assert error(values, FEW_LEVELS) < 0.6 * error(values[:32], FEW_LEVELS)


def test_an_outlier_in_one_sample_leaves_the_range_unsettled() -> None:
    values = np.random.default_rng(6).uniform(size=(SAMPLES, ELEMENTS))
    assert error(values) < SETTLED
    values[7, 3] = 3
    assert error(values) > SETTLED


def test_the_error_of_an_extreme_is_not_known() -> None:
    """The range of few elements ends at the largest value of all: each later sample may exceed it."""
    assert math.isinf(error(np.random.default_rng(7).exponential(size=(SAMPLES, 4))))
    assert math.isinf(error(np.ones((4, 8))))
    assert error(np.ones((5, 8))) < SETTLED


def test_values_that_all_samples_share_are_settled() -> None:
    assert error(np.zeros((SAMPLES, 8))) == 0
    assert error(np.tile(np.linspace(0, 1, 8), (SAMPLES, 1))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("options", [{"signed": True}, {}, {"asymmetric": True}])
def test_the_scale_of_the_values_does_not_matter(options: dict[str, bool]) -> None:
    values = np.random.default_rng(8).normal(size=(SAMPLES, 50))
    found = error(values, FEW_LEVELS, **options)
    assert math.isfinite(found)
    assert error(values * 1e-3, FEW_LEVELS, **options) == pytest.approx(found, rel=1e-3)


def test_values_without_weight_do_not_count() -> None:
    values = np.random.default_rng(9).uniform(size=(SAMPLES, 50)).astype(np.float32)
    weights = np.ones(50)
    weights[0] = 0
    louder = values.copy()
    louder[:, 0] *= np.random.default_rng(9).uniform(size=SAMPLES) > 0.5
    options: Any = {"signed": False, "asymmetric": False}
    first, second = (error_of_least_error_range(each, weights, FEW_LEVELS, **options) for each in (values, louder))
    assert first == pytest.approx(second, rel=0.05)


def test_the_error_of_a_gain_is_about_the_spread_over_many_data_sets() -> None:
    rng = np.random.default_rng(0)

    def drawn() -> tuple[list[float], list[float]]:
        before = rng.gamma(2, size=40)
        return before.tolist(), (before * rng.uniform(0.2, 1, 40)).tolist()

    pairs = [drawn() for _ in range(400)]
    spread = np.std([10 * np.log10(sum(before) / sum(after)) for before, after in pairs])
    assert np.median([error_of_gain(*pair) for pair in pairs]) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(
    ("before", "after"),
    [([], []), ([1.0], [0.5]), ([1.0, 2.0], [1.0]), ([1.0, 0.0], [0.5, 0.0]), ([1.0, np.inf], [1, 1])],
)
def test_the_error_of_a_gain_is_unknown_without_enough_of_both(before: list[float], after: list[float]) -> None:
    assert error_of_gain(before, after) == 0


def test_the_gain_of_one_sample_that_makes_most_of_the_error_is_uncertain() -> None:
    assert error_of_gain([1.0] * 11 + [20.0], [1.0] * 11 + [2.0]) > 3
    assert error_of_gain([1.0] * 12, [0.5] * 12) == 0
