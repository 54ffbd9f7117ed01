"""Finds the nodes whose values do not depend on the data, and computes these values.

The runtime folds all of them first, so that placement treats them as constants, too. Models that were exported with
dynamic sizes and then reshaped keep chains of ShapeOf, Tile and Broadcast over sizes that are known now.
"""

from collections.abc import Sequence

import numpy as np

from ...ir import DYNAMIC, Array, Builder, Graph, Node, OutPort
from ..runtime.probe import evaluate
from .transposed_weights import shared_squares, turn

#: Operations that read a tensor's shape, not its values: int8 neither helps nor hurts them.
SHAPE_READERS = ("ShapeOf",)
#: Operations that read only the element type of their second input.
TYPE_READERS = ("ConvertLike",)
#: Operations that take numbers from a row of numbers.
_TAKES = ("Gather", "Slice", "StridedSlice")
#: Operations that give different values in each run for the same inputs.
_NOT_FOLDED = ("Assign", "Multinomial", "RandomUniform", "ReadValue", "Result")


def constant_nodes(graph: Graph) -> set[Node]:
    """The constant nodes of a graph, without its bodies: Const, and operations whose inputs are all constant."""
    found: set[Node] = set()
    for node in graph.nodes():
        read = node.inputs[:1] if node.type in TYPE_READERS else node.inputs
        is_computed = bool(read) and all(port.source.node in found for port in read)
        if node.type == "Const" or _sizes(node) is not None or (is_computed and _is_pure(node)):
            found.add(node)
    return found


def _sizes(node: Node) -> Array | None:
    """The sizes that a node reads off a shape, if they are known before there is data; None for other nodes.

    The batch may be known and the height not: what takes the batch alone gives a constant.
    """
    reader = node.source(0).node if node.type in _TAKES else node
    if reader.type == "Convert":
        reader = reader.source().node
    if reader.type not in SHAPE_READERS or not reader.source().shape:  # it may also mean an unknown rank
        return None
    shape = np.asarray(reader.source().shape)
    taken = _taken(node, shape) if node.type in _TAKES else shape
    return None if taken is None or (taken == DYNAMIC).any() else taken


def _taken(node: Node, shape: Array) -> Array | None:
    """The sizes that a Gather, Slice or StridedSlice with constant positions takes from a shape."""
    read = [each.source.node for each in node.inputs[1:]]
    masks = {name: "1" in node.attributes.get(f"{name}_mask", "") for name in ("begin", "end", "new_axis", "ellipsis")}
    is_one = "1" in node.attributes.get("shrink_axis_mask", "")
    if any(each.type != "Const" for each in read) or masks["new_axis"] or masks["ellipsis"]:
        return None
    if node.type != "Gather" and (any(each.array.size != 1 for each in read) or (is_one and masks["begin"])):
        return None
    if node.type == "Gather" or is_one:
        places = read[0].array.reshape(node.output().shape)
        return np.asarray(shape[places]) if ((-len(shape) <= places) & (places < len(shape))).all() else None
    begin, end = (
        None if masks[name] else int(each.array.item()) for name, each in zip(("begin", "end"), read, strict=False)
    )
    return shape[begin : end : int(read[2].array.item()) if len(read) > 2 else 1]


def fold_shape(node: Node) -> None:
    """Replaces what reads known sizes off a shape with a constant."""
    sizes = np.asarray(_sizes(node), node.output().element_type.dtype)
    node.replace_with(node.graph.add_constant(f"{node.name}/known", sizes, near=node).output())


def _is_pure(node: Node) -> bool:
    return node.type not in _NOT_FOLDED and not any(each.type in _NOT_FOLDED[:-1] for each in node.inside())


def values_of(tensors: Sequence[OutPort]) -> list[Array]:
    """The values of constant tensors of one graph, computed by the runtime."""
    graph = tensors[0].node.graph.copy()
    wanted = [Node(graph, tensor.node.id).output(tensor.index) for tensor in tensors]
    # first: what only a shape reader reads besides would be gone with it
    build = Builder(graph)
    results = {build.result(tensor, name="irquant/folded") for tensor in wanted}
    for node in list(graph.nodes(*SHAPE_READERS, *_TAKES)):
        if _sizes(node) is not None:
            fold_shape(node)
    for node in graph.nodes(*TYPE_READERS):
        node.replace_with(build.convert(node.source(), node.output().element_type, name=f"{node.name}/typed"))
    for node in reversed(list(graph.nodes())):
        if node not in results and not any(output.consumers for output in node.outputs):
            graph.remove(node)
    for each in graph.walk():
        turn(shared_squares(each), set())
    return evaluate(graph)
