"""Pairs the rows that two models picked by the indices that picked them.

A small error swaps two rows of nearly equal scores, and puts a row with the next score in place of the last. Rows with
the same index are the same. Those that only one of the models has count as errors; each is compared with the one that
comes next in the order of the indices, which is often a neighbour in the picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ...ir import Array


@dataclass(frozen=True)
class PickedBy:
    """The indices that picked the rows of a tensor.

    Attributes:
        tensor: The number of the tensor that holds them.
        axis: Their axis that numbers the rows: 0, or 1 behind that of the batch.
    """

    tensor: int
    axis: int

    def paired(self, wanted: Array, given: Array, rows: Array, axis: int) -> Array:
        """The rows of a model in the order in which another one picked them, as far as it did.

        Args:
            wanted: The indices of the other model.
            given: Those of the model.
            rows: The tensor with its rows.
            axis: The axis that numbers them.

        Returns:
            The same rows in that order; unchanged if the models picked different numbers of them.
        """
        if wanted.shape != given.shape or not self.numbers(rows, axis, wanted):
            return rows
        if self._are_items(wanted):
            items = zip(rows, wanted, given, strict=True)
            return np.stack([item.take(_places(*indices), axis - 1) for item, *indices in items])
        return rows.take(_places(*map(self._alone, (wanted, given))), axis)

    def common(self, indices: Sequence[Array], rows: Sequence[Array], axis: int) -> list[Array]:
        """The numbers of the rows that all models picked, each row once.

        Args:
            indices: The indices of each model.
            rows: The tensor with its rows of each model.
            axis: The axis that numbers them.
        """
        if self._are_items(indices[0]):
            items = zip(zip(*indices, strict=True), zip(*rows, strict=True), strict=True)
            each = [_common(of_item, axis - 1, numbers) for numbers, of_item in items]
            return [np.concatenate(parts) for parts in zip(*each, strict=True)]
        return _common(rows, axis, [self._alone(each) for each in indices])

    def numbers(self, rows: Array, axis: int, indices: Array) -> bool:
        """Whether there are as many rows, and as many items of a batch, as the indices say."""
        is_batch = not self._are_items(indices) or len(rows) == len(indices)
        return is_batch and rows.ndim > axis and rows.shape[axis] == indices.shape[self.axis]

    def _are_items(self, indices: Array) -> bool:
        return self.axis > 0 and len(indices) > 1

    def _alone(self, indices: Array) -> Array:
        """The indices of a batch of one item."""
        return indices.reshape(indices.shape[self.axis :])


def _common(rows: Sequence[Array], axis: int, indices: Sequence[Array]) -> list[Array]:
    known = [np.unique(each, return_index=True) for each in _numbered(indices)]
    shared = reduce(np.intersect1d, [numbers for numbers, _ in known])
    places = [first[np.searchsorted(numbers, shared)] for numbers, first in known]
    return [each.take(at, axis).ravel() for each, at in zip(rows, places, strict=True)]


def _numbered(indices: Sequence[Array]) -> list[Array]:
    """One number for each row of indices: the same for the same indices, and in their order."""
    ends = np.cumsum([len(each) for each in indices])
    together = np.concatenate([each.reshape(len(each), math.prod(each.shape[1:])) for each in indices])
    return np.split(np.unique(together, axis=0, return_inverse=True)[1].ravel(), ends[:-1])


def _places(wanted: Array, given: Array) -> list[int]:
    """For each wanted row, the place of the row with the same indices, or else of the next one that is left."""
    count, (ours, theirs) = len(wanted), _numbered([wanted, given])
    waiting: dict[int, list[int]] = {}
    for place in reversed(range(count)):
        waiting.setdefault(int(theirs[place]), []).append(place)
    found = {place: waiting[each].pop() for place, each in enumerate(map(int, ours)) if waiting.get(each)}
    alone = sorted(set(range(count)) - set(found), key=lambda place: int(ours[place]))
    left = sorted(set(range(count)) - set(found.values()), key=lambda place: int(theirs[place]))
    found |= zip(alone, left, strict=True)
    return [found[place] for place in range(count)]
