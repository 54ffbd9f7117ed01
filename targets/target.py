"""What a device can run in int8, as plain values. No code names a device: each is a YAML file.

`Target.rule(node)` and similar methods find the entry of the file for a node. `passes/placement/` decides where a
FakeQuantize goes.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ..ir import DYNAMIC, InPort, Node, OutPort
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
    weight_ports,
)


class Mode(StrEnum):
    """The position of a range relative to zero."""

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"


class Granularity(StrEnum):
    """The elements that share one range."""

    PER_TENSOR = "per_tensor"
    PER_CHANNEL = "per_channel"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
#: The widest values of a spec, in bits.
_MOST_BITS = 16
#: The runtime's name of the device that every machine has, for the check of results.
HERE = "CPU"


class _Strict(BaseModel):
    """A frozen value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class QuantSpec(_Strict):
    """How a tensor is quantized.

    Attributes:
        bits: Width of a value.
        modes: Modes that the device can run, preferred first; a preset chooses.
        granularity: The elements that share one range. A per-channel activation may fall back to per-tensor, never the
            reverse.
        narrow_range: Whether to omit the lowest level, so that zero is in the middle (255 levels for 8 bits).
        signed: Whether to keep levels below zero even if no value is negative.
        unsigned: Whether the device stores unsigned numbers, so that values below zero need a zero point.
        never_signed: Whether signed storage is wrong, too: a range that is centred on zero moves by a step.
        keeps_mode: Whether the mode stays if the user names another, with which the device would be wrong.
        zero_point: Whether the device supports a zero point.
        free_zero_point: Whether a zero point costs no time; each tensor then gets the better mode.
        slow_zero_point: Whether a zero point takes time on some of the devices, beside `free_zero_point`; a model that
            stays good without such zero points gets symmetric ranges there.
        absorbs_zero_point: Whether the layer's bias takes the zero point over, and the device gets numbers from zero
            on. Only for layers without padding and with constant weights. A tensor with other readers has a zero point
            as these and `zero_point` allow.
        also_levels: Other numbers of levels with which the device runs the layer in int8.
        level_count: The number of levels, if it is not 2^bits.
        unsupported_reason: Why the device does not run this spec in int8; empty except for options of the user that the
            device does not support.
    """

    bits: Annotated[int, Field(ge=2, le=_MOST_BITS)]
    modes: tuple[Mode, ...] = (Mode.SYMMETRIC, Mode.ASYMMETRIC)
    granularity: Granularity
    narrow_range: bool = False
    signed: bool = False
    unsigned: bool = False
    never_signed: bool = False
    keeps_mode: bool = False
    zero_point: bool = True
    free_zero_point: bool = False
    slow_zero_point: bool = False
    absorbs_zero_point: bool = False
    also_levels: tuple[int, ...] = ()
    level_count: int | None = None
    unsupported_reason: str = ""

    @field_validator("also_levels", "level_count")
    @classmethod
    def _bits_hold_levels(
        cls, value: int | tuple[int, ...] | None, info: ValidationInfo
    ) -> int | tuple[int, ...] | None:
        """Refuses more levels than the bits hold, or fewer than two."""
        bits: int = info.data.get("bits", _MOST_BITS)
        for count in value if isinstance(value, tuple) else (value,):
            if count is not None and not 2 <= count <= 2**bits:
                message = f"found {count}, expected 2 to {2**bits}: so many levels fit in {bits} bits"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _zero_point_is_there(self) -> Self:
        if self.zero_point or self.absorbs_zero_point:
            return self
        if self.unsigned:
            message = "unsigned: true leaves no code for values below zero if zero_point is false; change one of them"
            raise ValueError(message)
        if Mode.SYMMETRIC not in self.modes:
            message = "asymmetric ranges need a zero point, and zero_point is false; add symmetric to modes"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _storage_is_one(self) -> Self:
        if self.signed and self.unsigned:
            message = "signed and unsigned are both true; keep the one that says how the device stores the numbers"
            raise ValueError(message)
        return self

    def levels(self, mode: Mode) -> int:
        """The `levels` of the FakeQuantize; only symmetric ranges are narrow."""
        return self.level_count or int(2**self.bits) - (self.narrow_range and mode is Mode.SYMMETRIC)

    @property
    def may_have_zero_point(self) -> bool:
        """Whether values below zero may need a zero point: in an asymmetric range, or in unsigned storage."""
        return self.zero_point and (self.unsigned or Mode.ASYMMETRIC in self.modes)


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
#: The side whose channels a condition is about.
Side = Literal["in", "out"]


