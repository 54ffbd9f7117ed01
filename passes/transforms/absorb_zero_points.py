"""Moves zero points of activations into the biases of the layers that read them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, Graph, Node
from ...ir.ops import WEIGHTS_PORT, WeightAxes, weight_axes
from ..analysis.biases import change_bias, changed_bias
from ..analysis.constants import SHAPE_READERS
from ..analysis.known_numbers import KnownNumbers
from ..analysis.ranges import Floats
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Plan, Site
from .correct_biases_fast import RoundedWeights, mean_output


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
    all readers of a tensor absorb its zero point, and where no number exceeds the element type (in a model of halves).
    """

    name: ClassVar[str] = "absorb-zero-points"
    hides_rounding: ClassVar[bool] = True
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Moves all zero points that the plan says, once."""
        nodes = {node.name: node for each in graph.walk() for node in each.nodes("FakeQuantize")}
        sites = [site for site in context.plan.sites if site.spec.absorbs_zero_point and site.name in nodes]
        below = [(site, nodes[site.name]) for site in sites if _low(nodes[site.name]) < 0]
        readers = {node: [*_layers_behind(site, context.plan)] for site, node in below}
        shifts = {
            layer: _shift(layer, _low(node), context.calibration.known)
            for node, layers in readers.items()
            for layer in layers
        }
        moved = [node for node in readers if _fits(node, {layer: shifts[layer] for layer in readers[node]})]
        for layer in dict.fromkeys(layer for node in moved for layer in readers[node]):
            change_bias(layer, shifts[layer])
        for node in moved:
            _begin_at_zero(node)
        return len(moved)


def _low(node: Node) -> float:
    """The lower end of the FakeQuantize's output."""
    return float(node.source(3).node.array.astype(np.float32).item())


def _fits(node: Node, shifts: Mapping[Node, Floats]) -> bool:
    """Whether the width of a range and the biases of the layers behind it are finite in their types."""
    with np.errstate(over="ignore"):
        return all(np.isfinite(each).all() for each in (_width(node), *starmap(changed_bias, shifts.items())))


def _width(node: Node) -> Array:
    low, high = (node.source(index).node.array for index in (1, 2))
    return (high.astype(np.float32) - low.astype(np.float32)).astype(low.dtype)


def _layers_behind(site: Site, plan: Plan) -> Iterator[Node]:
    """The layers that read the quantized tensor, also behind nodes that the FakeQuantize moved past."""
    waiting = [port.node for port in site.consumers]
    for node in waiting:  # the list grows
        if node in plan.moved:
            waiting += [port.node for output in node.outputs for port in output.consumers]
        elif node.type not in SHAPE_READERS:
            yield node


def _shift(layer: Node, low: float, known: KnownNumbers) -> Floats:
    """What the layer's output lacks if its data begin at zero instead of `low`: a number for each channel."""
    rounded = RoundedWeights.behind(layer.source(WEIGHTS_PORT).node)
    return known.once(_shifted, rounded, weight_axes(layer), low)


def _shifted(rounded: RoundedWeights, axes: WeightAxes, low: float) -> Floats:
    weights = rounded.values()
    channels = weights.shape[axes.inputs] * (1 if axes.group is None else weights.shape[axes.group])
    kernel = () if axes.spatial is None else weights.shape[axes.spatial :]
    shift: Floats = mean_output(axes, weights, np.full((1, channels), low), np.ones(kernel))[0]
    return shift


def _begin_at_zero(node: Node) -> None:
    build, width = Builder(node.graph, node), _width(node)
    for index, (side, value) in enumerate((("zero", np.zeros_like(width)), ("width", width)), 3):
        node.input(index).connect(build.constant(value, name=f"{node.name}/{side}"))
