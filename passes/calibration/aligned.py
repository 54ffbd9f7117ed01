"""Statistics of tensors whose channels were shifted and scaled after they were measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...ir import Scope
from .statistics import Numbers, Reduction, Request, Store

#: A tensor: body, node, output.
Place: TypeAlias = tuple[Scope, int, int]
#: What commutes with shifting and with scaling by a positive number.
_FOLLOW = (Reduction.MIN, Reduction.MAX, Reduction.MEAN, Reduction.QUANTILE)


def place_of(wanted: Request) -> Place:
    """The tensor that a request speaks of."""
    return wanted.scope, wanted.node, wanted.port


@dataclass(frozen=True)
class Shift:
    """What became of a tensor: (v - shift) / scale, a number a channel each (axis 1); scales are positive."""

    shift: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class Aligned:
    """Measured numbers, those of shifted tensors as they would be measured now.

    Min, max, mean and quantiles of a channel follow exactly; of the whole tensor, they follow from those. Nothing else
    of these tensors is known any more.
    """

    measured: Store
    shifts: Mapping[Place, Shift]

    def __getitem__(self, wanted: Request, /) -> Numbers:
        """The numbers [observations, size]."""
        if wanted not in self:
            raise KeyError(wanted)
        numbers, found = self.measured[wanted], self.shifts.get(place_of(wanted))
        if found is None or wanted.reduction is Reduction.SHAPE:
            return numbers
        moved: Numbers = ((numbers - found.shift) / found.scale).astype(np.float32)
        return moved

    def __contains__(self, wanted: object, /) -> bool:
        """Whether exactly this was measured, and is still known."""
        if wanted not in self.measured or not isinstance(wanted, Request):
            return False
        follows = wanted.reduction is Reduction.SHAPE or (wanted.channel_axis == 1 and wanted.reduction in _FOLLOW)
        return place_of(wanted) not in self.shifts or follows

    def __iter__(self) -> Iterator[Request]:
        """What is known."""
        return (each for each in self.measured if each in self)