class Condition(_Strict):
    """The operations that an entry is about.

    Attributes:
        op: Op types as the .xml spells them.
        where: Attributes that must have one of these values.
        unless: Attributes that must not have one of these values.
        when: Properties beyond single attributes; all must hold.
        ranks: The numbers of dimensions that its data may have; empty: any.
        multiples: `in` or `out` -> a number that divides the channels (axis 1) of the first input or of the first
            output; dynamic or missing channels do not fit.
    """

    op: Names
    where: Mapping[str, Names] = Field(default_factory=dict)
    unless: Mapping[str, Names] = Field(default_factory=dict)
    when: Annotated[tuple[Property, ...], BeforeValidator(_listed)] = ()
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = ()
    multiples: Mapping[Side, Annotated[int, Field(ge=2)]] = Field(default_factory=dict[Side, int])

    def fits(self, node: Node) -> bool:
        """Whether the entry is about this node."""
        if node.type not in self.op:
            return False
        attributes = node.attributes
        if any(attributes.get(name, "").lower() not in values for name, values in self.where.items()):
            return False
        if any(attributes.get(name, "").lower() in values for name, values in self.unless.items()):
            return False
        if self.ranks and len(node.source(DATA_PORT).shape) not in self.ranks:
            return False
        if not all(_channels(node, side) % divisor == 0 for side, divisor in self.multiples.items()):
            return False
        return all(_PROPERTIES[name](node) for name in self.when)


def _channels(node: Node, side: Side) -> int:
    """The size of axis 1 of the first input or output; `DYNAMIC`, which has no divisors, if there is none."""
    shape = node.source(DATA_PORT).shape if side == "in" else node.output().shape
    return shape[1] if len(shape) > 1 else DYNAMIC


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
    return node.opset != "opset1" or DYNAMIC not in node.source(DATA_PORT).shape[2:]


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
    while above.type in (*_ELEMENT_WISE, *_MOVING):
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
    """Whether the data have a dynamic size behind axis 1."""
    return DYNAMIC in node.source(DATA_PORT).shape[2:]


