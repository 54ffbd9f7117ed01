"""The range of an activation with the least expected squared error, from some of its values.

If x is rounded to Q(x), a layer with weights W that reads it has the error W (Q(x) - x). If the errors of channels are
independent, the expected square of this error is the sum over channels c of |W_c|^2 E (Q(x_c) - x_c)^2. A wider range
rounds more coarsely, a narrower one clips more; the least sum is in between. Errors of clipping are not independent,
and count more (`CLIPPING_COUNTS`).

Source of the criterion: Banner et al., "Post training 4-bit quantization of convolutional networks for
rapid-deployment", NeurIPS 2019, section 3 (least expected squared error of a clipped range). Here the expectation is a
mean over measured values instead of a fitted distribution, and the weights of the reading layers weight the values.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .ranges import Floats, Range, asymmetric_range, fake_quantize, symmetric_range

#: The weight of a clipping error. Clipped values all err in one direction, and neighbours are clipped together: their
#: errors add up in a layer, while rounding errors mostly cancel. (On a super-resolution net, 1 gave 30 dB, 4 gave 36
#: and 16 gave 41; on a segmentation net, 1 gave 13.8 and 16 gave 12.6; most others hardly differ.)
CLIPPING_COUNTS = 4.0
#: The number of values that a distribution is reduced to, and the number of outermost values kept on either side.
_POINTS, _OUTERMOST = 4096, 256
#: The search for an end as a share of the largest value: the least share, the number of shares, and the number of
#: finer shares around the best one.
_LEAST, _COUNT, _FINER = 0.1, 20, 7
_SHARES: Floats = np.geomspace(_LEAST, 1.0, _COUNT)
_STEP = _LEAST ** (-1 / (_COUNT - 1))
#: The number of rounds in which the two ends of an asymmetric range are searched, one after the other.
_ROUNDS = 2


@dataclass(frozen=True)
class Distribution:
    """Values of a tensor, with the weight of an error of each.

    Attributes:
        values: [n].
        weights: [n], not negative.
    """

    values: Floats
    weights: Floats

    @classmethod
    def of(cls, values: Floats, weights: Floats) -> "Distribution":
        """A few thousand values that represent many; the outermost are all kept.

        Args:
            values: [n], in any order.
            weights: [n].
        """
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order].astype(np.float64)
        inner = len(values) - 2 * _OUTERMOST
        if inner <= _POINTS:
            return cls(values, weights)
        edges = _OUTERMOST + np.linspace(0, inner, _POINTS + 1).astype(np.int64)
        middles = (edges[:-1] + edges[1:]) // 2
        sums = np.add.reduceat(weights[: edges[-1]], edges[:-1])
        ends = slice(None, _OUTERMOST), slice(len(values) - _OUTERMOST, None)
        return cls(
            np.concatenate([values[ends[0]], values[middles], values[ends[1]]]),
            np.concatenate([weights[ends[0]], sums, weights[ends[1]]]),
        )

    @classmethod
    def joined(cls, parts: Iterable["Distribution"]) -> "Distribution":
        """The values of several tensors with equal weight for each tensor."""
        found = [(part.values, part.weights / part.weights.sum()) for part in parts]
        return cls(np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found]))

    def clipped(self, limits: Range) -> "Distribution":
        """The values clipped to a range of scalars."""
        return Distribution(np.clip(self.values, limits.low.min(), limits.high.max()), self.weights)

    def errors(self, limits: Range, levels: int) -> Floats:
        """The expected squared errors of FakeQuantizes, times the sum of the weights.

        Args:
            limits: The limits of each, [m].
            levels: The levels L of all.

        Returns:
            [m].
        """
        columns = limits.reshaped((-1, 1))
        low, high = columns.low, columns.high
        differences = fake_quantize(self.values, columns, levels) - self.values
        squares: Floats = np.square(differences, dtype=np.float64)
        squares *= self.weights
        squares[(self.values < low) | (self.values > high)] *= CLIPPING_COUNTS
        return np.asarray(squares.sum(axis=1))


def expected_sqnr(found: Distribution, limits: Range, levels: int) -> float:
    """The ratio of signal to error in dB that is to be expected of a product P V, if only P is rounded, to Q(P).

    P holds weights of V's rows. If these have a mean of zero, the error power is sum (Q(p) - p)^2 / sum p^2 of the
    signal's. If they are alike, it is (sum (Q(p) - p) / sum p)^2: many small weights that are all rounded to zero take
    a share of the mean with them. The sum of both is a bound for what is in between.

    Args:
        found: Values of P, not negative.
        limits: The range of the FakeQuantize; scalars.
        levels: Its levels.
    """
    values, weights = found.values.astype(np.float64), found.weights
    errors = fake_quantize(found.values, limits, levels) - values
    power, mass = np.sum(weights * values**2), np.sum(weights * values)
    if not mass:
        return math.inf
    error = np.sum(weights * errors**2) / power + (np.sum(weights * errors) / mass) ** 2
    return -10 * math.log10(error) if error else math.inf


def least_error_range(found: Distribution, start: Range, levels: int, *, signed: bool, asymmetric: bool) -> Range:
    """The range with the least expected error among shares of the largest values.

    Args:
        found: The values.
        start: A range by another estimator, which is kept if no other is better; scalars.
        levels: Levels of the FakeQuantize.
        signed: Whether levels below zero are wanted in any case.
        asymmetric: Whether the two ends may lie at different distances from zero.

    Returns:
        A range of scalars.
    """
    low, high = float(found.values.min()), float(found.values.max())
    if not np.isfinite([low, high]).all() or low == high == 0:
        return start
    search = _Search(found, levels, start)
    lowest, largest = np.full(1, -1.0 if signed or low < 0 else 0.0), max(-low, high)
    search.along(lambda shares: symmetric_range(lowest, largest * shares, levels, signed=signed))
    if asymmetric and low < 0:
        lower = upper = 1.0
        for _ in range(_ROUNDS):
            upper = search.along(partial(_lopsided, low=high, high=low * lower, levels=levels))
            lower = search.along(partial(_lopsided, low=low, high=high * upper, levels=levels))
    return search.best.reshaped(())


def least_error(found: Distribution, levels: int, *, signed: bool) -> float:
    """A quick estimate of the error of the best range: the least of a few symmetric ones.

    Args:
        found: The values; some are not zero.
        levels: Levels of the FakeQuantize.
        signed: Whether levels below zero are wanted in any case.

    Returns:
        The expected squared error, times the sum of the weights.
    """
    low, high = float(found.values.min()), float(found.values.max())
    lowest = np.full(1, -1.0 if signed or low < 0 else 0.0)
    tried = symmetric_range(lowest, max(-low, high) * _SHARES, levels, signed=signed)
    return float(found.errors(tried, levels).min())


def _lopsided(shares: Floats, *, low: float, high: float, levels: int) -> Range:
    """The asymmetric ranges between shares of one end and the fixed other end."""
    ends = low * shares, np.full(len(shares), high)
    return asymmetric_range(np.minimum(*ends), np.maximum(*ends), levels)


class _Search:
    """The best range so far.

    Args:
        found: The values.
        levels: Levels of the FakeQuantize.
        start: The range to beat.
    """

    def __init__(self, found: Distribution, levels: int, start: Range) -> None:
        self.found, self.levels = found, levels
        self.best, self.least = start, float(found.errors(start, levels).item())

    def along(self, made: Callable[[Floats], Range]) -> float:
        """The share with the best range, from a coarse search and a finer one."""
        coarse, error = self._best(_SHARES, made)
        near: Floats = np.linspace(max(_LEAST, coarse / _STEP), min(1.0, coarse * _STEP), _FINER)
        fine, finer_error = self._best(near, made)
        return fine if finer_error < error else coarse

    def _best(self, shares: Floats, made: Callable[[Floats], Range]) -> tuple[float, float]:
        limits = made(shares)
        errors = self.found.errors(limits, self.levels)
        index = int(errors.argmin())
        if errors[index] < self.least:
            self.best = Range(limits.low[[index]].reshape(()), limits.high[[index]].reshape(()))
            self.least = float(errors[index])
        return float(shares[index]), float(errors[index])
