"""Moves zero points of activations into the biases of the layers that read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Builder, Graph, Node
from ...ir.ops import WEIGHTS_PORT, weight_axes
from ..analysis.biases import change_bias
from ..analysis.constants import SHAPE_READERS
from ..analysis.coverage import kernel_sizes
from ..analysis.ranges import Floats
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Plan, Site
from .correct_biases_fast import mean_output, rounded_weights


@dataclass(frozen=True)
class AbsorbZeroPoints(Pass):
    """Lets activations with values below zero begin at zero, and makes up for it in the bias of the layer.

    Given::                                               Result::

        fq = FakeQuantize(x, low, high, low, high)            fq = FakeQuantize(x, low, high, 0, high - low)
        conv = Convolution(fq, w)                             conv = Convolution(fq, w)
        y = Add(conv, bias)                                   y = Add(conv, bias + shift)

    The shift is low * sum_{c,k} W[o, c, k] for the output channel o: a layer without padding multiplies each weight by
    a number that is smaller by low. (Exact: the layer is linear.) The device then computes with unsigned numbers
    without a zero point, for which it may have faster kernels, or the only right ones. Only where the plan says that
    all readers of a tensor absorb its zero point.
    """

    name: ClassVar[str] = "absorb-zero-points"
    hides_rounding: ClassVar[bool] = True
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Moves all zero points that the plan says, once."""
        nodes = {node.name: node for each in graph.walk() for node in each.nodes("FakeQuantize")}
        sites = [site for site in context.plan.sites if site.spec.absorbs_zero_point and site.name in nodes]
        moved = [(site, nodes[site.name]) for site in sites if _begins_below_zero(nodes[site.name])]
        lows = {layer: _low(node) for site, node in moved for layer in _layers_behind(site, context.plan)}
        for layer, low in lows.items():
            _shift_bias(layer, low)
        for _, node in moved:
            _begin_at_zero(node)
        return len(moved)


def _low(node: Node) -> float:
    """The lower end of the FakeQuantize's output."""
    return float(node.source(3).node.array.astype(np.float32).item())


def _begins_below_zero(node: Node) -> bool:
    return _low(node) < 0


def _layers_behind(site: Site, plan: Plan) -> Iterator[Node]:
    """The layers that read the quantized tensor, also behind nodes that the FakeQuantize moved past."""
    waiting = [port.node for port in site.consumers]
    for node in waiting:  # the list grows
        if node in plan.moved:
            waiting += [port.node for output in node.outputs for port in output.consumers]
        elif node.type not in SHAPE_READERS:
            yield node


def _shift_bias(layer: Node, low: float) -> None:
    weights: Floats = rounded_weights(layer.source(WEIGHTS_PORT).node)
    axes = weight_axes(layer)
    channels = weights.shape[axes.inputs] * (1 if axes.group is None else weights.shape[axes.group])
    shift = mean_output(layer, weights, np.full((1, channels), low), np.ones(kernel_sizes(layer, weights)))
    change_bias(layer, shift[0])


def _begin_at_zero(node: Node) -> None:
    build, kind = Builder(node.graph, node), node.source(2).node.array.dtype
    low, high = (node.source(index).node.array.astype(np.float32) for index in (1, 2))
    for index, (side, value) in enumerate((("zero", np.zeros_like(low)), ("width", high - low)), 3):
        node.input(index).connect(build.constant(value.astype(kind), name=f"{node.name}/{side}"))
