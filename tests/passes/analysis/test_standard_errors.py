"""Standard errors of ranges, against the spread of ranges from many data sets of the same kind."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from irquant.passes.analysis.expected_error import Distribution, least_error_range
from irquant.passes.analysis.ranges import symmetric_range
from irquant.passes.analysis.standard_errors import SETTLED, error_of_least_error_range, error_of_mean

Array = np.ndarray[Any, np.dtype[Any]]
LEVELS = 256
SAMPLES, ELEMENTS = 64, 512


def error(values: Array, *, signed: bool = False, asymmetric: bool = False) -> float:
    weights = np.ones(values.shape[1])
    found = values.astype(np.float32)
    return error_of_least_error_range(found, weights, LEVELS, signed=signed, asymmetric=asymmetric)


def width(values: Array, *, asymmetric: bool) -> float:
    """The width of the range with the least expected error."""
    flat = values.astype(np.float32).ravel()
    found = Distribution.of(flat, np.ones(len(flat)))
    start = symmetric_range(flat.min(keepdims=True), np.abs(flat).max(keepdims=True), LEVELS).reshaped(())
    best = least_error_range(found, start, LEVELS, signed=False, asymmetric=asymmetric)
    return float(best.high - best.low)


def test_the_error_of_a_mean_falls_with_the_root_of_the_number() -> None:
    numbers = np.array([[1, 5], [3, 5], [1, 5], [3, 5]], np.float32)
    np.testing.assert_allclose(error_of_mean(numbers), [math.sqrt(4 / 3) / 2, 0])
    assert (error_of_mean(np.repeat(numbers, 400, axis=0)) < error_of_mean(numbers) / 19)[0]


def test_one_sample_says_nothing_of_its_error() -> None:
    assert np.isinf(error_of_mean(np.ones((1, 3), np.float32))).all()
    assert math.isinf(error(np.ones((1, 3))))


@pytest.mark.parametrize(
    ("draw", "asymmetric"),
    [
        (partial(np.random.Generator.exponential, scale=1.0), False),
        (partial(np.random.Generator.laplace, loc=0.0, scale=1.0), False),
        (partial(np.random.Generator.gumbel, loc=0.0, scale=1.0), True),
        (partial(np.random.Generator.normal, loc=0.0, scale=1.0), False),
    ],
)
def test_the_error_is_that_of_many_data_sets(draw: Any, *, asymmetric: bool) -> None:
    """Ranges are found on a grid of shares, hence the wide limits."""
    rng = np.random.default_rng(4)
    sets = [draw(rng, size=(SAMPLES, ELEMENTS)) for _ in range(30)]
    widths = np.array([width(each, asymmetric=asymmetric) for each in sets])
    spread = widths.std(ddof=1) / widths.mean()
    foretold = np.mean([error(each, asymmetric=asymmetric) for each in sets])
    assert 0.6 * spread < foretold < 3 * spread


def test_it_falls_with_the_number_of_samples() -> None:
    values = np.random.default_rng(5).laplace(size=(512, ELEMENTS))
    assert error(values) < 0.6 * error(values[:32])


def test_an_outlier_in_one_sample_leaves_the_range_unsettled() -> None:
    values = np.random.default_rng(6).uniform(size=(SAMPLES, ELEMENTS))
    assert error(values) < SETTLED
    values[7, 3] = 3
    assert error(values) > SETTLED


def test_few_elements_of_scattered_samples_leave_it_unsettled() -> None:
    """Their largest value is an extreme: each later sample may exceed it."""
    values = np.random.default_rng(7).exponential(size=(SAMPLES, 4))
    assert error(values) > SETTLED


def test_values_that_all_samples_share_are_settled() -> None:
    assert error(np.zeros((SAMPLES, 8))) == 0
    assert error(np.tile(np.linspace(0, 1, 8), (SAMPLES, 1))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("options", [{"signed": True}, {}, {"asymmetric": True}])
def test_the_scale_of_the_values_does_not_matter(options: dict[str, bool]) -> None:
    values = np.random.default_rng(8).normal(size=(SAMPLES, 50))
    assert error(values * 1e-3, **options) == pytest.approx(error(values, **options), rel=1e-3)


def test_values_without_weight_do_not_count() -> None:
    values = np.random.default_rng(9).uniform(size=(SAMPLES, 50)).astype(np.float32)
    weights = np.ones(50)
    weights[0] = 0
    louder = values.copy()
    louder[:, 0] *= np.random.default_rng(9).uniform(size=SAMPLES) > 0.5
    options: Any = {"signed": False, "asymmetric": False}
    first, second = (error_of_least_error_range(each, weights, LEVELS, **options) for each in (values, louder))
    assert first == pytest.approx(second, rel=0.05)
