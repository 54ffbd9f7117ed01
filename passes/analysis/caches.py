"""Finds attention over a cache: keys and values of earlier tokens, in a state of the model or in its inputs.

A decoder computes one token at a time, and its cache grows with each. If it were rounded in front of the products, all
of it would be rounded again for every token: for one query that is as much work as the products. In addition, runtimes
have kernels that append to a cache in place, and recognize only their float form.
"""

from collections.abc import Iterator

from ...ir import Graph, Node, OutPort
from ...ir.folding import FORM_CHANGES
from ...ir.ops import DATA_PORT, LAYER_TYPES
from .attention import KEY, VALUE, WHOLE, products_around

GROWS = (
    "its keys and values are a cache that grows with every token: "
    "rounding it again for each token costs more than int8 saves"
)
#: Operations that only move the values of a past input, between the input and its Concat with the new ones.
_MOVES = (*FORM_CHANGES, "Gather", "Slice", "Split", "StridedSlice", "VariadicSplit")


def attention_over_caches(graph: Graph) -> list[Node]:
    """Attention, as one operation or as its products, whose keys or values come from a cache."""
    fused = [node for node in graph.nodes(WHOLE) if _reads_cache(node, (KEY, VALUE))]
    blocks = [block for softmax in graph.nodes("SoftMax") if (block := products_around(softmax))]
    found = [node for block in blocks if any(_reads_cache(each, (0, 1)) for each in block) for node in block]
    return [*fused, *found]


def joins_of_caches(graph: Graph) -> list[Node]:
    """The operations above attention that append new keys and values to a cache."""
    above = (it for node in attention_over_caches(graph) for port in node.inputs for it in _above(port.source))
    return [node for node in dict.fromkeys(above) if node.type == "Concat" and _joins_a_cache(node)]


def _reads_cache(node: Node, ports: tuple[int, ...]) -> bool:
    above = (each for port in ports for each in _above(node.source(port)))
    return any(each.type == "ReadValue" or _appends_to_input(each) for each in above)


def _joins_a_cache(concat: Node) -> bool:
    return _appends_to_input(concat) or any(each.type == "ReadValue" for each in _above(concat.output()))


def _above(tensor: OutPort) -> Iterator[Node]:
    """The nodes above a tensor, up to the layers that compute it and the states that hold it."""
    waiting, seen = [tensor], set[Node]()
    while waiting:
        tensor = waiting.pop()
        node = tensor.node
        if node in seen or not tensor.element_type.is_float or node.type in (*LAYER_TYPES, "SoftMax"):
            continue
        seen.add(node)
        yield node
        if node.type != "ReadValue":
            waiting += [port.source for port in node.inputs]


def _appends_to_input(node: Node) -> bool:
    """Whether an operation appends computed values to an input of the model."""
    if node.type != "Concat":
        return False
    origins = [origin(port.source.node).type for port in node.inputs]
    return "Parameter" in origins and any(each not in ("Parameter", "Const") for each in origins)


def keeps_an_input(result: Node) -> bool:
    """Whether a result holds values of an input that were only moved and joined, as the next value of a cache does."""
    waiting, seen = [result], set[Node]()
    while waiting:
        node = waiting.pop()
        if node.type == "Parameter":
            return True
        if node not in seen and node.type in ("Concat", "Result", *_MOVES):
            waiting += [port.source.node for port in (node.inputs if node.type == "Concat" else node.inputs[:1])]
            seen.add(node)
    return False


def origin(node: Node) -> Node:
    """What computes the values that a node may only move."""
    while node.type in _MOVES:
        node = node.source(DATA_PORT).node
    return node
