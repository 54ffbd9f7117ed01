"""Detects models that are quantized already, and names the operation that shows it."""

from collections.abc import Collection

from ...ir import Graph, InPort, Node, UserError
from ...ir.ops import DATA_PORT, RECURRENT_TYPES, WEIGHTED_TYPES, weight_ports
from .constants import constant_nodes

_NARROW_TYPES = ("i8", "u8", "i4", "u4", "u1", "u2", "u3", "u6", "nf4", "f4e2m1", "f8e4m3", "f8e5m2")
_ROUNDING = ("FakeQuantize", "FakeConvert")
#: The types of integer layers: converters widen the weights of ONNX's ConvInteger and MatMulInteger to them.
_ACCUMULATOR = "i32"


class AlreadyQuantizedError(UserError):
    """The model holds FakeQuantize operations or integer weights: quantizing it again would ruin it."""


def refuse_quantized(graph: Graph) -> None:
    """Refuses a model that is quantized already.

    Raises:
        AlreadyQuantizedError: the model is quantized.
    """
    if node := find_quantized(graph):
        message = f"the model is quantized already: it holds {node}; give the float model it was made from"
        raise AlreadyQuantizedError(message)


def find_quantized(graph: Graph) -> Node | None:
    """The first FakeQuantize, FakeConvert, or constant of integer weights in a model or a body of it."""
    for each in graph.walk():
        narrow = [node for node in each.in_file_order("Const") if _is_narrow(node)]
        constants = constant_nodes(each) if narrow else frozenset[Node]()
        for node in each.in_file_order(*_ROUNDING, "Const"):
            is_weights = (_is_narrow(node) and _reaches_weights(node, constants)) or _feeds_integers(node)
            if node.type != "Const" or is_weights:
                return node
    return None


def may_be_quantized(node: Node) -> bool:
    """Whether an operation rounds, or is a constant that could be integer weights."""
    return node.type in _ROUNDING or (node.type == "Const" and _is_narrow(node))


def _feeds_integers(node: Node) -> bool:
    """Whether a constant holds the weights of a layer that computes in integers."""
    if node.attributes.get("element_type") != _ACCUMULATOR:
        return False
    ports = [port for output in node.outputs for port in output.consumers if port.node.type in WEIGHTED_TYPES]
    return any(port.index in weight_ports(port.node) and _has_narrow_data(port.node) for port in ports)


def _has_narrow_data(layer: Node) -> bool:
    """Whether the data of an integer layer come from 8 bits, minus a zero point; hashes and bit masks do not."""
    tensor = layer.source(DATA_PORT)
    while tensor.node.type in ("Add", "Convert", "Subtract") and tensor.element_type.name not in _NARROW_TYPES:
        tensor = tensor.node.source(DATA_PORT)
    return tensor.element_type.name in _NARROW_TYPES


def _is_narrow(constant: Node) -> bool:
    return constant.attributes.get("element_type") in _NARROW_TYPES


def _reaches_weights(constant: Node, constants: Collection[Node]) -> bool:
    """Whether a layer reads a constant as its weights, converted and scaled or not; images and masks meet data."""
    waiting, seen = [constant], set[Node]()
    while waiting:
        ports = [port for output in waiting.pop().outputs for port in output.consumers]
        if any(_takes_weights(port, constants) for port in ports):
            return True
        ahead = {port.node for port in ports if port.node in constants} - seen
        seen |= ahead
        waiting += ahead
    return False


def _takes_weights(port: InPort, constants: Collection[Node]) -> bool:
    if not port.source.element_type.is_float and port.node.type not in WEIGHTED_TYPES:
        return False
    if port.node.type == "Gather":
        return port.index == 0 and port.node not in constants
    if port.node.type == "MatMul":  # the matrix may be the first operand
        return port.node not in constants
    return port.node.type in (*WEIGHTED_TYPES, *RECURRENT_TYPES) and port.index in weight_ports(port.node)
