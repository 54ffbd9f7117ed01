"""The demands of a tensor's readers, and whether one FakeQuantize can serve several of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...targets import Granularity, Mode, QuantSpec


@dataclass(frozen=True)
class Demand:
    """The demand of an input port on its tensor.

    Attributes:
        spec: How to quantize.
        mandatory: Whether the demand is met even if other consumers need float. Another demand is only met if the whole
            tensor becomes int8 anyway: a second copy of the tensor would cost more than it saves.
        is_shared: Whether the range is shared with a tensor that may have values below zero.
    """

    spec: QuantSpec
    mandatory: bool = True
    is_shared: bool = False

    def may_bring_zero_point(self, *, nonnegative: bool) -> bool:
        """Whether the range of a tensor may get a zero point."""
        return self.spec.may_have_zero_point and (self.is_shared or not nonnegative)


def per_tensor(spec: QuantSpec) -> QuantSpec:
    """The spec with one range for the whole tensor."""
    return spec.model_copy(update={"granularity": Granularity.PER_TENSOR})


def without_absorption(spec: QuantSpec) -> QuantSpec:
    """The spec for a tensor whose zero point no bias takes over."""
    if not spec.absorbs_zero_point:
        return spec
    modes = spec.modes if spec.zero_point else (Mode.SYMMETRIC,)
    never_signed = spec.never_signed and spec.zero_point  # without a zero point, signed storage is what is left
    return spec.model_copy(update={"absorbs_zero_point": False, "modes": modes, "never_signed": never_signed})


def meet(demands: Iterable[Demand | None], *, nonnegative: bool) -> Demand | None:
    """The demand that satisfies all demands on a tensor; None if one is None, they conflict, or none is given."""
    result: Demand | None = None
    for demand in demands:
        if demand is None:
            return None
        if result is None:
            result = demand
        elif spec := _both(result.spec, demand.spec, nonnegative=nonnegative and not _is_shared(result, demand)):
            result = Demand(spec, result.mandatory or demand.mandatory, _is_shared(result, demand))
        else:
            return None
    return result


def _is_shared(one: Demand, other: Demand) -> bool:
    return one.is_shared or other.is_shared


def _both(one: QuantSpec, other: QuantSpec, *, nonnegative: bool) -> QuantSpec | None:
    absorbs = one.absorbs_zero_point and other.absorbs_zero_point
    if not absorbs:
        one, other = without_absorption(one), without_absorption(other)
    modes = tuple(mode for mode in one.modes if mode in other.modes)
    if one.bits != other.bits or one.narrow_range != other.narrow_range or not modes:
        return None
    unsigned, zero_point = one.unsigned or other.unsigned, one.zero_point and other.zero_point
    if unsigned and not zero_point and not nonnegative and not absorbs:
        return None
    either = Granularity.PER_TENSOR in (one.granularity, other.granularity)
    granularity = Granularity.PER_TENSOR if either else one.granularity
    signed, is_free = one.signed or other.signed, one.free_zero_point and other.free_zero_point
    return one.model_copy(
        update={
            "modes": modes,
            "granularity": granularity,
            "signed": signed,
            "unsigned": unsigned,
            "never_signed": one.never_signed or other.never_signed,
            "keeps_mode": one.keeps_mode or other.keeps_mode,
            "zero_point": zero_point,
            "free_zero_point": is_free,
            "slow_zero_point": one.slow_zero_point or other.slow_zero_point,
            "absorbs_zero_point": absorbs,
        }
    )
