"""Columns of one tensor that differ in scale, as pixel coordinates of boxes and scores of classes do.

What is a large error for a score is nothing beside a coordinate. So such tensors are judged part by part. The graph
tells which tensors are joined of others (features of one layer differ by chance), and samples tell the scales.
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
#: Columns belong to different parts if no power lies between theirs for so many dB.
GAP = 20.0
#: What is so far below the strongest columns is no signal but rounding of floats.
_FLOOR = 120.0
#: Scores that never come near this, from 0 to 1, say "nothing" whatever they are.
_LEAST_SCORE = 0.1
#: From this score on, a box is one whose class counts.
_SURE = 0.25
#: Columns whose variance is a smaller share of their power do not vary: constants, that nothing rounds.
_VARIES = 1e-6
#: Powers of columns that hold fewer numbers are far apart by chance: one of two small numbers may be next to zero.
_LEAST_NUMBERS = 16


@dataclass(frozen=True)
class Part:
    """Columns of a tensor.

    Attributes:
        tensor: The number of the tensor.
        axis: The axis that numbers the columns, of how many axes there are.
        rank: Number of axes of the tensor.
        columns: Which of them, in ascending order.
        choice: What they choose; None if they do not.
    """

    tensor: int
    axis: int
    rank: int
    columns: tuple[int, ...]
    choice: Choice | None = None

    def of(self, array: Array) -> Array:
        """These columns of a tensor; nothing of one that does not have them."""
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
    """Whether a tensor is put together of other tensors of floats behind the last layers."""
    nodes = (tensor.node, *above(tensor.node, LAYER_TYPES))
    return any(node.type in _JOINS and node.output().element_type.is_float for node in nodes)


def find_parts(tensor: int, arrays: Sequence[Array]) -> tuple[Part, ...]:
    """The columns that are judged on their own, along the axis where their scales are farthest apart.

    Args:
        tensor: Its number.
        arrays: What the float model gave for it, one array a sample.
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
    """What one array holds in each column: sums of the numbers and of their squares, extremes, and how many."""

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
    """What is known of the columns along an axis.

    Attributes:
        axis: That.
        levels: The power of each in dB, of what lies from 0 to 1 the largest one's.
        peaks: The largest magnitudes.
        varies: Whether they are no constants.
        is_score: Whether they lie from 0 to 1.
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
        # Scores have one scale, whatever of it is seen: a class that no sample shows is no part of its own.
        levels[is_score] = levels[is_score].max(initial=-np.inf)
        varies = power - np.square(mean) > _VARIES * power
        return cls(axis, levels, np.maximum(np.abs(low), np.abs(high)), varies, is_score)

    @property
    def gap(self) -> float:
        """The widest in dB between neighbours in the order of power, among columns that are no rounding of floats."""
        order = np.sort(self.levels[self.levels > self.levels.max() - _FLOOR])
        return float(np.diff(order).max(initial=0.0))

    def parts(self, tensor: int, rank: int) -> Iterator[Part]:
        """Those that vary, and of scores those that say something."""
        order = np.argsort(self.levels, kind="stable")
        apart = (k for k, (low, high) in enumerate(pairwise(self.levels[order]), 1) if high - low > GAP)
        for group in np.split(order, list(apart)):
            are_scores = bool(self.is_score[group].all())
            has_signal = self.levels[group].max() > self.levels.max() - _FLOOR and self.varies[group].any()
            if has_signal and (not are_scores or self.peaks[group].max() >= _LEAST_SCORE):
                choice = Choice(self.axis, _SURE) if are_scores and len(group) > 1 else None
                yield Part(tensor, self.axis, rank, tuple(sorted(map(int, group))), choice)
