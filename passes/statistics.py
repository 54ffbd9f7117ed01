"""Statistics: what passes ask to have measured, and the numbers that come back.

A request is a value; equal requests are one measurement. Numbers are kept for each sample (a few a channel), so that
any aggregation can be applied at the end and nothing depends on order, streams or batches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from ..ir import OutPort

Numbers = np.ndarray[Any, np.dtype[np.float32]]


class Reduction(StrEnum):
    """What is taken of a tensor."""

    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    SHAPE = "shape"


@dataclass(frozen=True)
class Request:
    """One number, or one a channel, for every sample, at one tensor.

    Attributes:
        node: The id of the node that produces the tensor.
        port: Which output of it.
        reduction: What is taken.
        channel_axis: The axis that is kept (not negative), or None for one number a tensor. The shape has one number
            a dimension.
    """

    node: int
    port: int
    reduction: Reduction
    channel_axis: int | None = None

    @property
    def place(self) -> tuple[int, int, str, int]:
        """For sorting: the order of the tensors in the file, more or less."""
        return self.node, self.port, self.reduction, -1 if self.channel_axis is None else self.channel_axis


def request(tensor: OutPort, reduction: Reduction, channel_axis: int | None = None) -> Request:
    """A request for a statistic of `tensor`; a negative axis counts from the end."""
    axis = None if channel_axis is None else channel_axis % len(tensor.shape)
    return Request(tensor.node.id, tensor.index, reduction, axis)


@dataclass(frozen=True)
class Statistics:
    """The numbers measured: for each request an array [samples, size of the statistic]."""

    values: Mapping[Request, Numbers] = field(default_factory=dict[Request, Numbers])
    samples: int = 0

    def __getitem__(self, wanted: Request) -> Numbers:
        """The numbers for a request that some pass made before the calibration."""
        return self.values[wanted]
