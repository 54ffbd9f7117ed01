"""Properties of operations that a target file can ask for beyond single attributes."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np

from ..ir import DYNAMIC, InPort, Node, OutPort
from ..ir.folding import FORM_CHANGES
from ..ir.ops import (
    DATA_PORT,
    TRANSPOSED_CONVOLUTIONS,
    WEIGHTS_PORT,
    flag,
    integers,
    is_constant,
    is_depthwise,
    kernel_shape,
    looks_up_rows,
    multiplies_batches,
)

#: Properties of an operation.
Property = Literal[
    "after_bent_extreme",
    "after_scaled_product_up_to_256",
    "averages_padding",
    "before_activation",
    "before_activations",
    "before_signed_activation",
    "before_steps_by_channel",
    "behind_moved_channels",
    "constant_first",
    "constant_parameters",
    "depthwise",
    "dilated",
    "dilated_even",
    "embedding",
    "first_output_only",
    "groups_not_by_4",
    "known_scale",
    "maybe_few_columns",
    "multiplies_channels",
    "multiplies_vector",
    "no_padding",
    "of_any_size",
    "one_output_channel",
    "output_padding_within_pads",
    "padded",
    "pads_a_convolution",
    "pointwise",
    "several_matrices",
    "shape_shows_order",
    "steps_fit_kernel",
    "strided",
    "two_activations",
    "undilated",
    "zero_padding",
]
#: The most columns of an output that has few, with one spatial axis and with more.
_SHORT, _NARROW = 16, 8
#: The number of steps behind a layer that are looked at; an activation that is written out has nine.
_MOST_FUSED = 16
#: Operations that the CPU plugin fuses into their producer, and operations that it moves.
_ELEMENT_WISE = (
    *("Abs", "Add", "BatchNormInference", "Clamp", "Divide", "Elu", "Exp", "Gelu", "HSigmoid", "HSwish", "HardSigmoid"),
    *("Mish", "Multiply", "PReLU", "Power", "ReLU", "Sigmoid", "SoftPlus", "Sqrt", "Subtract", "Swish", "Tanh"),
)
_LINEAR = ("Add", "BatchNormInference", "Divide", "Multiply", "Subtract")
_BENT = (*(each for each in _ELEMENT_WISE if each not in _LINEAR), "Erf", "Maximum", "Minimum", "Round")
#: Operations that give as many numbers as they read, each from one of those.
_ELEMENT_WISE_OR_FORM = frozenset((*_ELEMENT_WISE, *FORM_CHANGES))
_NEVER_NEGATIVE = ("Abs", "Exp", "HSigmoid", "HardSigmoid", "ReLU", "Sigmoid", "SoftPlus", "Sqrt")
#: Operations in front of which a FakeQuantize may stand that is wanted behind them.
_JOINING = (
    "Concat",
    "DepthToSpace",
    "Interpolate",
    "MaxPool",
    "Pad",
    "Slice",
    "Split",
    "StridedSlice",
    "VariadicSplit",
)


def _pads_with_zero(node: Node) -> bool:
    if node.attributes.get("pad_mode", "constant").lower() != "constant" or len(node.inputs) < 4:
        return True
    value = node.source(3).node
    return value.type == "Const" and not np.any(value.array)


def _pads_a_convolution(node: Node) -> bool:
    """Whether a Pad adds zeros to spatial axes in front of one convolution, which the runtime fuses with it."""
    readers = [port.node.type for port in node.output().consumers]
    sizes = [node.source(index).node for index in (1, 2)]
    is_zero = node.attributes.get("pad_mode", "constant").lower() == "constant" and _pads_with_zero(node)
    if readers not in (["Convolution"], ["GroupConvolution"]) or not is_zero:
        return False
    return all(each.type == "Const" and not each.array[:2].any() and (each.array >= 0).all() for each in sizes)


def _adds_no_padding(node: Node) -> bool:
    """Whether an operation does not pad its data, by attributes or (SpaceToBatch) by inputs."""
    is_same = node.attributes.get("auto_pad", "").lower().startswith("same") and not _has_kernel_of_one(node)
    if is_same or any(any(integers(node, name)) for name in ("pads_begin", "pads_end")):
        return False
    inputs = [node.source(index).node for index in (2, 3)] if node.type == "SpaceToBatch" else []
    return all(each.type == "Const" and not each.array.any() for each in inputs)


def _is_padded(node: Node) -> bool:
    """Whether an operation pads its data, by itself or by a Pad that the runtime fuses with it."""
    above = node.source(DATA_PORT).node
    return not _adds_no_padding(node) or (above.type == "Pad" and _pads_a_convolution(above))


def _averages_padding(node: Node) -> bool:
    return not flag(node, "exclude-pad") and not _adds_no_padding(node)


def _is_undilated(node: Node) -> bool:
    return all(size == 1 for size in integers(node, "dilations"))


def _has_known_scale(node: Node) -> bool:
    """Whether an Interpolate is not of opset1 with data of dynamic size, whose scale is computed while it runs."""
    return node.opset != "opset1" or not _is_of_any_size(node)


def _pads_no_output(node: Node) -> bool:
    """Whether `output_padding` of a transposed convolution only reduces its crop, and does not pad the result."""
    wider, cut = integers(node, "output_padding"), integers(node, "pads_end")
    is_explicit = node.attributes.get("auto_pad", "explicit").lower() == "explicit"
    return not any(wider) or (is_explicit and all(one <= other for one, other in zip(wider, cut, strict=False)))


def _is_strided(node: Node) -> bool:
    return any(stride > 1 for stride in integers(node, "strides"))


def _steps_fit_kernel(node: Node) -> bool:
    """Whether the kernel of a transposed convolution consists of whole strides.

    Along each axis, that is a stride of 1, one of 2 with an even kernel, or one of 3 with a kernel and explicit pads
    that are multiples of 3.
    """
    strides = integers(node, "strides")
    is_automatic = len(node.inputs) > 2 or node.attributes.get("auto_pad", "").lower().startswith("same")
    pads = [integers(node, name) or (0,) * len(strides) for name in ("pads_begin", "pads_end")]
    for stride, kernel, *around in zip(strides, kernel_shape(node), *pads, strict=False):
        fits_three = stride == 3 and not is_automatic and not any(each % 3 for each in (kernel, *around))
        if stride != 1 and not (stride == 2 and kernel % 2 == 0) and not fits_three:
            return False
    return True


def _has_constant_first(node: Node) -> bool:
    return [port.source.node.type == "Const" for port in node.inputs[:2]] == [True, False]


def _channels_of_groups(node: Node) -> tuple[int, ...]:
    """Output and input channels per group of a GroupConvolution with weights [G, O, I, k...]."""
    return node.source(WEIGHTS_PORT).shape[1:3]


def _multiplies_channels(node: Node) -> bool:
    """Whether a depthwise GroupConvolution computes several channels from each."""
    return is_depthwise(node) and _channels_of_groups(node)[0] > 1


def _multiplies_vector(node: Node) -> bool:
    """Whether a MatMul has data of one dimension, or weights of one row or column."""
    data, weights = (node.source(index).shape for index in (DATA_PORT, WEIGHTS_PORT))
    return len(data) == 1 or 1 in weights[-2:]


def _has_groups_not_by_4(node: Node) -> bool:
    """Whether the channels per group are more than one and not a multiple of 4."""
    counts = _channels_of_groups(node)
    return counts != (1, 1) and any(each % 4 for each in counts)


def _has_first_output_only(node: Node) -> bool:
    return not any(output.consumers for output in node.outputs[1:])


def _is_after_small_scaled_product(node: Node) -> bool:
    """Whether a MatMul reads another one, and both have constant matrices of 256 columns and rows at most.

    Between them a constant scales or shifts the result. A shift directly behind the first product is a bias and does
    not count. Nonlinear steps (for example a sigmoid) end the search, except ReLU and Clamp.
    """
    scales, above = False, node.source(DATA_PORT).node
    while above.type in ("Add", "BatchNormInference", "Clamp", "Multiply", "ReLU", "Subtract"):
        if (source := _only_source(above)) is None:
            return False
        is_bias = above.type in ("Add", "Subtract") and source.type == "MatMul"
        scales |= above.type not in ("Clamp", "ReLU") and not is_bias
        above = source
    return scales and above.type == "MatMul" and _is_up_to_256(node) and _is_up_to_256(above)


def _is_after_bent_extreme(node: Node) -> bool:
    return any(_is_bent_extreme(port.source.node) for port in node.inputs)


def _is_bent_extreme(above: Node) -> bool:
    """Whether data come from a ReduceMax or ReduceMin through element-wise steps, and are rounded behind them."""
    is_bent = False
    while above.type in _ELEMENT_WISE_OR_FORM:
        if (source := _only_source(above)) is None:
            return False
        is_bent |= above.type in _ELEMENT_WISE
        above = source
    return is_bent and above.type in ("ReduceMax", "ReduceMin")


def _is_pointwise(node: Node) -> bool:
    """Whether a convolution has a kernel of 1 and no padding."""
    return _has_kernel_of_one(node) and _adds_no_padding(node)


def _has_kernel_of_one(node: Node) -> bool:
    """Whether a convolution has a kernel of 1, which automatic padding adds nothing to."""
    types = ("Convolution", "GroupConvolution", *TRANSPOSED_CONVOLUTIONS)
    return node.type in types and all(size == 1 for size in kernel_shape(node))


def _is_of_any_size(node: Node) -> bool:
    """Whether the data have a dynamic size behind axis 1, or an unknown rank."""
    shape = node.source(DATA_PORT).shape
    return not shape or DYNAMIC in shape[2:]


def _may_have_few_columns(node: Node) -> bool:
    """Whether the size is dynamic, and the output may have few columns; for short rows, the batch counts, too."""
    batch, _, *sizes = node.source(DATA_PORT).shape or (DYNAMIC,) * (2 + len(kernel_shape(node)))  # of unknown rank
    columns = node.output().shape[-1]
    is_dynamic = DYNAMIC in sizes or (batch == DYNAMIC and len(sizes) == 1)
    return is_dynamic and (columns == DYNAMIC or columns <= (_SHORT if len(sizes) == 1 else _NARROW))


def _is_dilated(node: Node) -> bool:
    """Whether the weights of a convolution lie apart along an axis."""
    return any(size > 1 for size in _dilated_sizes(node))


def _is_even_where_dilated(node: Node) -> bool:
    """Whether a kernel is even along an axis on which its weights lie apart: no weight is in the middle."""
    return any(size % 2 == 0 for size in _dilated_sizes(node))


def _dilated_sizes(node: Node) -> list[int]:
    """The sizes of a kernel along the axes with a dilation above 1; without the attribute, there are none."""
    steps = zip(integers(node, "dilations"), kernel_shape(node), strict=False)
    return [size for apart, size in steps if apart > 1]


def _is_before_steps_by_channel(node: Node) -> bool:
    """Whether element-wise steps behind a layer lead to one with a number or a range for each channel.

    Such a step is a depthwise convolution, which has a FakeQuantize with a range per channel, or arithmetic with
    several constants. An operation that reads the layer directly is its bias or scale and does not count, unless it is
    a PReLU.
    """
    steps = [node]
    for step in steps:  # the list grows
        for reader in (port.node for port in step.output().consumers):
            is_bias = step is node and reader.type != "PReLU"
            if is_depthwise(reader) or (not is_bias and _has_several_constants(reader)):
                return True
            if reader.type in (*_ELEMENT_WISE, *FORM_CHANGES, "Erf", "MaxPool") and len(steps) < _MOST_FUSED:
                steps.append(reader)
    return False


def _is_before_signed_activation(node: Node) -> bool:
    """Whether an activation follows a layer, and values that may be negative go on from there to another operation."""
    return any(_may_turn_negative(port) and _is_read_on(port.node) for port in _bent_behind(node))


def _is_before_activation(node: Node) -> bool:
    """Whether an activation follows a layer that the device may fuse into it."""
    return any(True for _ in _bent_behind(node))


def _is_before_activations(node: Node) -> bool:
    """Whether an activation follows a layer, and another one that activation, which the device may fuse into it."""
    return any(_is_before_activation(port.node) for port in _bent_behind(node) if port.node.type in _BENT)


def _bent_behind(layer: Node) -> Iterator[InPort]:
    """The inputs of operations that may be fused behind a layer, from the first activation on.

    Behind the activation, operations that move or join values count, too: one range may hold for all of them.
    """
    steps, seen = [(layer, False)], set[tuple[Node, bool]]()
    for step, is_bent in steps:  # the list grows
        for port in (port for output in step.outputs for port in output.consumers):
            bends = is_bent or port.node.type in _BENT
            carried = (*_BENT, *_LINEAR, *FORM_CHANGES, *(_JOINING if is_bent else ()))
            if port.node.type not in carried or (port.node, is_bent) in seen:
                continue
            seen.add((port.node, is_bent))
            steps.append((port.node, bends))
            if bends:
                yield port


def _may_turn_negative(port: InPort) -> bool:
    """Whether an operation may give negative values, though this input of it has none."""
    others = [each.source for each in port.node.inputs if each != port]
    if _is_never_negative(port.node):
        return False
    if port.node.type in ("Add", "Concat", "Divide", "Maximum", "Multiply"):
        return not all(_is_never_negative(each.node) or _is_positive_constant(each) for each in others)
    return port.node.type not in (*FORM_CHANGES, *_JOINING)


def _is_never_negative(node: Node) -> bool:
    return node.type in _NEVER_NEGATIVE or (node.type == "Clamp" and float(node.attributes["min"]) >= 0)


def _is_positive_constant(tensor: OutPort) -> bool:
    node = tensor.node.source().node if tensor.node.type == "Convert" else tensor.node
    return node.type == "Const" and bool((node.array >= 0).all())


def _is_read_on(node: Node) -> bool:
    return any(port.node.type != "Result" for output in node.outputs for port in output.consumers)


def _has_one_output_channel(node: Node) -> bool:
    return node.output().shape[1:2] == (1,)


def _is_behind_moved_channels(node: Node) -> bool:
    """Whether the data come directly from a Transpose that moves the batch or the channels, or may move them."""
    above = node.source(DATA_PORT).node
    if above.type != "Transpose":
        return False
    order = above.source(1).node
    return order.type != "Const" or order.array[:2].tolist() != [0, 1]


def _has_several_constants(node: Node) -> bool:
    constants = (port.source for port in node.inputs if is_constant(port.source))
    return node.type in _ELEMENT_WISE and any(math.prod(each.shape) > 1 for each in constants)


def _only_source(node: Node) -> Node | None:
    """The only non-constant source of a node; None if there are several, or none."""
    sources = [port.source.node for port in node.inputs if not is_constant(port.source)]
    return sources[0] if len(sources) == 1 else None


def _is_up_to_256(product: Node) -> bool:
    weights = product.source(WEIGHTS_PORT)
    return weights.node.type == "Const" and max(weights.shape) <= 256


def _takes_two_activations(node: Node) -> bool:
    """Whether no input is a constant, rounded or not."""
    sources = [port.source.node for port in node.inputs]
    return all((each.source(0).node if each.type == "FakeQuantize" else each).type != "Const" for each in sources)


def _shape_shows_order(node: Node) -> bool:
    """Whether a Transpose that the node reads, if any, changes the shape, or has a dynamic one."""
    data = node.source()
    return data.node.type != "Transpose" or data.shape != data.node.source().shape or -1 in data.shape


def _has_constant_parameters(node: Node) -> bool:
    return all(port.source.node.type == "Const" for port in node.inputs[1:])


#: Property -> whether it holds of a node.
PROPERTIES: Mapping[Property, Callable[[Node], bool]] = {
    "after_bent_extreme": _is_after_bent_extreme,
    "after_scaled_product_up_to_256": _is_after_small_scaled_product,
    "averages_padding": _averages_padding,
    "before_activation": _is_before_activation,
    "before_activations": _is_before_activations,
    "before_signed_activation": _is_before_signed_activation,
    "before_steps_by_channel": _is_before_steps_by_channel,
    "behind_moved_channels": _is_behind_moved_channels,
    "constant_first": _has_constant_first,
    "constant_parameters": _has_constant_parameters,
    "depthwise": is_depthwise,
    "dilated": _is_dilated,
    "dilated_even": _is_even_where_dilated,
    "embedding": looks_up_rows,
    "first_output_only": _has_first_output_only,
    "groups_not_by_4": _has_groups_not_by_4,
    "known_scale": _has_known_scale,
    "maybe_few_columns": _may_have_few_columns,
    "multiplies_channels": _multiplies_channels,
    "multiplies_vector": _multiplies_vector,
    "no_padding": _adds_no_padding,
    "of_any_size": _is_of_any_size,
    "one_output_channel": _has_one_output_channel,
    "output_padding_within_pads": _pads_no_output,
    "padded": _is_padded,
    "pads_a_convolution": _pads_a_convolution,
    "pointwise": _is_pointwise,
    "several_matrices": multiplies_batches,
    "shape_shows_order": _shape_shows_order,
    "steps_fit_kernel": _steps_fit_kernel,
    "strided": _is_strided,
    "two_activations": _takes_two_activations,
    "undilated": _is_undilated,
    "zero_padding": _pads_with_zero,
}
