"""What a device can run in int8, as plain values. No code names a device: each is a YAML file.

`Target.rule(node)` and similar methods find the entry of the file for a node. `passes/placement/` decides where a
FakeQuantize goes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ..ir import DYNAMIC, Node
from ..ir.ops import DATA_PORT, weight_ports
from .properties import PROPERTIES, Property


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
_Entry = TypeVar("_Entry", bound="Condition")
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
        if any(_channels(node, side) % divisor for side, divisor in self.multiples.items()):
            return False
        return all(PROPERTIES[name](node) for name in self.when)


def _channels(node: Node, side: Side) -> int:
    """The size of axis 1 of the first input or output; `DYNAMIC`, which has no divisors, if there is none."""
    shape = node.source(DATA_PORT).shape if side == "in" else node.output().shape
    return shape[1] if len(shape) > 1 else DYNAMIC


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
        misreads_full_rows: Whether the device gives garbage for convolutions of few input channels that fill whole rows
            of its matrices together with the last axis of their kernel.
        hangs_in_depthwise: Whether inferences never end in depthwise convolutions of few channels and long kernels.
        moves_scales_behind: Operations with an epsilon, behind which the device moves the scale of an int8 layer, so
            that epsilon is compared with numbers of another unit; a bias in front keeps the scale there.
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
    misreads_full_rows: bool = False
    hangs_in_depthwise: bool = False
    moves_scales_behind: Names = ()
    attention_sqnr: Annotated[float, Field(ge=0)] = 0.0
    sum_sqnr: Annotated[float, Field(ge=0)] = 0.0
    operations: Names = ()

    def rule(self, node: Node) -> Rule | None:
        """The rule for this node, if any."""
        return _first(self.rules, node)

    def transparency(self, node: Node) -> Transparent | None:
        """The entry for the move of a FakeQuantize through this node, if any."""
        return _first(self.transparent, node)

    def compression(self, node: Node) -> Compression | None:
        """The entry for the compressed weights of this node, if any."""
        return _first(self.keeps_compressed, node)


def _first(entries: tuple[_Entry, ...], node: Node) -> _Entry | None:
    """The first entry about a node; most entries are about other types."""
    op = node.type
    return next((each for each in entries if op in each.op and each.fits(node)), None)
