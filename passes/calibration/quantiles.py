"""Quantiles, exactly: extreme ones in the graph, others on the host, one tensor of one sample at a time."""

import math
from dataclasses import dataclass

import numpy as np

from ...ir import DYNAMIC, Array, OutPort, element_type
from .statistics import Numbers, Reduction, Request

#: How many of the largest (or smallest) values the graph looks for: beyond, handing the tensor over is cheaper.
_MOST = 32
_F32, _I32 = element_type("f32"), element_type("i32")


def quantiles(tensor: Array, wanted: Request, *, batched: bool) -> Numbers:
    """`np.quantile` of a tensor: [observations, size]. Exact; memory for one copy of the tensor."""
    values = np.abs(tensor) if wanted.reduction is Reduction.ABS_QUANTILE else tensor
    assert wanted.level is not None, "checked when the request was made"
    shape = (len(tensor) if batched else 1, 1 if wanted.channel_axis is None else tensor.shape[wanted.channel_axis])
    ordered = np.transpose(values, _order(tensor.ndim, wanted.channel_axis, batched=batched)).reshape(*shape, -1)
    found: Numbers = np.quantile(ordered, wanted.level, axis=2).astype(np.float32)
    return found


def _order(rank: int, channel_axis: int | None, *, batched: bool) -> list[int]:
    """The axes, with those first that are kept."""
    kept = [0] * batched + ([] if channel_axis is None else [channel_axis])
    return [*kept, *(axis for axis in range(rank) if axis not in kept)]


@dataclass(frozen=True)
class TopQuantile:
    """A quantile so close to an end that a few of the largest (or smallest) values tell it.

    With n values in ascending order, v_0 .. v_n-1, numpy's quantile of level q is v_j + (v_j+1 - v_j) * g, where
    j + g = (n - 1) * q and 0 <= g < 1.

    Attributes:
        wanted: The request.
        shape: Observations (-1: as many as there are), channels, values of each.
        position: j + g.
        batched: Whether each row along axis 0 is an observation.
    """

    wanted: Request
    shape: tuple[int, int, int]
    position: float
    batched: bool

    @classmethod
    def of(cls, wanted: Request, tensor: OutPort, *, batched: bool) -> "TopQuantile | None":
        """None if the number of values is unknown, or the level too far from both ends."""
        assert wanted.level is not None, "checked when the request was made"
        order = _order(len(tensor.shape), wanted.channel_axis, batched=batched)
        kept = int(batched) + (wanted.channel_axis is not None)
        sizes = [tensor.shape[axis] for axis in order]
        if DYNAMIC in sizes[int(batched) :]:
            return None
        channels = 1 if wanted.channel_axis is None else tensor.shape[wanted.channel_axis]
        found = cls(wanted, (-1 if batched else 1, channels, math.prod(sizes[kept:])), 0.0, batched)
        found = cls(wanted, found.shape, (found.shape[2] - 1) * wanted.level, batched)
        return found if found.shape[2] and found._count <= _MOST else None

    @property
    def _is_high(self) -> bool:
        return 2 * self.position > self.shape[2] - 1

    @property
    def _count(self) -> int:
        """How many values must be known, from the end."""
        below = math.floor(self.position)
        return self.shape[2] - below if self._is_high else min(below + 2, self.shape[2])

    def attached(self, tensor: OutPort, name: str) -> OutPort:
        """An f32 tensor [observations, channels] with the quantile."""
        graph, (_, channels, values) = tensor.node.graph, self.shape

        def add(
            op: str, part: str, sources: list[OutPort], shape: tuple[int, ...], opset: str, **attributes: str
        ) -> OutPort:
            node = graph.add(op, f"{name}/{part}", sources, [(_F32, shape)], attributes=attributes, opset=opset)
            return node.output()

        def constant(part: str, value: Array) -> OutPort:
            return graph.add_constant(f"{name}/{part}", value).output()

        if self.wanted.reduction is Reduction.ABS_QUANTILE:
            tensor = add("Abs", "abs", [tensor], tensor.shape, "opset1")
        order = _order(len(tensor.shape), self.wanted.channel_axis, batched=self.batched)
        if order != sorted(order):
            turned = tuple(tensor.shape[axis] for axis in order)
            sources = [tensor, constant("order", np.array(order, np.int64))]
            tensor = add("Transpose", "turned", sources, turned, "opset1")
        sources = [tensor, constant("shape", np.array(self.shape, np.int64))]
        rows = add("Reshape", "rows", sources, self.shape, "opset1", special_zero="false")
        kept = (self.shape[0], channels, self._count)
        attributes = {
            "axis": "2",
            "mode": "max" if self._is_high else "min",
            "sort": "value",
            "index_element_type": "i32",
        }
        sources = [rows, constant("k", np.array(self._count, np.int64))]
        top = graph.add(
            "TopK", f"{name}/top", sources, [(_F32, kept), (_I32, kept)], attributes=attributes, opset="opset3"
        )
        below = math.floor(self.position)
        share = self.position - below
        last = values - 1 - below if self._is_high else below
        beyond = max(last - 1, 0) if self._is_high else min(last + 1, values - 1)
        row = (self.shape[0], channels)
        axis = constant("axis", np.array(2, np.int64))
        one, other = (
            add(
                "Gather",
                part,
                [top.output(), constant(f"{part}/at", np.array(index, np.int64)), axis],
                row,
                "opset8",
                batch_dims="0",
            )
            for part, index in (("one", last), ("other", beyond))
        )
        step = add("Subtract", "step", [other, one], row, "opset1", auto_broadcast="numpy")
        part = constant("share", np.array(share, np.float32))
        step = add("Multiply", "part", [step, part], row, "opset1", auto_broadcast="numpy")
        return add("Add", "value", [one, step], row, "opset1", auto_broadcast="numpy")
