"""What a device can run in int8, as plain values. No device is named in code: each is a YAML file.

`Target.rule(node)` and its siblings answer what the file says of a node; they look at the node only, never at the graph
around it. Deciding where a FakeQuantize goes is the placement analysis' work, in `passes`.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..ir import DYNAMIC, Node
from ..ir.ops import (
    DATA_PORT,
    WEIGHTS_PORT,
    flag,
    integers,
    is_constant,
    is_depthwise,
    kernel_shape,
    looks_up_rows,
    weight_ports,
)


class Mode(StrEnum):
    """How a range lies around zero."""

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"


class Granularity(StrEnum):
    """What shares one range."""

    PER_TENSOR = "per_tensor"
    PER_CHANNEL = "per_channel"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
#: What the runtime calls the device that every machine has: results are checked on it.
HERE = "CPU"


class _Strict(BaseModel):
    """A frozen value that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuantSpec(_Strict):
    """How a tensor is quantized.

    Attributes:
        bits: Width of a value.
        modes: What the device can run, preferred first; a preset chooses.
        granularity: What shares one range. A per-channel activation may fall back to per-tensor, never the reverse.
        narrow_range: Leave out the lowest level, so that zero lies in the middle (255 levels for 8 bits).
        signed: Keep levels below zero even if no value is negative.
        unsigned: The device stores unsigned numbers: values below zero take a zero point.
        zero_point: Whether the device takes one.
        free_zero_point: Whether one takes no more time than none: then the better mode is chosen, tensor by tensor.
        also_levels: Other numbers of levels with which the device runs the layer in int8.
        level_count: A number of levels that does not follow from `bits`.
        unsupported_reason: Why the device does not run this in int8; empty but for what a user asks for against it.
    """

    bits: Annotated[int, Field(ge=2, le=16)]
    modes: tuple[Mode, ...] = (Mode.SYMMETRIC, Mode.ASYMMETRIC)
    granularity: Granularity
    narrow_range: bool = False
    signed: bool = False
    unsigned: bool = False
    zero_point: bool = True
    free_zero_point: bool = False
    also_levels: tuple[int, ...] = ()
    level_count: Annotated[int, Field(ge=2)] | None = None
    unsupported_reason: str = ""

    def levels(self, mode: Mode) -> int:
        """The `levels` of the FakeQuantize; a narrow range is for symmetric ones."""
        return self.level_count or int(2**self.bits) - (self.narrow_range and mode is Mode.SYMMETRIC)

    @property
    def may_have_zero_point(self) -> bool:
        """Whether values below zero may bring a zero point: that of an asymmetric range, or of its storage."""
        return self.zero_point and (self.unsigned or Mode.ASYMMETRIC in self.modes)


#: What an operation is, or has.
Property = Literal[
    "after_bent_extreme",
    "after_scaled_product_up_to_256",
    "averages_padding",
    "constant_first",
    "constant_parameters",
    "depthwise",
    "embedding",
    "first_output_only",
    "groups_not_by_4",
    "kernel_covers_stride",
    "last_stride_up_to_3",
    "multiplies_channels",
    "no_padding",
    "output_padding_within_pads",
    "pads_a_convolution",
    "two_activations",
    "undilated",
    "zero_padding",
]
#: Whose channels an entry speaks of.
Side = Literal["in", "out"]


class Condition(_Strict):
    """Which operations an entry speaks of.

    Attributes:
        op: Op types as the .xml spells them.
        where: Attributes that must have one of these values.
        unless: Attributes that must not have one of these values.
        when: Properties that cannot be read off one attribute; all must hold.
        ranks: Numbers of dimensions that its data may have; any, if none is given.
        multiples: `in` or `out` -> a number that divides the channels (axis 1) of the first input or of the first
            output; dynamic channels, or none, do not fit.
    """

    op: Names
    where: Mapping[str, Names] = Field(default_factory=dict)
    unless: Mapping[str, Names] = Field(default_factory=dict)
    when: Annotated[tuple[Property, ...], BeforeValidator(_listed)] = ()
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = ()
    multiples: Mapping[Side, Annotated[int, Field(ge=2)]] = Field(default_factory=dict[Side, int])

    def fits(self, node: Node) -> bool:
        """Whether the entry speaks of this node."""
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
    """The size of axis 1 of the first input or output; `DYNAMIC`, which nothing divides, if there is no such size."""
    shape = node.source(DATA_PORT).shape if side == "in" else node.output().shape
    return shape[1] if len(shape) > 1 else DYNAMIC


def _pads_with_zero(node: Node) -> bool:
    if node.attributes.get("pad_mode", "constant").lower() != "constant" or len(node.inputs) < 4:
        return True
    value = node.source(3).node
    return value.type == "Const" and not np.any(value.array)


