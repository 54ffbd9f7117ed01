"""Finds the factors for the channels in front of matrix products with which rounding costs least, in plain numpy.

With x / s instead of x and W diag(s) instead of W, the outputs stay the same, but rounding errors change. A rounding
error is evenly distributed over a step d, so that its variance is d^2 / 12 (Bennett, "Spectra of Quantized Signals",
1948), and errors of different numbers are independent. At the outputs of a layer,

- rounding the data adds           sum_oj (W_oj s_j)^2 * d_x^2 / 12,
- rounding the weights adds        sum_oj (x_j / s_j)^2 * d_o^2 / 12,

with d_x the step of the scaled data, d_o the step of the scaled weights of output channel o, and x_j^2 the mean square.
Small s favour the weights, large ones the data. Candidates are those of Xiao et al. ("SmoothQuant: Accurate and
Efficient Post-Training Quantization for Large Language Models", 2022), of any strength a,

    s_j = (max |x_j|)^a / (max_o |W_oj|)^(1 - a),

with a mean logarithm of zero: a common factor of all channels changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .ranges import Floats

#: Strengths to be tried: 0 makes all columns of weights alike, 1 all channels of data.
STRENGTHS = tuple(percent / 100 for percent in range(25, 100, 5))
#: How far the scale of a channel may be from the others'.
SMALLEST_SCALE, LARGEST_SCALE = 0.01, 100.0
#: Scales that leave more than this of the error are not worth an operation: what is foretold is good for a decibel.
WORTHWHILE = 0.8
#: So many standard deviations a channel ranges over in a sample: 30 values of a normal distribution do, by Tippett, "On
#: the Extreme Individuals and the Range of Samples Taken from a Normal Population", 1925; 1,000 do over 6.5.
DEVIATIONS = 4.0


@dataclass(frozen=True)
class Channels:
    """Extremes and means of the channels that layers read: [samples, channels]. The samples may differ."""

    low: Floats
    high: Floats
    mean: Floats

    def mean_square(self) -> Floats:
        """The mean square of each channel: of its means, and of its deviations from them."""
        parts = [self.mean, (self.high - self.low) / DEVIATIONS]
        return np.asarray(sum(np.square(part, dtype=np.float64).mean(axis=0) for part in parts))

    def largest(self) -> Floats:
        """The largest magnitude of each channel."""
        return np.asarray(np.maximum(-self.low, self.high).max(axis=0), np.float64)


@dataclass(frozen=True)
class Matrix:
    """The weights of a layer.

    Attributes:
        magnitudes: Their absolute values: [output channels, input channels].
        levels: How many levels they are rounded to.
        is_per_channel: Whether each output channel has its own range.
    """

    magnitudes: Floats
    levels: int
    is_per_channel: bool

    @cached_property
    def columns(self) -> Floats:
        """The sum of the squares of each column."""
        return np.asarray(np.square(self.magnitudes, dtype=np.float64).sum(axis=0))

    def squared_steps(self, scale: Floats) -> float:
        """The sum over the output channels of the squared steps of the scaled weights, symmetric."""
        largest = (self.magnitudes * scale.astype(np.float32)).max(axis=1)
        largest = largest if self.is_per_channel else np.full_like(largest, largest.max())
        return float(np.square(2 * largest / (self.levels - 1), dtype=np.float64).sum())


@dataclass(frozen=True)
class Tried:
    """Scales, and all of their errors that follows without the steps of the data.

    Attributes:
        scales: The candidates, and ones at the end: [candidates + 1, channels].
        sums: For each, the two terms of `error_sums`.
    """

    scales: Floats
    sums: tuple[tuple[float, float], ...]


def tried(channels: Channels, matrices: Sequence[Matrix]) -> Tried:
    """The candidates for what layers read.

    Args:
        channels: What the layers read.
        matrices: Their weights.
    """
    largest, mean_square = channels.largest(), channels.mean_square()
    columns = np.maximum.reduce([matrix.magnitudes.max(axis=0) for matrix in matrices]).astype(np.float64)
    candidates = [*(scales(largest, columns, each, 1 - each) for each in STRENGTHS), np.ones_like(largest)]
    return Tried(np.array(candidates), tuple(error_sums(mean_square, matrices, scale) for scale in candidates))


def best_of(found: Tried, step: Callable[[Floats], float]) -> Floats | None:
    """The candidate of the least error; None if it is not worth it.

    Args:
        found: The candidates.
        step: The step of the data once they are divided by some scales.
    """
    *errors, unscaled = (_error(sums, step(scale)) for scale, sums in zip(found.scales, found.sums, strict=True))
    best = int(np.argmin(errors))
    return found.scales[best] if errors[best] < WORTHWHILE * unscaled else None


def expected_error(mean_square: Floats, matrices: Sequence[Matrix], scale: Floats, step: float) -> float:
    """The squared error of all outputs together that rounding data and weights causes, by the sums above.

    Args:
        mean_square: Of each channel, before it is divided.
        matrices: The weights, before they are multiplied.
        scale: What both are by.
        step: The step of the divided data.
    """
    return _error(error_sums(mean_square, matrices, scale), step)


def error_sums(mean_square: Floats, matrices: Sequence[Matrix], scale: Floats) -> tuple[float, float]:
    """What the squared step of the data is multiplied by, and what the rounded weights add, both times 12."""
    weights = sum(float(np.square(scale) @ matrix.columns) for matrix in matrices)
    steps = sum(matrix.squared_steps(scale) for matrix in matrices)
    return weights, steps * float((mean_square / np.square(scale)).sum())


def _error(sums: tuple[float, float], step: float) -> float:
    return (sums[0] * step**2 + sums[1]) / 12


def scales(largest: Floats, columns: Floats, of_data: float, of_weights: float) -> Floats:
    """The candidate of two strengths a, b: largest^a / columns^b, with a mean logarithm of zero.

    Channels that are always zero, or that no weight reads, get 1.

    Args:
        largest: The largest magnitude of each channel.
        columns: That of the weights that read it.
        of_data: The strength a, between 0 and 1: with 1 and b = 0, all channels of data are alike.
        of_weights: The strength b, too: with 1 and a = 0, all columns of weights are.
    """
    is_used = (largest > 0) & (columns > 0)
    logarithms = of_data * np.log(largest, where=is_used, out=np.zeros_like(largest))
    logarithms -= of_weights * np.log(columns, where=is_used, out=np.zeros_like(columns))
    logarithms -= logarithms.sum() / max(1, np.count_nonzero(is_used))
    return np.clip(np.where(is_used, np.exp(logarithms), 1.0), SMALLEST_SCALE, LARGEST_SCALE)
