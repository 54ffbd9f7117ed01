"""Transformers are recognised by their attention blocks; nobody has to say what kind of model it is."""

from collections.abc import Callable
from dataclasses import dataclass

from ...ir import Graph, Node, OutPort
from ...ir.pattern import Op, Pattern, any_tensor, chain, op

#: What stands between the scores and their softmax.
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
#: What stands between a softmax and the product with it.
_MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert")


@dataclass(frozen=True)
class _Block:
    """The parts of an attention block.

    Attributes:
        scores: The product of queries and keys.
        softmax: What makes weights of them.
        mixed: The product of weights and values.
    """

    scores: Op
    softmax: Op
    mixed: Pattern[Node]


def _block(operand: Callable[[], Pattern[OutPort]]) -> _Block:
    """A block whose products have such operands."""
    scores = op("MatMul", operand(), operand())
    softmax = op("SoftMax", chain(_BETWEEN, scores, longest=_LONGEST, by_any_input=True))
    mixed = op("MatMul", chain(_MOVES, softmax, by_any_input=True), operand()).commutative()
    return _Block(scores, softmax, mixed)


def _activation() -> Pattern[OutPort]:
    return any_tensor().where(lambda tensor: tensor.node.type != "Const", "an activation")


_OF_ACTIVATIONS, _OF_ANYTHING = _block(_activation), _block(any_tensor)


def attention_blocks(graph: Graph) -> list[Node]:
    """The softmaxes over a product of two activations whose result is multiplied with a third."""
    return [node for node in graph.nodes("SoftMax") if products_around(node)]


def products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The products of an attention block: queries and keys above its softmax, weights and values below it."""
    return _products(softmax, _OF_ACTIVATIONS)


def matrix_products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The same, or else products whose operands may be constants: learned queries, say."""
    return products_around(softmax) or _products(softmax, _OF_ANYTHING)


def _products(softmax: Node, block: _Block) -> tuple[Node, Node] | None:
    found = block.mixed.match_around(block.softmax, softmax)
    return (found[block.scores], found[block.mixed]) if found else None
