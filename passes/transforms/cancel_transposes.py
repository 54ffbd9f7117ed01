"""Removes Transposes that undo one another, directly or around operations that do not care for the order of axes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, Graph, Node, OutPort
from ...ir.folding import folded, is_decompressed
from ...ir.ops import is_constant, transpose_order
from ..analysis.axis_orders import Order, composed, inverse, is_same, permuted
from ..analysis.halves import pass_on
from ..analysis.order_regions import AXES_PORTS, Region, aligned, axes_of, regions
from ..infra.base import Context, Fact, Pass


@dataclass(frozen=True)
class CancelTransposes(Pass):
    """Gives element-wise operations between Transposes the order of axes that needs the fewest of them.

    Given::                                              Result::

        t = Transpose(x [1,16,96,96], [0, 2, 3, 1])          cube = Power(x, 3) [1,16,96,96]
        cube = Power(t, 3) [1,96,96,16]                      scaled = Multiply(cube, c)
        scaled = Multiply(cube, c)                           y = Add(x, scaled)
        back = Transpose(scaled, [0, 3, 1, 2])
        y = Add(x, back)

    1. A Transpose behind another one reads its input in one step, or goes if it undoes the other.
    2. Connected operations get another order of axes if there are then fewer Transposes, or if they copy fewer
       elements, and not more of the other. Tensors that come into a region or leave it get a Transpose if need be.
    3. These are arithmetic, activations, Concat, and Interpolate along constant axes. Their constants are stored in the
       new order; one that only the runtime folds counts as a tensor that comes in.

    No value changes. Converters write such pairs for operations whose layout they do not know, for example around the
    cube in a GELU. The runtime keeps them, and in an INT8 model each moves floats.
    """

    name: ClassVar[str] = "cancel-transposes"
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Removes them until there is nothing to gain."""
        changed = 0
        for each in graph.walk():
            while count := _join(each) + _reorder_regions(each, context):
                changed += count
        return changed


def _join(graph: Graph) -> int:
    """Makes one Transpose of two in a row, or none."""
    changed = 0
    for node in graph.nodes("Transpose"):
        order, source = transpose_order(node), node.source()
        if order is None or is_constant(source):
            continue
        first = transpose_order(source.node)
        if first and (len(source.consumers) == 1 or is_same(composed(first, order))):
            order, source = composed(first, order), source.node.source()
        changed += _connect(node, source, order)
    return changed


def _connect(node: Node, source: OutPort, order: Order) -> bool:
    """Gives a Transpose a source and an order, or removes it if it would change nothing; returns whether it did."""
    if is_same(order) and not _would_join_ends(node, source):
        node.replace_with(source)
        return True
    if source == node.source() and order == transpose_order(node):
        return False
    replaced = node.source().node, node.source(1).node
    node.input(0).connect(source)
    node.input(1).connect(Builder(node.graph, node).constant(np.array(order), name=f"{node.name}/order"))
    for each in replaced:
        node.graph.prune(each)
    return True


def _would_join_ends(node: Node, source: OutPort) -> bool:
    """Whether two outputs of the model, or an input and an output, would become one tensor with one name.

    In files of version 10, the name of an output that one of several outputs of an operation feeds has its number.
    """
    if not any(port.node.type == "Result" for port in node.output().consumers):
        return False
    is_read = any(port.node.type == "Result" for port in source.consumers if port.node != node)
    return is_read or source.node.type == "Parameter" or len(source.node.outputs) > 1


def _reorder_regions(graph: Graph, context: Context) -> int:
    changed = 0
    for region in regions(graph):
        gains = {order: region.gain(order) for order in region.orders}
        saving = [order for order, gain in gains.items() if min(gain) >= 0 < max(gain)]
        if saving:
            _reorder(region, max(saving, key=gains.__getitem__), context)
            changed += 1
    return changed


def _reorder(region: Region, order: Order, context: Context) -> None:
    """Lets a region compute what is in front of a Transpose of that order."""
    back = inverse(order)
    for node in region.nodes:
        _turn(node, order)
    for tensor, ports in region.exits.items():  # first: an output of the model takes its name along
        tensor.redirect(_transposed(tensor, order, tensor.node), only=ports, is_same=False)
    for turn in region.turns.values():
        source, (inside, outside) = turn.node.source(), turn.orders(order)
        if turn.inside:
            turn.node.output().redirect(_transposed(source, inside, turn.node), only=turn.inside, is_same=False)
        if turn.outside and turn.starts_inside:
            _connect(turn.node, source, outside)
        turn.node.graph.prune(turn.node)
    for tensor, ports in region.entries.items():
        tensor.redirect(_entering(tensor, region, back, context), only=ports, is_same=False)
        tensor.node.graph.prune(tensor.node)


def _turn(node: Node, order: Order) -> None:
    output = node.output()
    if node.type == "Concat":
        node.set_attribute("axis", str(order[int(node.attributes["axis"]) % len(order)]))
    elif node.type == "Interpolate":
        port = node.input(AXES_PORTS[node.opset])
        old, axes = port.source.node, [order[axis] for axis in axes_of(node)]
        port.connect(Builder(node.graph, node).constant(np.array(axes), name=f"{node.name}/axes"))
        node.graph.prune(old)
    output.set_shape(permuted(output.shape, inverse(order)))


def _transposed(tensor: OutPort, order: Order, near: Node) -> OutPort:
    if is_same(order):
        return tensor
    return Builder(near.graph, near).transpose(tensor, order, name=f"{tensor.node.name}/transposed")


def _entering(tensor: OutPort, region: Region, order: Order, context: Context) -> OutPort:
    """A tensor that comes into a region, with its axes in another order."""
    near, shape = region.entries[tensor][0].node, aligned(tensor.shape, region.rank)
    value = folded(tensor)
    if value is not None:
        return _constant(tensor, value.reshape(shape).transpose(order), context)
    if len(tensor.shape) < region.rank:
        missing = range(region.rank - len(tensor.shape))
        tensor = Builder(near.graph, near).unsqueeze(tensor, missing, name=f"{tensor.node.name}/unsqueezed")
    return _transposed(tensor, order, near)


def _constant(tensor: OutPort, value: Array, context: Context) -> OutPort:
    graph, old = tensor.node.graph, tensor.node
    new = graph.add_constant(f"{old.name}/transposed", np.asarray(value, order="C"), near=old)
    pass_on(old, new, context.halves)
    if is_decompressed(tensor):
        context.halves.add((graph.scope, new.id))
    return new.output()
