"""What the guard and the accuracy control have in common: the costliest layers, and how few of them are enough."""

from collections.abc import Callable, Mapping, Sequence

from ..evaluation.sensitivity import Effect, measure_effects, ranked
from ..options.config import QuantizationConfig
from .requantize import CalibratedModel, Key

#: The share of the allowed error that is aimed at: predictions are not exact.
_AIM = 0.8


def effects_of(
    calibrated: CalibratedModel, config: QuantizationConfig, floats: Mapping[Key, str], samples: int, inferences: int
) -> list[Effect]:
    """What rounding each operation costs that is still rounded, in topological order; none without held-out samples.

    Args:
        calibrated: From what models are made.
        config: The options.
        floats: The operations that are float already.
        samples: How many held-out samples to rank on.
        inferences: How many inferences may be spent.
    """
    if not calibrated.context.held_out:
        return []
    graph, context = calibrated.rounded(config, floats, hiding=False)
    return measure_effects(graph, context, context.held_out[:samples], inferences)


def costliest(
    calibrated: CalibratedModel, config: QuantizationConfig, floats: Mapping[Key, str], samples: int, inferences: int
) -> list[Effect]:
    """`effects_of`, the costliest first."""
    return ranked(effects_of(calibrated, config, floats, samples, inferences))


def predicted(effects: Sequence[Effect], allowed: float) -> int:
    """How many of the costliest it takes if errors add up, until the others leave no more than the allowed share."""
    remaining = 1.0
    for count, each in enumerate(effects):
        if count and remaining <= _AIM * allowed:
            return count
        remaining -= each.share
    return len(effects)


def fewest(most: int, first: int, is_enough: Callable[[int], bool | None]) -> int | None:
    """The smallest number that is enough, as far as more of them are never worse: by doubling, then by halving.

    Args:
        most: The largest number.
        first: Where to begin, from 1 on.
        is_enough: Tries a number; None ends the search.

    Returns:
        A number that was tried and enough; None if none was.
    """
    enough, too_few, count = most + 1, 0, min(first, most)
    while too_few + 1 < enough:
        found = is_enough(count)
        if found is None:
            break
        enough, too_few = (count, too_few) if found else (enough, count)
        count = (too_few + enough) // 2 if enough <= most else min(most, 2 * count)
    return enough if enough <= most else None


def returned_to(floats: Mapping[Key, str], effects: Sequence[Effect]) -> dict[Key, str]:
    """The operations that are float already, and more of them."""
    return {**floats, **{(each.scope, each.node): _because(each) for each in effects}}


def named(effects: Sequence[Effect]) -> str:
    """Which operations are float, in a few words."""
    names = ", ".join(f"'{each.name}'" for each in effects[:3])
    more = f" and {len(effects) - 3} more" if len(effects) > 3 else ""
    return f"float: {names}{more}" if effects else "nothing"


def _because(effect: Effect) -> str:
    return f"rounding it makes {effect.share:.0%} of the outputs' error ({effect.own:.1f} dB of its own)"
