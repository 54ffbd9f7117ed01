"""Facts about op types: the inputs and axes of weights, the form of attributes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .folding import FORM_CHANGES
from .graph import InPort, Node, OutPort
from .layer import DYNAMIC
from .match import Match
from .pattern import Pattern, any_tensor, const, op


@dataclass(frozen=True)
class WeightAxes:
    """The axes of a weights tensor, by role. Negative numbers count from the end.

    Attributes:
        outputs: The axes that together enumerate the output channels (with the group axis).
        inputs: The axis of the input channels within a group.
        group: The axis of the groups, or None.
        spatial: The first of the kernel's spatial axes, which are last, or None.
    """

    outputs: tuple[int, ...]
    inputs: int
    group: int | None = None
    spatial: int | None = None


# Operand shapes from the OpenVINO operation specifications: Convolution-1, GroupConvolution-1,
# ConvolutionBackpropData-1, GroupConvolutionBackpropData-1.
_CONVOLUTIONS: Mapping[str, WeightAxes] = {
    "Convolution": WeightAxes(outputs=(0,), inputs=1, spatial=2),  # [O, I, k...]
    "GroupConvolution": WeightAxes(outputs=(0, 1), inputs=2, group=0, spatial=3),  # [G, O, I, k...]
    "ConvolutionBackpropData": WeightAxes(outputs=(1,), inputs=0, spatial=2),  # [I, O, k...]
    "GroupConvolutionBackpropData": WeightAxes(outputs=(0, 2), inputs=1, group=0, spatial=3),  # [G, I, O, k...]
}

DATA_PORT = 0
WEIGHTS_PORT = 1
#: A recurrent layer's first state.
HIDDEN_PORT = 1

#: The layers that do the arithmetic: "int8 share" counts them.
WEIGHTED_TYPES = (*_CONVOLUTIONS, "MatMul")
#: Layers that keep a state, with the input ports of their matrices W and R, by the operation specifications.
RECURRENT_TYPES: Mapping[str, tuple[int, int]] = {
    "LSTMSequence": (4, 5),
    "GRUSequence": (3, 4),
    "RNNSequence": (3, 4),
    "LSTMCell": (3, 4),
    "GRUCell": (2, 3),
    "RNNCell": (2, 3),
}
#: The layers with a decision in a plan.
LAYER_TYPES = (*WEIGHTED_TYPES, *RECURRENT_TYPES, "ScaledDotProductAttention", "Einsum")
REDUCTION_TYPES = ("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
#: The tag of the body of a loop; an If has others.
LOOP_BODY = "body"
_OPSET = re.compile(r"opset\d+$")
#: Arithmetic with a constant, for biases and scales; operations that may be between it and its layer.
_TAIL, _MOVES = ("Add", "Subtract", "Multiply", "Divide"), ("Reshape", "Squeeze", "Unsqueeze")
TRANSPOSED_CONVOLUTIONS = ("ConvolutionBackpropData", "GroupConvolutionBackpropData")


def is_standard(node: Node) -> bool:
    """Whether an operation is of one of the runtime's opsets; operations of extensions may have the same names."""
    return _OPSET.match(node.opset) is not None


def weight_ports(node: Node) -> tuple[int, ...]:
    """The input ports of weights."""
    if node.type == "Gather":
        return (DATA_PORT,) if looks_up_rows(node) else ()
    return RECURRENT_TYPES.get(node.type, (WEIGHTS_PORT,) if node.type in WEIGHTED_TYPES else ())


def looks_up_rows(node: Node) -> bool:
    """Whether a Gather is an embedding: it takes rows of a constant table by variable indices."""
    table, indices, axis = (node.source(index).node for index in range(3))
    is_table = table.type == "Const" and len(table.output().shape) == 2
    return is_table and indices.type != "Const" and axis.type == "Const" and not axis.array.any()


def weight_axes(node: Node) -> WeightAxes:
    """The axes of a layer's weights: the second operand of a MatMul, the table of an embedding."""
    if node.type in RECURRENT_TYPES:  # [D, gates * H, I], of a cell [gates * H, I]
        return WeightAxes(outputs=(-2,), inputs=-1)
    if node.type == "Gather":  # [rows, columns]
        return WeightAxes(outputs=(0,), inputs=1)
    if node.type == "MatMul":  # [K, N] or, with transpose_b, [N, K]; leading axes enumerate the matrices
        outputs, inputs = (-2, -1) if flag(node, "transpose_b") else (-1, -2)
        return WeightAxes(outputs=(*range(len(node.source(WEIGHTS_PORT).shape) - 2), outputs), inputs=inputs)
    return _CONVOLUTIONS[node.type]


def multiplies_batches(node: Node) -> bool:
    """Whether a MatMul has several weight matrices, for example one for each head or expert."""
    return node.type == "MatMul" and any(size != 1 for size in node.source(WEIGHTS_PORT).shape[:-2])


def kernel_shape(node: Node) -> tuple[int, ...]:
    """The spatial sizes of a convolution's weights."""
    return node.source(WEIGHTS_PORT).shape[weight_axes(node).spatial :]


def transpose_order(node: Node) -> tuple[int, ...] | None:
    """The order of axes of a Transpose; None for other operations, and if it is not known before there is data."""
    if node.type != "Transpose" or node.source(1).node.type != "Const" or not node.output().shape:
        return None
    given = tuple(int(axis) for axis in node.source(1).node.array.ravel())
    return given or tuple(reversed(range(len(node.output().shape))))  # by the specification of Transpose-1


