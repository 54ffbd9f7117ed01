"""Which nodes give the same values whatever the data, and what those values are.

The runtime folds all of them before anything else, so that for placement they are constants, too: models that were
exported with dynamic sizes and then reshaped keep chains of ShapeOf, Tile and Broadcast over what has become known.
"""

from collections.abc import Sequence

import numpy as np

from ...ir import DYNAMIC, Array, Builder, Graph, Node, OutPort
from ..runtime.engine import evaluate
from .transposed_weights import shared_squares, turn

#: Look at a tensor's shape, not at its values: they neither want int8 nor mind it.
SHAPE_READERS = ("ShapeOf",)
#: Of their second input, they look at the element type.
TYPE_READERS = ("ConvertLike",)
#: Give other values from run to run, from the same inputs.
_NOT_FOLDED = ("Assign", "Multinomial", "RandomUniform", "ReadValue", "Result")


def constant_nodes(graph: Graph) -> set[Node]:
    """The nodes of a graph, not of its bodies, that give constants: Const, and whatever is computed from them alone."""
    found: set[Node] = set()
    for node in graph.nodes():
        read = node.inputs[:1] if node.type in TYPE_READERS else node.inputs
        is_computed = bool(read) and all(port.source.node in found for port in read)
        if node.type == "Const" or _gives_known_shape(node) or (is_computed and _is_pure(node)):
            found.add(node)
    return found


def _gives_known_shape(node: Node) -> bool:
    """Whether it is the ShapeOf of a static shape; no dimensions at all may also mean an unknown rank."""
    return node.type in SHAPE_READERS and bool(node.source().shape) and DYNAMIC not in node.source().shape


def fold_shape(node: Node) -> None:
    """Makes a constant of the ShapeOf of a known shape."""
    sizes = np.asarray(node.source().shape, node.output().element_type.dtype)
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
    for node in [node for node in graph.nodes(*SHAPE_READERS) if _gives_known_shape(node)]:
        fold_shape(node)
    for node in graph.nodes(*TYPE_READERS):
        node.replace_with(build.convert(node.source(), node.output().element_type, name=f"{node.name}/typed"))
    for node in reversed(list(graph.nodes())):
        if node not in results and not any(output.consumers for output in node.outputs):
            graph.remove(node)
    for each in graph.walk():
        turn(shared_squares(each), set())
    return evaluate(graph)
