"""Finds layers of float data whose weights are compressed: codes that the device unpacks inside the layer."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...ir import Graph, InPort, Node
from ...ir.folding import FORM_CHANGES
from ...ir.ops import WEIGHTED_TYPES

#: The element types of such codes.
NARROW_TYPES = ("i8", "u8", "i4", "u4", "u1", "u2", "u3", "u6", "nf4", "f4e2m1", "f8e4m3", "f8e5m2")
_UNPACKING = ("Subtract", "Multiply")


@dataclass(frozen=True)
class CompressedWeights:
    """The compressed weights of a layer.

    Attributes:
        layer: The layer.
        constants: The codes, and the zero points if there are any.
    """

    layer: Node
    constants: tuple[Node, ...]

    @property
    def kind(self) -> str:
        """The element type of the codes."""
        return self.constants[0].output().element_type.name

    @property
    def reason(self) -> str:
        """Why the layer stays float."""
        return f"its weights are compressed ({self.kind}) and stay as they are"


def compressed_weights(graph: Graph) -> list[CompressedWeights]:
    """The layers with compressed weights, those in bodies last."""
    return [found for each in graph.walk() for node in each.nodes(*WEIGHTED_TYPES, "Gather") for found in _of(node)]


def _of(layer: Node) -> Iterator[CompressedWeights]:
    """The compressed weights of a layer: the first input that has some, unless another one is rounded."""
    ports = layer.inputs[:1] if layer.type == "Gather" else layer.inputs[:2]
    if any(port.source.node.type == "FakeQuantize" for port in ports):
        return
    yield from (CompressedWeights(layer, found) for port in ports[::-1] if (found := _codes(port)))


def _codes(port: InPort) -> tuple[Node, ...]:
    """The constants with codes and zero points that an input unpacks; none if it does not."""
    node, found, is_scaled = port.source.node, list[Node](), False
    while node.type in (*FORM_CHANGES, *_UNPACKING):
        if node.type in _UNPACKING:
            operand = _unconverted(node.source(1).node)
            if operand.type != "Const":
                return ()
            is_scaled |= node.type == "Multiply"
            found += [operand] if _is_narrow(operand) else []
        node = node.source().node
    return (node, *found) if is_scaled and _is_narrow(node) else ()


def _unconverted(node: Node) -> Node:
    while node.type in FORM_CHANGES:
        node = node.source().node
    return node


def _is_narrow(node: Node) -> bool:
    return node.type == "Const" and node.output().element_type.name in NARROW_TYPES