def is_depthwise(node: Node) -> bool:
    """Whether a GroupConvolution has one input channel per group, so that a per-channel scale can move through it."""
    return node.type == "GroupConvolution" and node.source(WEIGHTS_PORT).shape[2:3] == (1,)


def data_channel_axis(node: Node) -> int:
    """The axis of the data input over which a weighted node sums: channels of a convolution, columns of a MatMul."""
    if node.type == "MatMul":
        return -2 if flag(node, "transpose_a") else -1
    return 1


def channels_of(tensor: OutPort, axis: int) -> int:
    """The size of a channel axis; if the shape leaves it open, the weights of a layer that reads the tensor give it."""
    if tensor.shape[axis] != DYNAMIC:
        return tensor.shape[axis]
    for port in tensor.consumers:
        if port.node.type == "FakeQuantize" and port.index == DATA_PORT:
            found = channels_of(port.node.output(), axis)
        elif port.node.type in WEIGHTED_TYPES and port.index == DATA_PORT:
            is_summed = data_channel_axis(port.node) % len(tensor.shape) == axis
            found = _summed_channels(port.node) if is_summed else DYNAMIC
        else:
            continue
        if found != DYNAMIC:
            return found
    return DYNAMIC


def _summed_channels(node: Node) -> int:
    """The number of channels that a weighted node sums over, of all groups together."""
    shape, axes = node.source(WEIGHTS_PORT).shape, weight_axes(node)
    if len(shape) < -axes.inputs:  # a vector
        return shape[0]
    both = shape[axes.inputs], 1 if axes.group is None else shape[axes.group]
    return DYNAMIC if DYNAMIC in both else both[0] * both[1]


def output_channel_axis(node: Node) -> int:
    """The axis of a weighted node's output that its bias follows."""
    return -1 if node.type == "MatMul" else 1


def bias_port(node: Node) -> InPort | None:
    """The input port of an Add through which a layer gets its bias (see `with_bias`)."""
    found = _WITH_BIAS.match_around(_RESULT, biased_tensor(node))
    return found.input(_BIAS) if found else None


def biased_tensor(node: Node) -> OutPort:
    """The tensor to which the bias of a layer is added: its output, or what BatchToSpace makes of it.

    Frameworks write a dilated convolution as SpaceToBatch, convolution, BatchToSpace. The runtime fuses these if
    nothing stands between them.
    """
    output = node.output()
    reader = output.consumers[0].node if len(output.consumers) == 1 else node
    blocks = reader.source(1).node if reader.type == "BatchToSpace" else node
    keeps_channels = blocks.type == "Const" and blocks.array.size > 1 and int(blocks.array.flat[1]) == 1
    return reader.output() if keeps_channels and node.type in _CONVOLUTIONS else output


def with_bias(layer: Pattern[Any], bias: Pattern[Node]) -> Pattern[Node]:
    """The Add behind a layer that gives it its bias: its only consumer, with a constant operand.

    The bias may have a number for each position. A constant that enlarges the layer's output is not a bias.
    """

    def fits(match: Match) -> bool:
        return _fits_into(match[bias].output().shape, match.place(layer).tensor.shape)

    added = op("Add", layer.read_once(), bias).commutative()
    return added.provided(fits, "a sum no wider than what the layer gives")


_RESULT, _BIAS = any_tensor(), const()
_WITH_BIAS = with_bias(_RESULT, _BIAS)


def _fits_into(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a constant of that shape broadcasts to another one, for all values of dynamic sizes."""
    last = whole[len(whole) - len(shape) :]
    return len(shape) <= len(whole) and all(size in (1, other) for size, other in zip(shape, last, strict=True))


def layer_of_tail(node: Node) -> Node | None:
    """The layer that an operation belongs to as bias or scale: in frameworks they are one layer with one name.

    Such an operation is arithmetic with a constant that broadcasts to its data, and it is the only reader of the layer.
    """
    if node.type not in _TAIL:
        return None
    while (data := _data_of_tail(node)) is not None and len(data.consumers) == 1:
        node = data.node
        if node.type in WEIGHTED_TYPES:
            return node if is_constant(node.source(WEIGHTS_PORT)) else None
    return None


def _data_of_tail(node: Node) -> OutPort | None:
    """The data input of a bias or scale."""
    if node.type in _MOVES:
        return node.source(DATA_PORT)
    if node.type not in _TAIL:
        return None
    data, *others = sorted((port.source for port in node.inputs), key=is_constant)
    return data if all(is_constant(other) and _fits_into(other.shape, data.shape) for other in others) else None


def is_constant(tensor: OutPort) -> bool:
    """Whether a tensor is a constant, also behind conversions and data movement."""
    while tensor.node.type in FORM_CHANGES:
        tensor = tensor.node.source(DATA_PORT)
    return tensor.node.type == "Const"


def varying_inputs(node: Node) -> list[InPort]:
    """The inputs of a node that are no constants."""
    return [each for each in node.inputs if not is_constant(each.source)]


class HasAttributes(Protocol):
    """A node, or another object with the attributes of an op."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes as in the file."""
        ...


def flag(node: HasAttributes, name: str, *, default: bool = False) -> bool:
    """A boolean attribute; the format spells it true/false, True/False or 1/0."""
    return node.attributes.get(name, str(default)).lower() in ("true", "1")


def integers(node: HasAttributes, name: str) -> tuple[int, ...]:
    """An attribute that is a list of integers; empty if the node does not have it."""
    return tuple(int(part) for part in node.attributes.get(name, "").split(",") if part.strip())
