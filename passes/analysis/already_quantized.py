"""Detects models that are quantized already, and names the operation that shows it."""

from collections.abc import Collection

from ...ir import Graph, InPort, Node, UserError
from ...ir.listing import number_of
from ...ir.ops import DATA_PORT, RECURRENT_TYPES, WEIGHTED_TYPES, weight_ports
from ...ir.spelling import switched_on
from .compressed_weights import NARROW_TYPES, compressed_weights
from .constants import constant_nodes

_ROUNDING = ("FakeQuantize", "FakeConvert")
#: The types of integer layers: converters widen the weights of ONNX's ConvInteger and MatMulInteger to them.
_ACCUMULATOR = "i32"


class AlreadyQuantizedError(UserError):
    """The model holds FakeQuantize operations or integer weights: quantizing it again would ruin it."""


def refuse_quantized(graph: Graph, *, keep_compressed: bool | None = None) -> None:
    """Refuses a model that is quantized already.

    Args:
        graph: The model.
        keep_compressed: Whether layers of float data may have compressed weights; None: the model may not be rounded
            in any way, and no option helps.

    Raises:
        AlreadyQuantizedError: the model is quantized.
    """
    compressed = [] if keep_compressed is None else compressed_weights(graph)
    ignored = {constant for each in compressed for constant in each.constants}
    node = find_quantized(graph, ignored)
    if node is None and compressed and not keep_compressed:
        first = f"for example {compressed[0].kind} of {compressed[0].layer}"
        count = number_of(len(compressed), "layers")
        message = (
            f"the weights of {count} are compressed already, {first}; give the float model they are from, or add "
            f"{switched_on('keep_compressed')} to leave such layers as they are"
        )
        raise AlreadyQuantizedError(message)
    if node:
        held = f"integer weights, {node}" if node.type == "Const" else str(node)
        message = f"the model is quantized already: it holds {held}; give the float model it was made from"
        raise AlreadyQuantizedError(message)


def find_quantized(graph: Graph, ignored: Collection[Node] = ()) -> Node | None:
    """The first FakeQuantize, FakeConvert, or constant of integer weights in a model or a body of it.

    Args:
        graph: The model.
        ignored: Constants that do not count.
    """
    for each in graph.walk():
        narrow = [node for node in each.in_file_order("Const") if _is_narrow(node) and node not in ignored]
        constants = constant_nodes(each) if narrow else frozenset[Node]()
        for node in each.in_file_order(*_ROUNDING, "Const"):
            if node in ignored:
                continue
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
    while tensor.node.type in ("Add", "Convert", "Subtract") and tensor.element_type.name not in NARROW_TYPES:
        tensor = tensor.node.source(DATA_PORT)
    return tensor.element_type.name in NARROW_TYPES


def _is_narrow(constant: Node) -> bool:
    return constant.attributes.get("element_type") in NARROW_TYPES


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
