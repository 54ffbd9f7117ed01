"""Statistics of tensors whose channels were shifted and scaled after they were measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ...ir import Scope
from .request import QUANTILES, Numbers, Reduction, Request, Store
from .sampling import sampled_channels

#: A tensor: body, node, output.
Place: TypeAlias = tuple[Scope, int, int]
#: Reductions that commute with shifts and with scaling by a positive number.
_FOLLOW = (Reduction.MIN, Reduction.MAX, Reduction.MEAN, Reduction.QUANTILE)


def place_of(wanted: Request) -> Place:
    """The tensor of a request."""
    return wanted.scope, wanted.node, wanted.port


def _lower(wanted: Request) -> float:
    level = wanted.level or 0.0
    return min(level, 1 - level)


def _follows(wanted: Request) -> bool:
    """Whether a statistic of a channel shifts and scales with the channel."""
    return wanted.channel_axis == 1 and wanted.reduction in _FOLLOW


def ends_of_channels(wanted: Request) -> tuple[Request, Request]:
    """The quantiles of each channel that replace a quantile of the whole tensor."""
    low = _lower(wanted)
    of_channels = replace(wanted, reduction=Reduction.QUANTILE, channel_axis=1)
    return replace(of_channels, level=low), replace(of_channels, level=1 - low)


@dataclass(frozen=True)
class Shift:
    """The change of a tensor: (v - shift) / scale, one number of each per channel (axis 1); scales are positive.

    Attributes:
        shift: [C].
        scale: [C].
        shape: The shape of the tensor.
    """

    shift: np.ndarray
    scale: np.ndarray
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Aligned:
    """Measured numbers; those of shifted tensors have the values that a measurement would give now.

    Min, max, mean and quantiles of a channel follow exactly, as do elements of a known channel. Min, max and mean of
    the whole tensor follow from those of the channels. A quantile of the whole tensor is replaced by the outermost of
    its channels' quantiles, whose ranges are alike now, and a quantile of magnitudes by the outer one of both ends:
    they leave out no more than the requested share. Other statistics of these tensors are unknown.
    """

    measured: Store
    shifts: Mapping[Place, Shift]

    def __getitem__(self, wanted: Request, /) -> Numbers:
        """The numbers [observations, size]."""
        if wanted not in self:
            raise KeyError(wanted)
        found = self.shifts.get(place_of(wanted))
        if found is None or wanted.reduction is Reduction.SHAPE:
            return self.measured[wanted]
        if wanted.reduction is Reduction.SAMPLE:
            numbers = self.measured[wanted]
            channels = sampled_channels(found.shape, 1, numbers.shape[1])
            elements: Numbers = ((numbers - found.shift[channels]) / found.scale[channels]).astype(np.float32)
            return elements
        if _follows(wanted):
            moved: Numbers = ((self.measured[wanted] - found.shift) / found.scale).astype(np.float32)
            return moved
        low, high = (self[each] for each in ends_of_channels(wanted))
        largest = np.maximum(-low, high) if wanted.reduction is Reduction.ABS_QUANTILE else high
        if wanted.channel_axis == 1:
            return largest
        is_low = wanted.reduction is Reduction.QUANTILE and wanted.level == _lower(wanted)
        return np.asarray(low.min(axis=1, keepdims=True) if is_low else largest.max(axis=1, keepdims=True))

    def __contains__(self, wanted: object, /) -> bool:
        """Whether exactly this request was measured and is still known."""
        if not isinstance(wanted, Request):
            return False
        if wanted.reduction is Reduction.SAMPLE and place_of(wanted) in self.shifts:
            return wanted.channel_axis == 1 and wanted in self.measured
        if place_of(wanted) not in self.shifts or wanted.reduction is Reduction.SHAPE:
            return wanted in self.measured
        if wanted.reduction in QUANTILES and wanted.channel_axis in (None, 1) and not _follows(wanted):
            return all(each in self.measured for each in ends_of_channels(wanted))
        return _follows(wanted) and wanted in self.measured

    def __iter__(self) -> Iterator[Request]:
        """The known requests."""
        return (each for each in self.measured if each in self)