def _may_have_few_columns(node: Node) -> bool:
    """Whether the size is dynamic, and the output may have few columns; for short rows, the batch counts, too."""
    batch, _, *sizes = node.source(DATA_PORT).shape
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
            if reader.type in (*_ELEMENT_WISE, *_MOVING, "Erf", "MaxPool") and len(steps) < _MOST_FUSED:
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
            carried = (*_BENT, *_LINEAR, *_MOVING, *(_JOINING if is_bent else ()))
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
    return port.node.type not in (*_MOVING, *_JOINING)


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
_NEVER_NEGATIVE = ("Abs", "Exp", "HSigmoid", "HardSigmoid", "ReLU", "Sigmoid", "SoftPlus", "Sqrt")
_MOVING = ("Convert", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
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
_PROPERTIES: Mapping[Property, Callable[[Node], bool]] = {
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


#: The role of an input: the first one; the second one of a product of activations; the initial state of a recurrent
#: layer; all constant matrices; every input.
Role = Literal["data", "second", "hidden", "weights", "all"]


class Rule(Condition):
    """The specs that an operation takes.

    Attributes:
        inputs: Role -> name of a spec. None: the operation stays float.
        requantizes: The operation takes int8 only if its result is demanded in int8 again: its inputs are quantized
            only if its output is.
        fuses: Functions of the result of a sum that a convolution in front of the sum computes, too, before it stores
            numbers of 8 bits; only with `requantizes`.
        same_range: The inputs must share one range.
        saturates: Without VNNI, the kernel adds the products of neighbouring input channels in 16 bits.
        needs_bias: If several operations read its result, the device computes it wrongly without a bias.
        needs_bias_before: If one of these operations reads its result, also behind data movement, the device cannot
            compile it, or computes it wrongly, without a bias.
        misreads_rows: Behind it, the device reads an operand with a number per column along the wrong axis.
        misreads_stacks: The device computes it wrongly if it transposes several constant matrices.
        mixes_up_products: If only one of the two products around a softmax runs in int8, and both have the same sizes,
            the device computes them wrongly.
        decomposes: The device runs the parts of the operation in int8, if they are written out.
        because: The reason that reports show.
    """

    inputs: Mapping[Role, str] = Field(default_factory=dict[Role, str])
    requantizes: bool = False
    fuses: Names = ()
    same_range: bool = False
    saturates: bool = False
    needs_bias: bool = False
    needs_bias_before: Names = ()
    misreads_rows: bool = False
    misreads_stacks: bool = False
    mixes_up_products: bool = False
    decomposes: bool = False
    because: str = ""

    @model_validator(mode="after")
    def _sum_is_stored(self) -> Self:
        if self.fuses and not self.requantizes:
            message = (
                "fuses is for a sum with requantizes: true; "
                "a function behind another layer needs no key: leave it out of transparent"
            )
            raise ValueError(message)
        return self

    def ports(self, node: Node) -> dict[int, str]:
        """The input ports of the rule, and the name of the spec for each."""
        found: dict[int, str] = {}
        for role, spec in self.inputs.items():
            indices = {
                "data": (0,),
                "second": (1,),
                "hidden": (1,),
                "weights": weight_ports(node),
                "all": tuple(range(len(node.inputs))),
            }[role]
            found |= dict.fromkeys(indices, spec)
        return found


class Transparent(Condition):
    """Operations that move values without changing them: a FakeQuantize behind them has the same effect in front.

    Attributes:
        keeps_channels: Whether axis 1 does not change, so that this also holds per channel.
        zero_point: Whether the device supports a zero point there; if not, only ranges without one move through.
    """

    keeps_channels: bool = False
    zero_point: bool = True


#: An element type of weights that are stored in fewer bits than floats.
WeightType = Literal["i8", "u8", "i4", "u4", "nf4"]


class Compression(Condition):
    """Layers of float data, and the element types in which the device keeps their weights.

    Attributes:
        types: The element types that it keeps and unpacks inside the layer; empty: it makes floats of all when it
            compiles the model.
        smallest_group: The fewest neighbouring input channels that may share a scale; None: only whole rows.
        because: The reason that reports show.
    """

    types: Annotated[tuple[WeightType, ...], BeforeValidator(_listed)] = ()
    smallest_group: Annotated[int, Field(ge=2)] | None = None
    because: str = ""


class Step(Condition):
    """A link of a chain of operations.

    Attributes:
        stays_float: Whether the pattern keeps this operation float.
        optional: Whether the link may be missing.
    """

    stays_float: bool = False
    optional: bool = False


class FloatPattern(_Strict):
    """Operations that stay float in a certain chain.

    Attributes:
        chain: The links; each reads the output of the one before.
        because: The reason that reports show.
    """

    chain: Annotated[tuple[Step, ...], Field(min_length=2)]
    because: str

    @model_validator(mode="after")
    def _ends_are_there(self) -> Self:
        if self.chain[0].optional or self.chain[-1].optional:
            message = "the first and the last link of a chain cannot be optional"
            raise ValueError(message)
        return self


class Target(_Strict):
    """A device.

    Attributes:
        name: The name for `--target`.
        aliases: Other names, in lower case; targets that extend it do not inherit them.
        description: One line for people.
        extends: The target that this one extends: specs of the same name replace, lists are prepended.
        device: The runtime's name of the device.
        accumulator_bits: The bits of the sum of two products in rules with `saturates`; 16 can overflow.
        specs: Named ways to quantize.
        rules: The first that fits an operation decides; an operation without a rule stays float.
        stays_float: Patterns that override the rules.
        transparent: Operations that a FakeQuantize moves through (on input 0).
        unified: Op types that it moves through on all inputs, which must then share one range.
        bodies: The control-flow operations whose bodies also run faster in int8.
        keeps_compressed: The layers whose weights it keeps compressed if their data are floats; the first entry that
            fits decides, and it keeps those of no other layer.
        misreads_narrow_integers: Whether the device takes 8-bit integers and flags that become floats, in front of a
            FakeQuantize or in a sum, for codes of its own.
        attention_sqnr: The decibels of signal to error that 8 bits must leave of probabilities; with fewer, the
            product of those and the values stays float. 0: any.
        sum_sqnr: The decibels of signal to error that 8 bits must leave of the operands of a sum; sums with fewer stay
            float. 0: any.
        operations: Operations of extensions that the file names, besides those of OpenVINO.
    """

    name: str
    aliases: Names = ()
    description: str = ""
    extends: str | None = None
    device: str = HERE
    accumulator_bits: Literal[16, 32] = 32
    specs: Mapping[str, QuantSpec]
    rules: tuple[Rule, ...]
    stays_float: tuple[FloatPattern, ...] = ()
    transparent: tuple[Transparent, ...] = ()
    unified: Names = ()
    bodies: Names = ()
    keeps_compressed: tuple[Compression, ...] = ()
    misreads_narrow_integers: bool = False
    attention_sqnr: Annotated[float, Field(ge=0)] = 0.0
    sum_sqnr: Annotated[float, Field(ge=0)] = 0.0
    operations: Names = ()

    def rule(self, node: Node) -> Rule | None:
        """The rule for this node, if any."""
        return next((rule for rule in self.rules if rule.fits(node)), None)

    def transparency(self, node: Node) -> Transparent | None:
        """The entry for the move of a FakeQuantize through this node, if any."""
        return next((entry for entry in self.transparent if entry.fits(node)), None)

    def compression(self, node: Node) -> Compression | None:
        """The entry for the compressed weights of this node, if any."""
        return next((entry for entry in self.keeps_compressed if entry.fits(node)), None)
