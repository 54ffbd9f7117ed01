"""Aligns the channel ranges of a tensor before it is quantized: scales move from one convolution into the next."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.match import Match, Miss
from ...ir.ops import WEIGHTS_PORT, bias_port, integers, is_depthwise, weight_axes, with_bias
from ...ir.pattern import any_tensor, chain, const, op
from ..analysis.biases import change_bias
from ..analysis.ranges import Floats
from ..infra.base import Context, Fact, Pass
from ..placement.range_estimators import ends
from ..statistics.aligned import Aligned, Place, Shift, ends_of_channels, place_of
from ..statistics.quantiles import is_measurable
from ..statistics.request import Reduction, Request, request

#: The quantiles taken for a channel's range, and how far its scale may be from the others'.
LEVEL, SMALLEST_SCALE, LARGEST_SCALE = 1e-4, 0.01, 100.0
#: Of larger channels, the extremes are taken.
LARGEST_EXTENT = 1 << 12
_PRODUCERS = ("Convolution", "GroupConvolution")
#: A positive factor in front of them is one behind them.
_COMMUTE = ("ReLU", "PReLU")


@dataclass(frozen=True)
class Pair:
    """Two convolutions with nothing but a bias between them.

    Attributes:
        first: The convolution that gives the channels, of any groups, strides and padding.
        tensors: What it gives, bias included, and what becomes of that up to the second convolution.
        second: The convolution that reads them, and nobody else does.
        is_plain: Whether channels may be shifted, too: nothing but a bias lies between, and the second pads nothing.
    """

    first: Node
    tensors: tuple[OutPort, ...]
    second: Node
    is_plain: bool

    @property
    def tensor(self) -> OutPort:
        """What the second convolution reads."""
        return self.tensors[-1]


@dataclass(frozen=True)
class AlignActivationChannels(Pass):
    """Shifts and scales the channels between two convolutions (the published ActivationChannelAlignment).

    Given::                                          Result::

        a = Add(Convolution(x, w1), b1)                  a = Add(Convolution(x, w1 / s), (b1 - m) / s)
        y = Add(Convolution(a, w2), b2)                  y = Add(Convolution(a, w2 * s), b2 + sum w2 * m)

    With the median over the samples of each channel's quantiles 1e-4 and 1 - 1e-4, l and h: m = (l + h) / 2 where both
    layers have a bias, else 0; s = (h - l) / median(h - l), within 0.01 .. 100; 1 where h <= l. The second layer does
    not pad, so that y stays the same. Pairs are independent: only the tensor `a` of each changes.

    The statistics of `a` follow from the measured ones, (v - m) / s, so that there is no second run. The extremes of a
    channel replace its quantiles if its size is unknown, or so large that the search for quantiles would take longer
    than the model. The pass skips layers that stay float.

    Attributes:
        across: Whether the pass also scales (but does not shift) channels that pass ReLU or PReLU, or that a depthwise
            convolution or one with padding, strides or dilations reads: positive factors commute with all of these
            (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019).
    """

    across: bool = False

    name: ClassVar[str] = "align-activation-channels"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED, Fact.AS_MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The ranges of the channels, and the statistics that later passes may request of the changed channels."""
        found = pairs(graph, context, across=self.across)
        return frozenset(each for pair in found for each in (*_ends(pair), *_all(pair), *_quantiles(pair, context)))

    def attempt(self, layer: Node, context: Context) -> Match | Miss | None:
        """The pair whose second convolution is the layer."""
        return (_ACROSS if self.across else _PLAINLY).match(layer) if layer.type in _PRODUCERS else None

    def run(self, graph: Graph, context: Context) -> int:
        """Aligns all pairs."""
        shifts: dict[Place, Shift] = {}
        changed = 0
        for pair in pairs(graph, context, across=self.across):
            low, high = (np.median(context.statistics[each], axis=0).astype(np.float64) for each in _ends(pair))
            if pair.second not in context.aligned and (high > low).any():
                shift = _align(pair, low, high)
                shifts |= {place_of(request(tensor, Reduction.MIN)): shift for tensor in pair.tensors}
                changed += 1
            context.aligned.add(pair.second)
        if shifts:
            measured = Aligned(context.statistics.measured, shifts)
            context.statistics = replace(context.statistics, measured=measured)
        return changed


def pairs(graph: Graph, context: Context, *, across: bool) -> list[Pair]:
    """The pairs of layers that the plan rounds, in the model and in its bodies; the device may run them in float."""
    rounded = {port.node for site in context.plan.sites if site.is_weights for port in site.consumers}
    found: list[Pair] = []
    for each in graph.walk():
        for second in each.nodes(*(_PRODUCERS if across else _PRODUCERS[:1])):
            pair = _pair(second, across=across)
            if pair and {pair.first, pair.second} <= rounded:
                found.append(pair)
    return found


