"""Aggregates the numbers of all observations, per tensor or per channel: the published seven ways, to the digit.

Source: the reference implementation (POT 2023.3) as measured. There, `mean` and `max` go first over the batch, then
over the samples. Here each image of a batch is an observation, which is the same for batches of one size and does not
depend on the size of the last batch.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np

from .request import Numbers

Aggregator = Literal["mean", "max", "min", "median", "mean_no_outliers", "median_no_outliers", "hl_estimator"]
AGGREGATORS: tuple[Aggregator, ...] = get_args(Aggregator)
#: Values outside of these quantiles are outliers.
_INLIERS = (0.01, 0.99)

_Values = np.ndarray[Any, np.dtype[np.floating[Any]]]


def aggregated(numbers: Numbers, aggregator: Aggregator) -> _Values:
    """The aggregate of the observations.

    Args:
        numbers: [observations, size].
        aggregator: `mean`, `max`, `min`, `median`; `mean_no_outliers` and `median_no_outliers`: over the values between
            the quantiles 0.01 and 0.99 (both included) of their channel, or over all if there are none; `hl_estimator`
            (Hodges, Lehmann 1963): half the median of the sums of all pairs of different observations, which resists
            outliers like the median and is nearly as efficient as the mean; a single observation is its own estimate.

    Returns:
        [size].
    """
    return _FUNCTIONS[aggregator](numbers)


def _mean(numbers: Numbers) -> _Values:
    return np.asarray(numbers.mean(axis=0, dtype=np.float64))


def _no_outliers(numbers: Numbers, function: Callable[[_Values], Any]) -> _Values:
    low, high = np.quantile(numbers, _INLIERS, axis=0)
    inside = (numbers >= low) & (numbers <= high)
    inside |= ~inside.any(axis=0)  # two values, for example, both lie outside
    return np.array([function(column[kept]) for column, kept in zip(numbers.T, inside.T, strict=True)], np.float64)


def _hodges_lehmann(numbers: Numbers) -> _Values:
    if len(numbers) == 1:
        return np.asarray(numbers[0])
    one, other = np.triu_indices(len(numbers), 1)
    # One channel at a time: there are n (n - 1) / 2 pairs.
    return np.array([np.median(column[one] + column[other]) / 2 for column in numbers.T], np.float64)


_FUNCTIONS: Mapping[Aggregator, Callable[[Numbers], _Values]] = {
    "mean": _mean,
    "max": lambda numbers: np.asarray(numbers.max(axis=0)),
    "min": lambda numbers: np.asarray(numbers.min(axis=0)),
    "median": lambda numbers: np.asarray(np.median(numbers, axis=0)),
    "mean_no_outliers": lambda numbers: _no_outliers(numbers, np.mean),
    "median_no_outliers": lambda numbers: _no_outliers(numbers, np.median),
    "hl_estimator": _hodges_lehmann,
}