def _pads_a_convolution(node: Node) -> bool:
    """Whether a Pad puts zeros around spatial axes in front of one convolution, so that the runtime joins the two."""
    readers = [port.node.type for port in node.output().consumers]
    sizes = [node.source(index).node for index in (1, 2)]
    is_zero = node.attributes.get("pad_mode", "constant").lower() == "constant" and _pads_with_zero(node)
    if readers not in (["Convolution"], ["GroupConvolution"]) or not is_zero:
        return False
    return all(each.type == "Const" and not each.array[:2].any() and (each.array >= 0).all() for each in sizes)


def _adds_no_padding(node: Node) -> bool:
    """Whether an operation puts nothing around its data, by attributes or (SpaceToBatch) by inputs."""
    attributes = any(any(integers(node, name)) for name in ("pads_begin", "pads_end"))
    if attributes or node.attributes.get("auto_pad", "").lower().startswith("same"):
        return False
    inputs = [node.source(index).node for index in (2, 3)] if node.type == "SpaceToBatch" else []
    return all(each.type == "Const" and not each.array.any() for each in inputs)


def _averages_padding(node: Node) -> bool:
    return not flag(node, "exclude-pad") and not _adds_no_padding(node)


def _is_undilated(node: Node) -> bool:
    return all(size == 1 for size in integers(node, "dilations"))


def _kernel_covers_stride(node: Node) -> bool:
    """Whether a transposed convolution leaves no gaps between the images of its kernel."""
    return all(stride <= size for stride, size in zip(integers(node, "strides"), kernel_shape(node), strict=False))


def _pads_no_output(node: Node) -> bool:
    """Whether a transposed convolution puts nothing behind its result, but only cuts off less of it."""
    wider, cut = integers(node, "output_padding"), integers(node, "pads_end")
    is_explicit = node.attributes.get("auto_pad", "explicit").lower() == "explicit"
    return not any(wider) or (is_explicit and all(one <= other for one, other in zip(wider, cut, strict=False)))


def _last_stride_is_short(node: Node) -> bool:
    return all(stride <= 3 for stride in integers(node, "strides")[-1:])


def _has_constant_first(node: Node) -> bool:
    return [port.source.node.type == "Const" for port in node.inputs[:2]] == [True, False]


def _channels_of_groups(node: Node) -> tuple[int, ...]:
    """Output and input channels a group of a GroupConvolution, whose weights are [G, O, I, k...]."""
    return node.source(WEIGHTS_PORT).shape[1:3]


def _multiplies_channels(node: Node) -> bool:
    """Whether a GroupConvolution makes several channels of each."""
    return is_depthwise(node) and _channels_of_groups(node)[0] > 1


def _has_groups_not_by_4(node: Node) -> bool:
    """Whether channels a group are no multiples of 4, and more than one."""
    counts = _channels_of_groups(node)
    return counts != (1, 1) and any(each % 4 for each in counts)


def _has_first_output_only(node: Node) -> bool:
    return not any(output.consumers for output in node.outputs[1:])


