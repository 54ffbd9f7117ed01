"""Transformers are recognised by their attention blocks; nobody has to say what kind of model it is."""

from collections.abc import Callable
from dataclasses import dataclass

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort
from ...ir.folding import FORM_CHANGES
from ...ir.ops import flag
from ...ir.pattern import Op, Pattern, any_tensor, chain, op

#: Attention as one operation, and its inputs.
WHOLE = "ScaledDotProductAttention"
QUERY, KEY, VALUE, MASK, SCALE = range(5)
#: What stands between the scores and their softmax: scales, masks, biases, bounds, a column that takes what is left.
_BETWEEN = (
    *FORM_CHANGES,
    "Multiply",
    "Divide",
    "Add",
    "Subtract",
    "Select",
    "Tanh",
    "Maximum",
    "Minimum",
    "Clamp",
    "Concat",
    "Dropout",
)
#: What stands between a softmax and the product with it: masks, zeros in place of NaN, and the cut of that column.
_BEHIND = (*FORM_CHANGES, "Multiply", "Divide", "Select", "Slice", "StridedSlice")
#: Longer ways are something else.
_LONGEST = 8


@dataclass(frozen=True)
class _Block:
    """The parts of an attention block.

    Attributes:
        scores: The product of queries and keys.
        softmax: What makes weights of them.
        weights: The way of the weights to the product with the values.
        mixed: That product.
    """

    scores: Op
    softmax: Op
    weights: Pattern[tuple[OutPort, ...]]
    mixed: Pattern[Node]


def _block(operand: Callable[[], Pattern[OutPort]]) -> _Block:
    """A block whose products have such operands."""
    scores = op("MatMul", operand(), operand())
    softmax = op("SoftMax", chain(_BETWEEN, scores, longest=_LONGEST, by_any_input=True))
    weights = chain(_BEHIND, softmax, longest=_LONGEST, by_any_input=True)
    return _Block(scores, softmax, weights, op("MatMul", weights, operand()).commutative())


def _activation() -> Pattern[OutPort]:
    return any_tensor().where(lambda tensor: tensor.node.type != "Const", "an activation")


_OF_ACTIVATIONS, _OF_ANYTHING = _block(_activation), _block(any_tensor)


def attention_blocks(graph: Graph) -> list[Node]:
    """Attention as one operation, and the softmaxes over a product of two activations that weigh a third."""
    return [node for node in graph.nodes("SoftMax", WHOLE) if node.type == WHOLE or products_around(node)]


def why_whole(node: Node) -> str:
    """The reason why attention as one operation cannot be written out as matrix products; empty if it can."""
    query, key, value = (node.source(index).shape for index in (QUERY, KEY, VALUE))
    has_boolean_mask = len(node.inputs) > MASK and node.source(MASK).element_type.name == "boolean"
    is_scale_known = len(node.inputs) > SCALE or (bool(query) and query[-1] != DYNAMIC)
    faults = {
        "is causal": flag(node, "causal"),
        "has a boolean mask": has_boolean_mask,
        "has more inputs than a mask and a scale": len(node.inputs) > SCALE + 1,
        "has inputs of unknown or unequal ranks": not len(query) == len(key) == len(value) >= 2,
        "has an unknown scale": not is_scale_known,
    }
    found = next((fault for fault, holds in faults.items() if holds), "")
    return found and f"it {found}, and stays one operation, which runs in float"


def products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The products of an attention block: queries and keys above its softmax, weights and values below it."""
    return _products(softmax, _OF_ACTIVATIONS)


def matrix_products_around(softmax: Node) -> tuple[Node, Node] | None:
    """The same, or else products whose operands may be constants: learned queries, say."""
    return products_around(softmax) or _products(softmax, _OF_ANYTHING)


def weights_port(softmax: Node) -> InPort | None:
    """The input through which the product of weights and values reads the weights, operands as above."""
    for block in (_OF_ACTIVATIONS, _OF_ANYTHING):
        if found := block.mixed.match_around(block.softmax, softmax):
            return found.input(block.weights)
    return None


def _products(softmax: Node, block: _Block) -> tuple[Node, Node] | None:
    found = block.mixed.match_around(block.softmax, softmax)
    return (found[block.scores], found[block.mixed]) if found else None
