"""Finds the factors for the channels of a stream with which rounding costs least, in plain numpy.

The model is that of `channel_scales`, for layers that read several tensors (see `streams`). Errors of different layers
are compared as shares of the layers' outputs. The candidates are those of `channel_scales` with two strengths,

    s_c = r_c^a / w_c^b,

with r_c the range of a channel and w_c the root mean square of the weights that read it. The cost of rounding data is
computed from some of their values instead of a step, since outliers are clipped: after the division, all channels have
outliers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ..statistics.sampling import Places
from .channel_scales import Matrix, expected_error, scales
from .expected_error import Distribution, least_error
from .ranges import Floats

#: The strengths to be tried. Loud columns of weights cost less than loud channels: each row has a range of its own.
OF_DATA, OF_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.25, 0.5)
#: A stream of which more than this of the error is left stays as it is: what is foretold is not that exact.
WORTHWHILE = 0.95
#: An extreme value of a channel stands for itself, another value for so many as this makes it.
_EXTREMES_COUNT = 1e-3


@dataclass(frozen=True)
class Reader:
    """A layer that reads a tensor of a stream.

    Attributes:
        channels: Which number divides each channel: [channels].
        mean_square: Of each channel.
        columns: The sum of the squares of the weights that read each channel.
        matrices: The largest magnitudes of its kernels, one matrix for each group of channels, which lie one behind the
            other; empty if its weights are not rounded, or each output reads one channel: the range of such weights
            grows as they do.
        taps: How many weights each of the magnitudes stands for.
    """

    channels: Places
    mean_square: Floats
    columns: Floats
    matrices: tuple[Matrix, ...] = ()
    taps: int = 1

    @cached_property
    def signal(self) -> float:
        """The mean square of all outputs together, if the channels were independent."""
        return float(self.columns @ self.mean_square)

    @property
    def importance(self) -> Floats:
        """The weight of an error of each channel: as a share of the signal."""
        return self.columns / self.signal if self.signal > 0 else np.zeros_like(self.columns)

    def error(self, numbers: Floats) -> float:
        """The error that rounding the multiplied weights adds, as a share of the signal."""
        if not self.matrices or self.signal <= 0:
            return 0.0
        squares, factors = (self.by_group(each) for each in (self.mean_square * self.taps, numbers[self.channels]))
        found = zip(self.matrices, squares, factors, strict=True)
        return sum(expected_error(square, [matrix], scale, 0.0) for matrix, square, scale in found) / self.signal

    def by_group(self, values: np.ndarray[Any, Any]) -> Sequence[np.ndarray[Any, Any]]:
        """The factors of all channels, separately for each matrix."""
        return np.split(values, len(self.matrices)) if self.matrices else []


@dataclass(frozen=True)
class Rounded:
    """A tensor of a stream that is rounded, with one range for all channels.

    Attributes:
        channels: Which number divides each channel: [channels].
        values: Some of its values: [n].
        places: The channel of each.
        low: The smallest value of each channel: [channels].
        high: The largest one.
        importance: By how much an error of each channel counts.
        levels: How many levels it is rounded to.
        signed: Whether levels below zero are wanted in any case.
    """

    channels: Places
    values: Floats
    places: Places
    low: Floats
    high: Floats
    importance: Floats
    levels: int
    signed: bool

    def error(self, numbers: Floats) -> float:
        """The error that rounding the divided channels adds, as a share of the signals of all readers."""
        divisors = numbers[self.channels]
        weights = self.importance * np.square(divisors)
        values = [self.values / divisors[self.places], self.low / divisors, self.high / divisors]
        counts = [weights[self.places], weights * _EXTREMES_COUNT, weights * _EXTREMES_COUNT]
        found = Distribution(np.concatenate(values).astype(np.float32), np.concatenate(counts))
        if not found.values.any():
            return 0.0
        return least_error(found, self.levels, signed=self.signed) / len(self.values) * len(divisors)


def best_numbers(extents: Floats, readers: Sequence[Reader], rounded: Sequence[Rounded]) -> Floats | None:
    """The factors of the least error; None if they are not worth it.

    Args:
        extents: The range of the channels that each number divides: [n].
        readers: The layers that read them.
        rounded: The tensors that are rounded. Places `n` of their channels are divided by nothing.
    """
    columns = _loudness(len(extents), readers)

    def error(numbers: Floats) -> float:
        whole = np.append(numbers, 1.0)
        return sum(each.error(whole) for each in readers) + sum(each.error(whole) for each in rounded)

    candidates = [scales(extents, columns, *strengths) for strengths in product(OF_DATA, OF_WEIGHTS)]
    errors = [error(each) for each in candidates]
    best = int(np.argmin(errors))
    return candidates[best] if errors[best] < WORTHWHILE * error(np.ones(len(extents))) else None


def _loudness(size: int, readers: Iterable[Reader]) -> Floats:
    """The root mean square of the weights that read each channel, as shares of the largest of their row.

    The largest of all readers; 1 where no reader has a row of several channels.
    """
    found = np.zeros(size + 1)
    for reader in readers:
        for matrix, channels in zip(reader.matrices, reader.by_group(reader.channels), strict=True):
            rows = matrix.magnitudes / np.maximum(matrix.magnitudes.max(axis=1, keepdims=True), np.float32(1e-30))
            np.maximum.at(found, channels, np.sqrt(np.square(rows).mean(axis=0, dtype=np.float64)))
    return np.where(found > 0, found, 1.0)[:size]
