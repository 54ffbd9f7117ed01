"""Whether a model is quantized already, and by which operation one can tell."""

from ..ir import Graph, Node

_NARROW_TYPES = ("i8", "u8", "i4", "u4", "u1", "u2", "u3", "u6", "nf4", "f4e2m1", "f8e4m3", "f8e5m2")
_ROUNDING = ("FakeQuantize", "FakeConvert")


def find_quantized(graph: Graph) -> Node | None:
    """The first FakeQuantize, FakeConvert, or constant of integer weights in a model or a body of it."""
    for each in graph.walk():
        for node in each.in_file_order(*_ROUNDING, "Const"):
            if is_quantized(node):
                return node
    return None


def is_quantized(node: Node) -> bool:
    """Whether an operation rounds, or is a constant of integer weights."""
    return node.type in _ROUNDING or (node.type == "Const" and _is_compressed(node))


def _is_compressed(constant: Node) -> bool:
    """Whether a constant holds integer weights: narrow values, converted to float, then scaled."""
    if constant.attributes.get("element_type") not in _NARROW_TYPES:
        return False
    readers = [port.node for port in constant.output().consumers if port.node.type == "Convert"]
    return any(
        node.output().element_type.is_float and port.node.type in ("Multiply", "Subtract", "FakeQuantize")
        for node in readers
        for port in node.output().consumers
    )