def _is_after_small_scaled_product(node: Node) -> bool:
    """Whether a MatMul reads another one, and both have constant matrices of 256 columns and rows at most.

    Between them a constant scales the result, or shifts it anywhere but right behind the product, where it is a bias.
    Steps that bend it (a sigmoid, say) end the search; ReLU and Clamp do not.
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
    """Whether data come from a ReduceMax or ReduceMin through element-wise steps, behind which they are rounded."""
    is_bent = False
    while above.type in (*_ELEMENT_WISE, *_MOVING):
        if (source := _only_source(above)) is None:
            return False
        is_bent |= above.type in _ELEMENT_WISE
        above = source
    return is_bent and above.type in ("ReduceMax", "ReduceMin")


def _only_source(node: Node) -> Node | None:
    """What a node reads besides constants; None if that is more than one thing, or nothing."""
    sources = [port.source.node for port in node.inputs if not is_constant(port.source)]
    return sources[0] if len(sources) == 1 else None


def _is_up_to_256(product: Node) -> bool:
    weights = product.source(WEIGHTS_PORT)
    return weights.node.type == "Const" and max(weights.shape) <= 256


def _takes_two_activations(node: Node) -> bool:
    """Whether no input is a constant, rounded or not."""
    sources = [port.source.node for port in node.inputs]
    return all((each.source(0).node if each.type == "FakeQuantize" else each).type != "Const" for each in sources)


def _has_constant_parameters(node: Node) -> bool:
    return all(port.source.node.type == "Const" for port in node.inputs[1:])


#: What the CPU plugin fuses into what is in front of it, and what it moves out of the way.
_ELEMENT_WISE = (
    *("Abs", "Add", "BatchNormInference", "Clamp", "Divide", "Elu", "Exp", "Gelu", "HSigmoid", "HSwish", "HardSigmoid"),
    *("Mish", "Multiply", "PReLU", "Power", "ReLU", "Sigmoid", "SoftPlus", "Sqrt", "Subtract", "Swish", "Tanh"),
)
_MOVING = ("Convert", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_PROPERTIES: Mapping[Property, Callable[[Node], bool]] = {
    "after_bent_extreme": _is_after_bent_extreme,
    "after_scaled_product_up_to_256": _is_after_small_scaled_product,
    "averages_padding": _averages_padding,
    "constant_first": _has_constant_first,
    "constant_parameters": _has_constant_parameters,
    "depthwise": is_depthwise,
    "embedding": looks_up_rows,
    "first_output_only": _has_first_output_only,
    "groups_not_by_4": _has_groups_not_by_4,
    "kernel_covers_stride": _kernel_covers_stride,
    "last_stride_up_to_3": _last_stride_is_short,
    "multiplies_channels": _multiplies_channels,
    "no_padding": _adds_no_padding,
    "output_padding_within_pads": _pads_no_output,
    "pads_a_convolution": _pads_a_convolution,
    "two_activations": _takes_two_activations,
    "undilated": _is_undilated,
    "zero_padding": _pads_with_zero,
}


#: What an input is to its operation: the first one; the second one of a product of activations; the initial state of a
#: recurrent layer; all constant matrices; every input.
Role = Literal["data", "second", "hidden", "weights", "all"]


class Rule(Condition):
    """What an operation takes.

    Attributes:
        inputs: Role -> name of a spec. None: the operation stays float.
        requantizes: The operation takes int8 only where its result is wanted in int8 again: its inputs are quantized
            only if its output is.
        same_range: The inputs must share one range.
        saturates: Without VNNI, the kernel adds the products of neighbouring input channels in 16 bits.
        needs_bias: Where several operations read its result, the device computes it wrongly unless it has a bias.
        needs_bias_before: Where one of these operations reads its result, moved about or not, the device cannot compile
            it, or computes it wrongly, unless it has a bias.
        misreads_rows: Behind it, the device takes an operand that has a number a column along the wrong axis.
        misreads_stacks: The device computes it wrongly if it transposes several constant matrices.
        mixes_up_products: If one of the two products around a softmax runs in int8 and the other does not, the device
            computes them wrongly where both have the same sizes.
        decomposes: The device runs the parts of the operation in int8, if they are written out.
        because: Why, for the reader of a report.
    """

    inputs: Mapping[Role, str] = Field(default_factory=dict[Role, str])
    requantizes: bool = False
    same_range: bool = False
    saturates: bool = False
    needs_bias: bool = False
    needs_bias_before: Names = ()
    misreads_rows: bool = False
    misreads_stacks: bool = False
    mixes_up_products: bool = False
    decomposes: bool = False
    because: str = ""

    def ports(self, node: Node) -> dict[int, str]:
        """The input ports that the rule speaks of, and the name of the spec for each."""
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
    """Operations that move values without changing them: a FakeQuantize behind them does the same in front of them.

    Attributes:
        keeps_channels: Whether axis 1 comes out as it went in, so that this holds per channel, too.
        zero_point: Whether the device carries a zero point through them; if not, they move only what needs none.
    """

    keeps_channels: bool = False
    zero_point: bool = True


class Step(Condition):
    """A link of a chain of operations.

    Attributes:
        stays_float: Whether this operation is one of those that the pattern keeps float.
        optional: Whether the chain may go on without it.
    """

    stays_float: bool = False
    optional: bool = False


class FloatPattern(_Strict):
    """Operations that stay float where they stand in a certain chain.

    Attributes:
        chain: Each link reads what the one before it gives.
        because: Why.
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
        name: What `--target` calls it.
        aliases: What else `--target` and configurations call it, in lower case; a target that extends it has its own.
        description: One line for people.
        extends: The target that this one adds to: specs of the same name replace, lists go in front of its lists.
        device: What the runtime calls the device.
        accumulator_bits: Bits of the register in which rules with `saturates` add two products; 16 can overflow.
        specs: Named ways to quantize.
        rules: The first that fits an operation decides; an operation that none fits stays float.
        stays_float: Patterns that overrule the rules.
        transparent: What a FakeQuantize moves through (on input 0).
        unified: What it moves through on all inputs, which must then share one range.
        bodies: The operations of control flow in whose bodies the device gains from int8, too.
        skips_narrow_integers: Whether floats that become integers of 8 bits and floats again in front of a FakeQuantize
            are not made whole by the device.
        operations: Operations of extensions that the file speaks of, besides those that OpenVINO has.
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
    skips_narrow_integers: bool = False
    operations: Names = ()

    def rule(self, node: Node) -> Rule | None:
        """The rule that speaks of this node, if any."""
        return next((rule for rule in self.rules if rule.fits(node)), None)

    def transparency(self, node: Node) -> Transparent | None:
        """The entry that says how a FakeQuantize moves through this node, if it does."""
        return next((entry for entry in self.transparent if entry.fits(node)), None)
