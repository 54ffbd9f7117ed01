"""Whether a model is quantized already, and by which operation one can tell."""

from collections.abc import Iterator

from ..ir import Graph, InPort, Node, OutPort, UserError
from ..ir.ops import DATA_PORT, LAYER_TYPES, WEIGHTED_TYPES, weight_ports

_NARROW_TYPES = ("i8", "u8", "i4", "u4", "u1", "u2", "u3", "u6", "nf4", "f4e2m1", "f8e4m3", "f8e5m2")
_ROUNDING = ("FakeQuantize", "FakeConvert")
#: Make floats of integers, whatever the scale.
_SCALING = ("Add", "Divide", "Multiply", "Subtract")
#: What stands between stored integers and the layer that uses them.
_BETWEEN = (*_SCALING, "Broadcast", "Concat", "Convert", "Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


class AlreadyQuantizedError(UserError):
    """The model holds FakeQuantize operations or integer weights: quantizing it again would ruin it."""


def refuse_quantized(graph: Graph) -> None:
    """Raises AlreadyQuantizedError if a model is quantized."""
    if sign := find_quantized(graph):
        message = f"the model is quantized already: it holds {sign}; give the float model it was made from"
        raise AlreadyQuantizedError(message)


def find_quantized(graph: Graph) -> str:
    """What shows that a model, or a body of it, is quantized; empty if nothing does.

    That is, first in file order: an operation that rounds; integers that are scaled to weights of a layer or to a table
    of rows; a layer that multiplies 8-bit integers, as the converter writes ONNX's ConvInteger and MatMulInteger. Other
    narrow constants (a picture, a mask) are data of a float model.
    """
    for each in graph.walk():
        signs = {node: str(node) for node in each.in_file_order(*_ROUNDING)}
        signs |= {node: f"{node}, which multiplies integers" for node in _integer_layers(each)}
        signs |= {node: str(node) for port in _takes_weights(each) if (node := stored_integers(port.source))}
        for node in each.in_file_order() if signs else ():
            if node in signs:
                return signs[node]
    return ""


def may_hold_codes(node: Node) -> bool:
    """Whether an operation rounds, or is a constant of narrow numbers, which may be codes."""
    return node.type in _ROUNDING or (node.type == "Const" and _is_narrow(node))


def stored_integers(tensor: OutPort) -> Node | None:
    """The constant of integers that a tensor is decompressed from; None if the tensor is anything else."""
    narrow: list[Node] = []
    is_scaled = False
    for node in _above(tensor):
        if node.type not in _BETWEEN and node.type != "Const":
            return None
        is_scaled |= node.type in _SCALING
        narrow += [node] if node.type == "Const" and _is_narrow(node) else []
    return narrow[0] if narrow and is_scaled else None


def _takes_weights(graph: Graph) -> Iterator[InPort]:
    """Where weights enter, and tables of which a Gather takes rows."""
    for node in graph.nodes(*LAYER_TYPES):
        yield from (node.input(index) for index in weight_ports(node))
    for node in graph.nodes("Gather"):
        indices, axis = (node.source(index).node for index in (1, 2))
        is_first = axis.type == "Const" and not axis.array.any()
        if is_first and indices.type != "Const" and len(node.source(DATA_PORT).shape) == 2:
            yield node.input(DATA_PORT)


def _integer_layers(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes(*WEIGHTED_TYPES):
        if not node.output().element_type.is_float and any(map(_is_narrow, _above(node.source(DATA_PORT)))):
            yield node


def _above(tensor: OutPort) -> Iterator[Node]:
    """The node that gives a tensor and those above it, up to the first that do more than convert, scale and move."""
    waiting, seen = [tensor.node], set[Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        if node.type in (*_SCALING, "Concat"):
            waiting += [port.source.node for port in reversed(node.inputs)]
        elif node.type in _BETWEEN:  # other inputs say where values go
            waiting.append(node.source(DATA_PORT).node)


def _is_narrow(node: Node) -> bool:
    return bool(node.outputs) and node.output().element_type.name in _NARROW_TYPES