def _pair(second: Node, *, across: bool) -> Pair | None:
    found = (_ACROSS if across else _PLAINLY).match(second)
    return Pair(found[_FIRST], found[_TENSORS], second, _is_plain(found)) if found else None


def _are_own(tensors: tuple[OutPort, ...]) -> bool:
    return all(len(tensor.consumers) == 1 for tensor in tensors)


def _has_known_channels(tensors: tuple[OutPort, ...]) -> bool:
    return len(tensors[0].shape) > 1 and tensors[0].shape[1] != DYNAMIC


def _is_plain(found: Match) -> bool:
    """Whether only a bias lies between two convolutions, and each output of the second sums over the same channels."""
    second = found[_SECOND]
    if len(found[_TENSORS]) > 1 or second.type != "Convolution":
        return False
    pads = (*integers(second, "pads_begin"), *integers(second, "pads_end"))
    mode = second.attributes.get("auto_pad", "explicit").lower()
    is_unpadded = mode == "valid" or (mode == "explicit" and not any(pads))
    return is_unpadded and {*integers(second, "strides"), *integers(second, "dilations")} <= {1}


_FIRST = op(_PRODUCERS, any_tensor(), const().read_once())
_GIVEN = with_bias(_FIRST, const()) | _FIRST
_TENSORS = (
    chain(_COMMUTE, _GIVEN)
    .where(_are_own, "tensors that nothing else reads")
    .where(_has_known_channels, "a known number of channels")
)
_SECOND = op(_PRODUCERS, _TENSORS, const().read_once())
_PLAINLY = _SECOND.provided(_is_plain, "a Convolution without padding, strides or dilations, right behind the other")
_ACROSS = _SECOND.where(
    lambda node: node.type == "Convolution" or is_depthwise(node), "a Convolution or a depthwise GroupConvolution"
)


def _ends(pair: Pair) -> list[Request]:
    """Requests for the lower and the upper end of each channel."""
    extent = pair.tensor.shape[2:]
    wanted = [request(pair.tensor, Reduction.QUANTILE, 1, level) for level in (LEVEL, 1 - LEVEL)]
    is_quick = DYNAMIC not in extent and math.prod(extent) <= LARGEST_EXTENT
    if is_quick and all(is_measurable(each, pair.tensor) for each in wanted):
        return wanted
    return [request(pair.tensor, each, 1) for each in (Reduction.MIN, Reduction.MAX)]


def _all(pair: Pair) -> list[Request]:
    return [request(pair.tensor, each, 1) for each in (Reduction.MIN, Reduction.MAX, Reduction.MEAN)]


def _quantiles(pair: Pair, context: Context) -> list[Request]:
    """The quantiles of the channels that replace those of the tensor, if its range is estimated from quantiles."""
    estimated = [end for site in context.plan.sites if site.source == pair.tensor for end in ends(site, context.config)]
    whole = [request(pair.tensor, end.reduction, None, end.level) for end in estimated if end.level is not None]
    return [each for wanted in whole for each in ends_of_channels(wanted)]


def _align(pair: Pair, low: Floats, high: Floats) -> Shift:
    """Edits the constants of a pair; returns the change of the tensor between the two."""
    first, second = (node.source(WEIGHTS_PORT).node for node in (pair.first, pair.second))
    shift = np.zeros_like(low)
    if pair.is_plain and bias_port(pair.first) and bias_port(pair.second):
        shift = (low + high) / 2
        taps = second.array.astype(np.float64).reshape(*second.array.shape[:2], -1).sum(axis=2)  # [O, I]
        change_bias(pair.second, taps @ shift)
    ranges = high - low
    scale = np.clip(np.where(ranges > 0, ranges / np.median(ranges[ranges > 0]), 1.0), SMALLEST_SCALE, LARGEST_SCALE)
    if bias_port(pair.first):
        change_bias(pair.first, -shift, 1 / scale)
    outputs = weight_axes(pair.first).outputs
    given = scale.reshape([first.array.shape[axis] if axis in outputs else 1 for axis in range(first.array.ndim)])
    axis = 1 if pair.second.type == "Convolution" else 0  # of a depthwise one, channels are groups
    read = scale.reshape([-1 if each == axis else 1 for each in range(second.array.ndim)])
    first.set_array((first.array / given).astype(first.array.dtype))
    second.set_array((second.array * read).astype(second.array.dtype))
    return Shift(shift, scale, pair.tensor.shape)
