"""Finds columns of one tensor that differ in scale, for example pixel coordinates of boxes and scores of classes.

A large error of a score is tiny for a coordinate. Therefore such tensors are judged part by part. The graph shows the
tensors that are joined from others (features of one layer differ by chance), and samples show the scales.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...ir import Array, OutPort
from ...ir.ops import LAYER_TYPES
from .choices import Choice
from .decisions import above
from .ranges import Floats

_JOINS = ("Concat", "ScatterElementsUpdate", "ScatterNDUpdate", "ScatterUpdate")
#: The gap in dB between parts: no column has a power inside it.
GAP = 20.0
#: Columns that are so many dB below the strongest ones hold only rounding errors of floats.
_FLOOR = 120.0
#: Scores (from 0 to 1) that always stay below this mean "nothing".
_LEAST_SCORE = 0.1
#: The score from which the class of a box counts.
_SURE = 0.25
#: Columns whose variance is a smaller share of their power count as constants, which no rounding changes.
_VARIES = 1e-6
#: Powers of columns that hold fewer numbers are far apart by chance: one of two small numbers may be next to zero.
_LEAST_NUMBERS = 16


@dataclass(frozen=True)
class Part:
    """Columns of a tensor.

    Attributes:
        tensor: The number of the tensor.
        axis: The axis that numbers the columns.
        rank: The number of axes of the tensor.
        columns: The numbers of the columns, in ascending order.
        choice: The choice that they make; None if they make none.
    """

    tensor: int
    axis: int
    rank: int
    columns: tuple[int, ...]
    choice: Choice | None = None

    def of(self, array: Array) -> Array:
        """These columns of a tensor; empty if the tensor does not have them."""
        if array.ndim != self.rank or array.shape[self.axis] <= self.columns[-1]:
            return np.zeros((0,) * self.rank, array.dtype)
        return array.take(self.columns, self.axis)

    def __str__(self) -> str:
        first, last = self.columns[0], self.columns[-1]
        if first == last:
            return f"column {first}"
        some = "" if len(self.columns) == last - first + 1 else f"{len(self.columns)} of "
        return f"{some}columns {first} to {last}"


def is_joined(tensor: OutPort) -> bool:
    """Whether a tensor is joined from other float tensors behind the last layers."""
    nodes = (tensor.node, *above(tensor.node, LAYER_TYPES))
    return any(node.type in _JOINS and node.output().element_type.is_float for node in nodes)


def find_parts(tensor: int, arrays: Sequence[Array]) -> tuple[Part, ...]:
    """The columns that are judged on their own, along the axis where their scales are farthest apart.

    Args:
        tensor: Its number.
        arrays: Its values in the float model, one array per sample.
    """
    known = [each for each in arrays if each.size and each.dtype.kind == "f"]
    ranks = {each.ndim for each in known}
    if len(ranks) != 1 or not all(np.isfinite(each).all() for each in known):
        return ()
    (rank,) = ranks
    axes = [axis for axis in range(rank) if _are_columns(known, axis)]
    found = max((_Columns.of(known, axis) for axis in axes), key=lambda each: each.gap, default=None)
    return tuple(found.parts(tensor, rank)) if found and found.gap > GAP else ()


def _are_columns(arrays: Sequence[Array], axis: int) -> bool:
    """Whether there are always as many along an axis, and enough numbers in each to know its scale."""
    numbers = sum(each.size // each.shape[axis] for each in arrays)
    return len({each.shape[axis] for each in arrays}) == 1 and numbers >= _LEAST_NUMBERS


@dataclass(frozen=True)
class _Sums:
    """The sums of each column of one array: numbers, squares, extremes and counts."""

    total: Floats
    power: Floats
    low: Floats
    high: Floats
    count: int

    @classmethod
    def of(cls, array: Array, axis: int) -> "_Sums":
        values = array.astype(np.float64)
        others = tuple(k for k in range(array.ndim) if k != axis)
        power = np.square(values).sum(axis=others)
        count = array.size // array.shape[axis]
        return cls(values.sum(axis=others), power, values.min(axis=others), values.max(axis=others), count)


@dataclass(frozen=True)
class _Columns:
    """The facts of the columns along an axis.

    Attributes:
        axis: The axis.
        levels: The power of each column in dB; columns from 0 to 1 all have the power of the largest of them.
        peaks: The largest magnitude of each column.
        varies: Whether each column varies.
        is_score: Whether the values of each column lie from 0 to 1.
    """

    axis: int
    levels: Floats
    peaks: Floats
    varies: Array
    is_score: Array

    @classmethod
    def of(cls, arrays: Sequence[Array], axis: int) -> "_Columns":
        each = [_Sums.of(array, axis) for array in arrays]
        count = sum(one.count for one in each)
        low, high = np.min([one.low for one in each], axis=0), np.max([one.high for one in each], axis=0)
        mean, power = (sum(one.total for one in each) / count, sum(one.power for one in each) / count)
        is_score = (low >= 0) & (high <= 1)
        levels = 10 * np.log10(np.maximum(power, np.finfo(np.float64).tiny))
        # All scores have one scale: a class that no sample shows is no part of its own.
        levels[is_score] = levels[is_score].max(initial=-np.inf)
        varies = power - np.square(mean) > _VARIES * power
        return cls(axis, levels, np.maximum(np.abs(low), np.abs(high)), varies, is_score)

    @property
    def gap(self) -> float:
        """The widest gap in dB between neighbours in the order of power, without columns of rounding errors."""
        order = np.sort(self.levels[self.levels > self.levels.max() - _FLOOR])
        return float(np.diff(order).max(initial=0.0))

    def parts(self, tensor: int, rank: int) -> Iterator[Part]:
        """The parts, without columns that do not vary and scores that mean "nothing"."""
        order = np.argsort(self.levels, kind="stable")
        apart = (k for k, (low, high) in enumerate(pairwise(self.levels[order]), 1) if high - low > GAP)
        for group in np.split(order, list(apart)):
            are_scores = bool(self.is_score[group].all())
            has_signal = self.levels[group].max() > self.levels.max() - _FLOOR and self.varies[group].any()
            if has_signal and (not are_scores or self.peaks[group].max() >= _LEAST_SCORE):
                choice = Choice(self.axis, _SURE) if are_scores and len(group) > 1 else None
                yield Part(tensor, self.axis, rank, tuple(sorted(map(int, group))), choice)
