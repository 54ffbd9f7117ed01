"""Rounds matrices of weights to 8 and 4 bits: the grids, and the search for the scales of least squared error.

A stored weight is (code - zero point) * scale, with a scale for each group of neighbouring columns of a row. The number
code - zero point is called a step here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ...ir import Array
from ...ir.packing import NF4_VALUES
from ...targets.target import WeightType

Floats = np.ndarray[Any, np.dtype[np.float32]]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: The limits between the numbers of nf4: the nearest one wins.
_BETWEEN = (NF4_VALUES[1:] + NF4_VALUES[:-1]) / 2
#: The number of weights that are rounded at a time.
_AT_ONCE = 1 << 18
#: Groups of weights up to this magnitude count as zeros.
_NOTHING = 1e-30
#: Scales in f16 are fine if the largest lies between these limits; below, too many others lose their digits.
_HALF_LIMITS = (2.0**-12, 65504.0)


@dataclass(frozen=True)
class Grid:
    """The numbers that an element type can hold.

    Attributes:
        kind: The element type.
        low: The lowest code.
        high: The highest code.
        clips: The trial scales, as shares of the one with which the largest weight is the last code.
        has_zero_point: Whether each group also has the code that stands for zero.
    """

    kind: WeightType
    low: float
    high: float
    clips: tuple[float, ...]
    has_zero_point: bool = False

    @property
    def bits(self) -> int:
        """The bits of a code."""
        return 8 if self.kind in ("i8", "u8") else 4

    def steps(self, ratios: Floats, zeros: Floats) -> Floats:
        """The nearest steps to weights that are divided by their scales.

        Args:
            ratios: The weights in units of their scales.
            zeros: The zero points, which broadcast against them.
        """
        if self.kind == "nf4":
            return NF4_VALUES[np.searchsorted(_BETWEEN, ratios)]
        found: Floats = np.clip(np.rint(ratios), np.float32(self.low) - zeros, np.float32(self.high) - zeros)
        return found


def _shares(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(float(each) for each in np.linspace(first, last, count))


#: Element type -> its grid. The last trial of i4 is the scale of -7 .. 7.
GRIDS: Mapping[WeightType, Grid] = {
    "i8": Grid("i8", -128, 127, _shares(0.94, 1.0, 4)),
    "u8": Grid("u8", 0, 255, _shares(0.94, 1.0, 4), has_zero_point=True),
    "i4": Grid("i4", -8, 7, _shares(0.55, 8 / 7, 16)),
    "u4": Grid("u4", 0, 15, _shares(0.55, 1.05, 14), has_zero_point=True),
    "nf4": Grid("nf4", -1, 1, _shares(0.7, 1.05, 8)),
}


@dataclass(frozen=True)
class Scales:
    """The scales of a matrix.

    Attributes:
        scales: f32 [rows, groups, 1], with the digits of the type in which they are stored; some may be negative.
        zeros: The zero points in the same shape; zeros for a grid without zero points.
    """

    scales: Floats
    zeros: Floats


@dataclass(frozen=True)
class Codes:
    """A rounded matrix.

    Attributes:
        grid: Its grid.
        steps: The steps, f32 [rows, groups, columns of a group].
        scales: Its scales.
    """

    grid: Grid
    steps: Floats
    scales: Scales

    @property
    def codes(self) -> Array:
        """The stored numbers."""
        found = self.steps + self.scales.zeros
        kinds: Mapping[str, Any] = {"i8": np.int8, "i4": np.int8, "u8": np.uint8, "u4": np.uint8}
        return found.astype(kinds.get(self.grid.kind, np.float32))

    @property
    def values(self) -> Floats:
        """The rounded weights, f32 [rows, columns]."""
        return (self.steps * self.scales.scales).reshape(len(self.steps), -1)


def group_size(columns: int, most: int, least: int) -> int:
    """The largest number of columns that divides a row into groups; the whole row if there is none.

    Args:
        columns: The columns of a row.
        most: The most columns of a group; 0: whole rows.
        least: The fewest columns of a group.
    """
    sizes = (size for size in range(min(most, columns), least - 1, -1) if columns % size == 0)
    return next(sizes, columns)


def rounded(weights: Floats, grid: Grid, group: int, importance: Floats | None = None) -> Codes:
    """A matrix rounded to the nearest numbers, with the scales of least squared error.

    Args:
        weights: [rows, columns].
        grid: The numbers.
        group: The columns that share a scale; divides the columns.
        importance: The mean square of what each column is multiplied with, [columns]; None: all count the same.
    """
    grouped = weights.reshape(len(weights), -1, group)
    scales = find_scales(grouped, grid, importance)
    steps = each_block(len(grouped), grouped[0].size, lambda rows: nearest_steps(grouped, grid, scales, rows))
    return Codes(grid, np.concatenate(steps), scales)


def nearest_steps(grouped: Floats, grid: Grid, scales: Scales, rows: slice) -> Floats:
    """The nearest steps to some rows of a matrix [rows, groups, columns of a group]."""
    return grid.steps(grouped[rows] / scales.scales[rows], scales.zeros[rows])


def find_scales(grouped: Floats, grid: Grid, importance: Floats | None = None) -> Scales:
    """The scales with which the weighted squared error of rounding is least, among some trials.

    Each trial rounds weights w with a scale, and then takes the best scale for these steps q, sum(hwq) / sum(hqq), with
    which the error is sum(hww) - sum(hwq)^2 / sum(hqq): one round of Lloyd 1982, "Least squares quantization in PCM",
    with weights h.

    Args:
        grouped: [rows, groups, columns of a group].
        grid: The numbers.
        importance: See `rounded`.
    """
    weight = np.ones(grouped.shape[1:], np.float32)
    if importance is not None and importance.any():  # a column without data still needs a scale
        weight = (importance / importance.mean() + np.float32(0.01)).astype(np.float32).reshape(grouped.shape[1:])
    found = each_block(len(grouped), grouped[0].size, lambda rows: _best_of_trials(grouped[rows], grid, weight))
    scales, zeros = (np.concatenate([each[index] for each in found]) for index in (0, 1))
    stored = scales.astype(scale_type(scales)).astype(np.float32)
    return Scales(np.where(stored == 0, np.float32(1), stored), zeros)


def scale_type(scales: Floats) -> np.dtype[Any]:
    """The numpy type in which scales are stored: f16, or f32 if that loses digits."""
    largest = float(np.abs(scales).max(initial=0))
    return np.dtype(np.float16 if _HALF_LIMITS[0] <= largest <= _HALF_LIMITS[1] else np.float32)


def _best_of_trials(grouped: Floats, grid: Grid, weight: Floats) -> tuple[Floats, Floats]:
    """The scales and zero points of some rows, [rows, groups, 1] each."""
    best, scales, zeros = (np.zeros((*grouped.shape[:2], 1), np.float32) for _ in range(3))
    weighted = grouped * weight
    for scale, zero in _trials(grouped, grid):
        steps = grid.steps(grouped / scale, zero)
        product = np.einsum("rgc,rgc->rg", weighted, steps)[..., np.newaxis]
        power = np.einsum("rgc,rgc,gc->rg", steps, steps, weight)[..., np.newaxis]
        is_some = power > 0
        gain = np.divide(product * product, power, out=np.zeros_like(product), where=is_some)
        fitting = np.divide(product, power, out=scale.copy(), where=is_some)
        is_better = (gain > best) | (scales == 0)
        best, scales, zeros = (
            np.where(is_better, new, old) for new, old in ((gain, best), (fitting, scales), (zero, zeros))
        )
    return scales, zeros


def _trials(grouped: Floats, grid: Grid) -> Sequence[tuple[Floats, Floats]]:
    """Scales and zero points to try, [rows, groups, 1] each.

    Without a zero point the codes reach one step further below zero than above: the sign of the scale decides which
    weights get that step.
    """
    low, high = grouped.min(axis=2, keepdims=True), grouped.max(axis=2, keepdims=True)
    if grid.has_zero_point:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        ranges = np.where(high - low > _NOTHING, high - low, 1).astype(np.float32)
        scales = [ranges * np.float32(clip / (grid.high - grid.low)) for clip in grid.clips]
        return [(scale, np.clip(np.rint(grid.low - low / scale), grid.low, grid.high)) for scale in scales]
    longer: Floats = np.asarray(np.where(-low > high, low, high), np.float32)
    extreme: Floats = np.asarray(np.where(np.abs(longer) > _NOTHING, longer, 1), np.float32)
    signs = (1,) if grid.bits == 8 else (1, -1)
    none = np.zeros_like(extreme)
    return [(extreme * np.float32(clip * sign / grid.low), none) for clip in grid.clips for sign in signs]


def weighted_error(weights: Floats, found: Codes, importance: Floats | None = None) -> float:
    """The sum of the squared errors of all weights, each times the importance of its column."""
    error = weights - found.values
    return float(np.einsum("rc,rc,c->", error, error, np.ones(error.shape[1]) if importance is None else importance))


def each_block(rows: int, size: int, run: Callable[[slice], _Result]) -> list[_Result]:
    """The results for blocks of rows of a matrix, computed on all cores, in order.

    Args:
        rows: The number of rows.
        size: The number of weights of a row.
        run: The computation; numpy releases the lock of Python.
    """
    count = max(1, _AT_ONCE // max(1, size))
    blocks = [slice(start, start + count) for start in range(0, rows, count)]
    return in_parallel(blocks, run)


def in_parallel(items: Sequence[_Item], run: Callable[[_Item], _Result]) -> list[_Result]:
    """The results of some independent computations, on all cores, in order."""
    if len(items) < 2:
        return [run(each) for each in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(run, items))
