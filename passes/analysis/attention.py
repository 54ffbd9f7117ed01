"""Transformers are recognised by their attention blocks; nobody has to say what kind of model it is."""

from collections.abc import Callable, Iterator

from ...ir import Graph, Node
from ...ir.ops import DATA_PORT

#: What stands between a softmax and the product with it, or between the scores and their softmax.
_BETWEEN = (
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Multiply",
    "Divide",
    "Add",
    "Subtract",
    "Dropout",
    "Convert",
    "Select",
)
#: Longer ways from the scores to their softmax are something else.
_LONGEST = 8


def attention_blocks(graph: Graph) -> list[Node]:
    """The softmaxes over a product of two activations whose result is multiplied with a third."""
    return [node for node in graph.nodes("SoftMax") if products_around(node)]


def products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The products of an attention block: queries and keys above its softmax, weights and values below it."""
    return _around(softmax, _is_product)


def matrix_products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The same, or else products whose operands may be constants: learned queries, say."""
    return products_around(softmax) or _around(softmax, lambda node: node.type == "MatMul")


def _around(softmax: Node, is_wanted: Callable[[Node], bool]) -> tuple[Node, Node] | None:
    scores = next(filter(is_wanted, _above(softmax.source(DATA_PORT).node, _LONGEST)), None)
    mixed = _product_below(softmax, is_wanted)
    return (scores, mixed) if scores and mixed else None


def _is_product(node: Node) -> bool:
    return node.type == "MatMul" and all(port.source.node.type != "Const" for port in node.inputs)


def _above(node: Node, steps: int) -> Iterator[Node]:
    yield node
    if node.type in _BETWEEN and steps:
        for port in node.inputs:
            yield from _above(port.source.node, steps - 1)


def _product_below(softmax: Node, is_wanted: Callable[[Node], bool]) -> Node | None:
    waiting = [softmax]
    while waiting:
        for port in waiting.pop().output().consumers:
            if is_wanted(port.node):
                return port.node
            if port.node.type in ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert"):
                waiting.append(port.node)
    return None
