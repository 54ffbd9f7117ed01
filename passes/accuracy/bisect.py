"""The search that the guard and the accuracy control share: the fewest of the most sensitive layers that are enough."""

from collections.abc import Callable, Mapping, Sequence

from ...ir.listing import first_few
from ...ir.ops import LAYER_TYPES
from ..evaluation.sensitivity import Effect, measure_effects, ranked
from ..options.config import QuantizationConfig
from .requantize import CalibratedModel, Key

#: The prediction aims at this share of the allowed error, because predictions are not exact.
_AIM = 0.8
#: The most operations that a description names.
_NAMED = 3


def costliest(
    calibrated: CalibratedModel,
    config: QuantizationConfig,
    reverted_to_float: Mapping[Key, str],
    samples: int,
    inferences: int,
) -> list[Effect]:
    """The sensitivity of each operation that is still rounded, the highest first; empty without held-out samples.

    Args:
        calibrated: The calibrated model.
        config: The options.
        reverted_to_float: The operations that are float already.
        samples: The number of held-out samples to rank on.
        inferences: The most inferences to run.
    """
    if not calibrated.context.held_out:
        return []
    graph, context = calibrated.rounded(config, reverted_to_float, hiding=False)
    return ranked(measure_effects(graph, context, context.calibration.some(samples), inferences))


def predicted(effects: Sequence[Effect], allowed: float) -> int:
    """The number of operations to revert, until the others cause no more than the allowed share, if errors add up."""
    remaining = 1.0
    for count, each in enumerate(effects):
        if count and remaining <= _AIM * allowed:
            return count
        remaining -= each.share
    return len(effects)


def fewest(most: int, first: int, is_enough: Callable[[int], bool | None], tolerance: float = 0.0) -> int | None:
    """Finds the smallest number that is enough, by doubling, then by halving; assumes that more is never worse.

    Args:
        most: The largest number.
        first: The number to begin with, 1 or more.
        is_enough: Tries a number; None ends the search.
        tolerance: The share of a number that is enough by which a smaller one may be missed.

    Returns:
        The smallest number that was tried and was enough; None if there is none.
    """
    enough, too_few, count = most + 1, 0, min(first, most)
    while enough - too_few > (1 + tolerance * enough if enough <= most else 1):
        found = is_enough(count)
        if found is None:
            break
        enough, too_few = (count, too_few) if found else (enough, count)
        count = (too_few + enough) // 2 if enough <= most else min(most, 2 * count)
    return enough if enough <= most else None


def with_reverted(reverted_to_float: Mapping[Key, str], effects: Sequence[Effect]) -> dict[Key, str]:
    """Adds operations to those that are float already."""
    return {**reverted_to_float, **{(each.scope, each.node): each.reason for each in effects}}


def named(effects: Sequence[Effect]) -> str:
    """Describes in a few words which operations are float."""
    if not effects:
        return "nothing"
    names = first_few([f"'{each.name}'" for each in effects], _NAMED)
    others = [each.type for each in effects if each.type not in LAYER_TYPES]
    besides = f" ({len(others)} of them not counted as layers: {', '.join(sorted({*others}))})" if others else ""
    return f"float: {names}{besides}"
