"""Computes exact quantiles: extreme ones in the graph, others on the host, one tensor of one sample at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import DYNAMIC, Array, Builder, OutPort
from .request import OF_NOTHING, Numbers, Reduction, Request

#: The most values that the graph searches at one end: for more, it is cheaper to hand the tensor over.
_MOST = 32
#: Up to this number of values, the runtime is fast only across channels.
_FEW = 4


def quantiles(tensor: Array, wanted: Request, *, batched: bool) -> Numbers:
    """`np.quantile` of a tensor: [observations, size]. Exact; memory for one copy of the tensor."""
    values = np.abs(tensor) if wanted.reduction is Reduction.ABS_QUANTILE else tensor
    assert wanted.level is not None, "checked when the request was made"
    shape = (len(tensor) if batched else 1, 1 if wanted.channel_axis is None else tensor.shape[wanted.channel_axis])
    ordered = np.transpose(values, _order(tensor.ndim, wanted.channel_axis, batched=batched)).reshape(
        *shape, tensor.size // max(1, math.prod(shape))
    )
    if not ordered.shape[2]:
        return np.full(shape, OF_NOTHING, np.float32)
    found: Numbers = np.quantile(ordered, wanted.level, axis=2).astype(np.float32)
    return found


def is_measurable(wanted: Request, tensor: OutPort) -> bool:
    """Whether a quantile can be measured: bodies hand out only numbers, so that the graph must compute it there."""
    return not wanted.scope or TopQuantile.of(wanted, tensor, batched=False) is not None


def _order(rank: int, channel_axis: int | None, *, batched: bool) -> list[int]:
    """The order of axes with the kept ones first."""
    kept = [0] * batched + ([] if channel_axis is None else [channel_axis])
    return [*kept, *(axis for axis in range(rank) if axis not in kept)]


@dataclass(frozen=True)
class TopQuantile:
    """A quantile so close to an end that it follows from a few of the largest (or smallest) values.

    With n values in ascending order, v_0 .. v_n-1, numpy's quantile of level q is (1 - g) v_j + g v_j+1, where
    j + g = (n - 1) * q and 0 <= g < 1.

    Attributes:
        wanted: The request.
        channels: The number of channels; 1 for the whole tensor.
        values: The number n of values per channel.
        batched: Whether each row along axis 0 is an observation.
    """

    wanted: Request
    channels: int
    values: int
    batched: bool

    @classmethod
    def of(cls, wanted: Request, tensor: OutPort, *, batched: bool) -> "TopQuantile | None":
        """The quantile; None if the number of values is unknown, or the level is too far from both ends."""
        kept = [0] * batched + ([] if wanted.channel_axis is None else [wanted.channel_axis])
        others = [size for axis, size in enumerate(tensor.shape) if axis not in kept]
        channels = 1 if wanted.channel_axis is None else tensor.shape[wanted.channel_axis]
        if DYNAMIC in (*others, channels):
            return None
        found = cls(wanted, channels, math.prod(others), batched)
        return found if found.values and found._count <= _MOST else None

    @property
    def _position(self) -> float:
        """J + g."""
        assert self.wanted.level is not None, "checked when the request was made"
        return (self.values - 1) * self.wanted.level

    @property
    def _is_high(self) -> bool:
        return 2 * self._position > self.values - 1

    @property
    def _count(self) -> int:
        """The number of values from the end that must be known."""
        below = math.floor(self._position)
        return self.values - below if self._is_high else min(below + 2, self.values)

    @property
    def form(self) -> tuple[bool, tuple[float, ...]]:
        """How the quantile follows from the found values: quantiles of one form are computed together."""
        return self._is_across, tuple(self._shares.tolist())

    @property
    def _is_across(self) -> bool:
        # For very few values the runtime is fast only across channels, for more only along memory and from 8 values up.
        return self.channels > 1 and self._count <= _FEW

    def found(self, tensor: OutPort, name: str) -> OutPort:
        """An f32 tensor [observations, values, channels], or [observations, channels, values], with the end values."""
        build = Builder(tensor.node.graph)
        if self.wanted.reduction is Reduction.ABS_QUANTILE:
            tensor = build.abs(tensor, name=f"{name}/abs")
        rows = self._rows(build, tensor, name, across=self._is_across)
        axis = 1 if self._is_across else 2
        return build.top_k(
            rows, len(self._shares), axis=axis, mode="max" if self._is_high else "min", name=f"{name}/top"
        )

    def weighed(self, found: Sequence[OutPort], name: str) -> OutPort:
        """An f32 tensor [observations, channels] with the quantiles of several tensors.

        Args:
            found: Their end values; all quantiles have this form.
            name: The beginning of the names.
        """
        build = Builder(found[0].node.graph)
        axis, shape = (1, (1, -1, 1)) if self._is_across else (2, (1, 1, -1))
        values = build.concat(found, axis=3 - axis, name=f"{name}/found") if len(found) > 1 else found[0]
        shares = build.constant(self._shares.reshape(shape), name=f"{name}/parts")
        products = build.multiply(values, shares, name=f"{name}/shares")
        return build.reduce("ReduceSum", products, [axis], keep_dims=False, name=f"{name}/value")

    def _rows(self, build: Builder, tensor: OutPort, name: str, *, across: bool) -> OutPort:
        """[observations, values, channels] for a search across channels, else [observations, channels, values]."""
        channel = [] if self.wanted.channel_axis is None else [self.wanted.channel_axis]
        batch = [0] * self.batched
        rest = [axis for axis in range(len(tensor.shape)) if axis not in (*batch, *channel)]
        order = [*batch, *rest, *channel] if across else [*batch, *channel, *rest]
        if order != sorted(order):
            tensor = build.transpose(tensor, order, name=f"{name}/turned")
        sizes = (self.values, self.channels) if across else (self.channels, self.values)
        return build.reshape(tensor, (-1 if self.batched else 1, *sizes), name=f"{name}/rows")

    @property
    def _shares(self) -> Array:
        """The weights of the found values, which begin at an end: 1 - g for v_j, g for v_j+1, 0 for others."""
        count = self._count if self._is_across else min(max(self._count, 2 * _FEW), self.values)
        below = math.floor(self._position)
        share = self._position - below
        first = self.values - 1 - below if self._is_high else below
        found = np.zeros(count, np.float32)
        found[first] = 1 - share
        if share:
            found[first - 1 if self._is_high else first + 1] = share
        return found
