"""Derives statistics from others, so that each tensor is read as rarely as possible.

1. Operations that only move values (Reshape, Squeeze, Unsqueeze, Transpose) change no statistic of the whole tensor.
2. max |x| = max(max x, -min x).
3. The extremes of the whole tensor are the extremes of its channels' extremes, its mean is the mean of their means.
4. ReLU and Clamp are monotonic: the extremes behind them are those in front, clipped.
5. The maximum of a MaxPool whose windows cover every value is the maximum of its input.

1 and 2 always save time. The others save time only if the source is measured anyway: tapping a tensor that the runtime
would fuse away costs more than it saves. The results are bit-exact, except for rounding in the means of 3.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.folding import VIEWS
from ...ir.ops import DATA_PORT, integers, transpose_order
from .batch import Batches
from .request import Derivation, Numbers, Reduction, Request

_EXTREMES = (Reduction.MIN, Reduction.MAX)


def _same(numbers: Sequence[Numbers]) -> Numbers:
    return numbers[0]


def _larger_magnitude(numbers: Sequence[Numbers]) -> Numbers:
    return np.maximum(-numbers[0], numbers[1])


def _clipped(numbers: Sequence[Numbers], low: float, high: float) -> Numbers:
    return np.clip(numbers[0], np.float32(low), np.float32(high))


def _lowest(numbers: Sequence[Numbers]) -> Numbers:
    found: Numbers = numbers[0].min(axis=1, keepdims=True)
    return found


def _highest(numbers: Sequence[Numbers]) -> Numbers:
    found: Numbers = numbers[0].max(axis=1, keepdims=True)
    return found


def _mean(numbers: Sequence[Numbers]) -> Numbers:
    found: Numbers = numbers[0].mean(axis=1, keepdims=True)
    return found


_OVER_CHANNELS: Mapping[Reduction, Callable[[Sequence[Numbers]], Numbers]] = {
    Reduction.MIN: _lowest,
    Reduction.MAX: _highest,
    Reduction.MEAN: _mean,
    Reduction.MEAN_SQUARE: _mean,
}


class Derivations:
    """The ways in which statistics of a model follow from others.

    Args:
        model: The model.
        batched: Its tensors whose rows along axis 0 are observations.
    """

    def __init__(self, model: Graph, batched: Batches) -> None:
        self.model, self.batched = model, batched

    def __call__(self, wanted: Request) -> Iterator[Derivation]:
        """The ways to answer a request, best first."""
        if wanted.reduction in (Reduction.SHAPE, Reduction.SAMPLE):
            return
        if wanted.reduction is Reduction.ABS_MAX:
            both = (wanted.of(Reduction.MIN), wanted.of(Reduction.MAX))
            yield Derivation(both, _larger_magnitude, cheaper=True)
        tensor = wanted.tensor(self.model)
        yield from self._in_front(wanted, tensor)
        if wanted.channel_axis is None and (over := _OVER_CHANNELS.get(wanted.reduction)):
            for axis in range(1 if tensor in self.batched else 0, len(tensor.shape)):
                yield Derivation((replace(wanted, channel_axis=axis),), over)

    def _in_front(self, wanted: Request, tensor: OutPort) -> Iterator[Derivation]:
        """The ways from the tensor in front of the operation that produces this one."""
        node = tensor.node
        if not node.inputs or (node.source(DATA_PORT) in self.batched) != (tensor in self.batched):
            return
        source = node.source(DATA_PORT)
        if source.node.type == "Const" or source.element_type != tensor.element_type:
            return
        there = replace(wanted, node=source.node.id, port=source.index)
        if node.type in VIEWS and source.shape and (moved := _moved(there, node)):
            yield Derivation((moved,), _same, cheaper=True)
        elif wanted.reduction in _EXTREMES and node.type in ("ReLU", "Clamp"):
            low, high = float(node.attributes.get("min", 0)), float(node.attributes.get("max", "inf"))
            yield Derivation((there,), partial(_clipped, low=low, high=high))
        elif wanted.reduction is Reduction.MAX and wanted.channel_axis in (None, 1) and _covers_its_input(node):
            yield Derivation((there,), _same)


def _moved(there: Request, node: Node) -> Request | None:
    """The request in front of an operation that moves values; None if its channels are lost on the way."""
    if there.channel_axis is None:
        return there
    if node.output().shape[there.channel_axis] == DYNAMIC:
        return None  # the number of channels is known from a layer behind
    order = transpose_order(node)
    return replace(there, channel_axis=order[there.channel_axis]) if order else None


def _covers_its_input(node: Node) -> bool:
    """Whether a MaxPool reads every value."""
    if node.type != "MaxPool":
        return False
    kernel, strides = integers(node, "kernel"), integers(node, "strides")
    if any(dilation > 1 for dilation in integers(node, "dilations")):
        return False
    if any(stride > taps for taps, stride in zip(kernel, strides, strict=True)):
        return False
    mode = node.attributes.get("auto_pad", "explicit").lower()
    if mode.startswith("same") or node.attributes.get("rounding_type", "floor").startswith("ceil"):
        return True
    begins = integers(node, "pads_begin") if mode == "explicit" else (0,) * len(kernel)
    sizes, outputs = node.source().shape[2:], node.output().shape[2:]
    return DYNAMIC not in (*sizes, *outputs) and all(
        (out - 1) * stride + taps - begin >= size
        for out, stride, taps, begin, size in zip(outputs, strides, kernel, begins, sizes, strict=True)
    )
