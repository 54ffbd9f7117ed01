"""Standard errors: how far an estimate from few samples may lie from that of very many samples of the same kind.

Samples are taken to be independent. A mean of n numbers with the standard deviation s has the standard error
s / sqrt(n). The end t of a range with the least expected error solves an equation of means, sum_i psi_i(t) = 0 over the
samples; its standard error is sqrt(n) s(psi_i) / |sum_i psi_i'(t)|. If few samples have values beyond t, this formula
sees too little, and another one is larger: beyond a high limit, the maxima of samples have about an exponential tail of
a scale b, and the level that m samples exceed has the standard error b / sqrt(m). If fewer than `FEWEST` samples have
values beyond t, the end is an extreme, and its error is not known.

Sources: Huber, "The behavior of maximum likelihood estimates under nonstandard conditions", 1967, for solutions of
equations of means; Weissman, "Estimation of parameters and large quantiles based on the k largest observations", 1978,
for extremes, with the estimate of b as the mean excess of the k largest maxima over the next one; Efron and Stein,
"The jackknife estimate of variance", 1981, for the gain of one model over another.
"""

import math
from collections.abc import Sequence

import numpy as np

from .expected_error import CLIPPING_COUNTS
from .ranges import Floats

#: Ranges have settled if the standard errors of their ends are at most this share of their widths. (A pitch tracker,
#: published ranges, three orders of data: the output changed by -0.15 to 0.54 dB, with 0.03 by -0.65 to 0.43, with
#: 0.04 by -1.25 to 0.03. A super-resolution net with the ranges of the least error lost nothing, even with 0.06.)
SETTLED = 0.02
#: The number of samples that must have values beyond an end. (In small tensors in front of a classifier, often only one
#: sample has such values, whatever the number of samples; when that was enough, such a net lost 8 dB.)
FEWEST = 4
#: The number k of the largest maxima at least.
_LARGEST = 8
#: The number of the outermost values among which an end is looked for first.
_OUTERMOST = 2048


def error_of_gain(before: Sequence[float], after: Sequence[float]) -> float:
    """The standard error in dB of 10 log10(sum(before) / sum(after)), by the jackknife; 0 if it is unknown.

    Each sample is left out once: one that makes most of the error says little about others.

    Args:
        before: The error power of each sample.
        after: That of another model on the same samples.
    """
    if len(before) < 2 or len(before) != len(after) or not np.isfinite([*before, *after]).all():
        return 0.0
    powers = np.array([before, after], np.float64)
    left = powers.sum(1, keepdims=True) - powers
    if not (left > 0).all():
        return 0.0
    gains = 10 * np.log10(left[0] / left[1])
    return float(np.sqrt((1 - 1 / len(gains)) * np.square(gains - gains.mean()).sum()))


def error_of_mean(numbers: Floats) -> Floats:
    """The standard errors of the means of some columns.

    Args:
        numbers: [samples, size].

    Returns:
        [size]; infinite for fewer than two samples.
    """
    if len(numbers) < 2:
        return np.full(numbers.shape[1], math.inf)
    return np.asarray(numbers.std(axis=0, ddof=1, dtype=np.float64) / math.sqrt(len(numbers)))


def error_of_least_error_range(
    values: Floats, weights: Floats, levels: int, *, signed: bool, asymmetric: bool
) -> float:
    """The larger standard error of the two ends of a range with the least expected error, as a share of its width.

    Args:
        values: [samples, n].
        weights: [n], not negative.
        levels: Levels of the FakeQuantize.
        signed: Whether levels below zero are wanted in any case.
        asymmetric: Whether the two ends may lie at different distances from zero.

    Returns:
        The share; infinite if it is not known.
    """
    if len(values) <= FEWEST:
        return math.inf
    low, high = float(values.min()), float(values.max())
    if low == high == 0:
        return 0.0
    if low >= 0 and not signed:
        return _error_of_end(values, weights, high, 1, levels) / high
    if asymmetric:
        ends = (_error_of_end(each, weights, high - low, 1, levels) for each in (values, -values))
        return max(ends) / (high - low)
    largest = max(-low, high)
    return _error_of_end(np.abs(values), weights, 2 * largest, 2, levels) / largest


def _error_of_end(values: Floats, weights: Floats, width: float, growth: int, levels: int) -> float:
    """The standard error of the upper end t of a range, in units of the values.

    Clipping costs C w (x - t)^2 for each value x of weight w, rounding costs w d^2 / 12; the step d is width / (L - 1).
    Where their sum is least, both derivatives are equal:

        C sum w max(x - t, 0) = sum w * width * growth / (12 (L - 1)^2)

    C is `CLIPPING_COUNTS`. (Sakr et al., "Optimal Clipping and Magnitude-aware Differentiation for Improved
    Quantization-aware Training", 2022, section 3, without C.)

    Args:
        values: [samples, n].
        weights: [n].
        width: The width of the range for rounding.
        growth: The derivative of the width by t: 2 for a symmetric range.
        levels: The levels L.
    """
    count, rounding = len(values), len(values) * float(weights.sum()) * growth / (12 * (levels - 1) ** 2)
    end, mass = _end(values, weights, rounding * width / CLIPPING_COUNTS)
    excess = np.maximum(values - np.float32(end), 0) @ weights.astype(np.float32)
    slope = CLIPPING_COUNTS * mass + rounding * growth
    by_means = CLIPPING_COUNTS * float(excess.std(ddof=1, dtype=np.float64)) * math.sqrt(count) / slope
    maxima = np.sort(values.max(axis=1))[::-1].astype(np.float64)
    beyond = int(np.count_nonzero(maxima > end))
    if beyond < FEWEST:
        return math.inf
    largest = min(max(beyond, _LARGEST), count - 1)
    by_extremes = float(maxima[:largest].mean() - maxima[largest]) / math.sqrt(beyond)
    return max(by_means, by_extremes)


def _end(values: Floats, weights: Floats, excess: float) -> tuple[float, float]:
    """The t with sum w max(x - t, 0) = excess, and the sum of the weights of the values beyond it."""
    flat = values.reshape(-1)
    count = min(_OUTERMOST, flat.size)
    while True:
        places = np.argpartition(flat, flat.size - count)[flat.size - count :]
        places = places[np.argsort(-flat[places], kind="stable")]
        outer, each = flat[places].astype(np.float64), weights[places % len(weights)].astype(np.float64)
        mass, sums = np.cumsum(each), np.cumsum(outer * each)
        beyond = np.flatnonzero(sums - mass * outer < excess)  # grows as t falls to the next value
        if len(beyond) < count or count == flat.size:
            last = beyond[-1]
            return float((sums[last] - excess) / mass[last]), float(mass[last])
        count = min(8 * count, flat.size)
