"""Finds the most sensitive operations that are worth their time in float."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ...ir import Graph
from ...ir.ops import LAYER_TYPES
from ..analysis.work import sizes_are_known, time_in_float
from ..evaluation.fake_quant_switch import rounded_operations
from ..evaluation.sensitivity import Effect, share_of_the_rest
from ..evaluation.standouts import standouts
from ..placement.plan import Plan
from .device import enough
from .requantize import Attempt, CalibratedModel, Key

#: The least gain in dB for each percent of the model's time, and the most percent that may be spent.
DECIBELS_A_PERCENT, MOST_PERCENT = 2.0, 5.0
#: The least share of the error with which an operation stands out: without it, the outputs are 1 dB better.
LEAST_SHARE = 0.2
#: The share of the error from which one operation alone decides about the outputs.
DOMINANT = 0.5
#: The most groups of operations that are measured: each is an inference of a model that holds each operation twice,
#: with its FakeQuantizes computed in float. Of eleven pretrained networks, an operation with half of the error on two
#: samples had two fifths or more on each of the first four: one sample is enough, two are for small outputs.
_RUNS, _MOST_SAMPLES = 32, 2


@dataclass(frozen=True)
class Knee:
    """Operations that are worth their time in float.

    Attributes:
        effects: Their sensitivities, the highest gain for the time first.
        percent: The predicted additional time in float, in percent of the model's time.
    """

    effects: Sequence[Effect]
    percent: float

    @property
    def predicted_gain(self) -> float:
        """The gain in dB to expect if errors of operations add up; 20 at most, since shares are not more exact."""
        return -10 * math.log10(max(1 - sum(each.share for each in self.effects), 0.01))

    @property
    def least_gain(self) -> float:
        """The least gain in dB that justifies them."""
        return max(-10 * math.log10(1 - LEAST_SHARE) / 2, DECIBELS_A_PERCENT * self.percent)


@dataclass(frozen=True)
class Standouts:
    """The operations that cause much of the error.

    Attributes:
        effects: Their sensitivities, the highest first.
        percents: For each operation, how much longer the model takes with it in float, in percent.
    """

    effects: Sequence[Effect]
    percents: Mapping[Key, float]


def find_standouts(attempt: Attempt, calibrated: CalibratedModel, known: Sequence[Effect] = ()) -> Standouts | None:
    """The operations that cause much of the error; None if no operation stands out.

    Args:
        attempt: The model.
        calibrated: The calibrated model.
        known: The sensitivities of its operations, if they were measured before, perhaps with fewer in float: then
            nothing runs.
    """
    if (percents := _percents(attempt.graph, attempt.context.plan)) is None:
        return None
    if known:
        found = _of_what_is_left(known, attempt.reverted_to_float)
    else:
        graph, context = calibrated.rounded(attempt.config, attempt.reverted_to_float, hiding=False)
        samples = enough(context.calibration.some(_MOST_SAMPLES), fewest=1)
        found = standouts(graph, context, samples, _RUNS, LEAST_SHARE)
    found = [each for each in found if (each.scope, each.node) in percents]
    return Standouts(found, percents) if found else None


def _of_what_is_left(known: Sequence[Effect], reverted_to_float: Collection[Key]) -> list[Effect]:
    """The operations that stand out of those that are not float yet, with their shares of the error of these."""
    left = [each for each in known if (each.scope, each.node) not in reverted_to_float]
    whole = sum(each.share for each in left) + (share_of_the_rest(known) or 0.0)
    return [replace(each, share=each.share / whole) for each in left if each.share >= LEAST_SHARE * whole > 0]


def find_dominant(attempt: Attempt, effects: Sequence[Effect], gains: Mapping[Key, float]) -> Knee | None:
    """The operation of a model that causes more than half of the error, if an output is not good; None without one.

    Args:
        attempt: The model.
        effects: Sensitivities of its operations, as far as they were measured.
        gains: Operations that were tried in float -> the gain in dB; it counts instead of the sensitivity.
    """
    first = max((_as_tried(each, gains) for each in effects), key=lambda each: each.share, default=None)
    if first is None or first.share <= DOMINANT or attempt.is_good:
        return None
    key, percents = (first.scope, first.node), _percents(attempt.graph, attempt.context.plan) or {}
    return Knee([first], percents[key]) if key in percents and key not in attempt.reverted_to_float else None


def _as_tried(effect: Effect, gains: Mapping[Key, float]) -> Effect:
    """The effect with the share of the error that a trial with the operation in float showed, if there was one."""
    gain = gains.get((effect.scope, effect.node))
    return effect if gain is None else replace(effect, share=1 - 10 ** (-gain / 10))


def _percents(graph: Graph, plan: Plan) -> Mapping[Key, float] | None:
    """How much longer a model takes with each rounded operation in float, in percent; None if sizes are unknown."""
    operations = rounded_operations(graph, plan)
    if not sizes_are_known([*operations, *graph.nodes(*LAYER_TYPES)]):
        return None
    times = time_in_float(graph, operations)
    return {(node.graph.scope, node.id): 100 * each for node, each in times.items()}


def best_prefix(found: Sequence[Effect], percents: Mapping[Key, float], wanted: float) -> Knee | None:
    """The best first n operations in the order of gain for time.

    Args:
        found: Operations that stand out.
        percents: For each operation, how much longer the model takes with it in float.
        wanted: The gain in dB that is enough.
    """
    order = sorted(found, key=lambda each: (-each.share / max(percents[each.scope, each.node], 1e-9), each.node))
    best, worth, share, percent = None, 0.0, 0.0, 0.0
    for count, each in enumerate(order, 1):
        share, percent = min(share + each.share, 1 - 1e-9), percent + percents[each.scope, each.node]
        gain = -10 * math.log10(1 - share)
        if percent <= MOST_PERCENT and gain - DECIBELS_A_PERCENT * percent > worth:
            best, worth = Knee(order[:count], percent), gain - DECIBELS_A_PERCENT * percent
        if gain >= wanted:
            break
    return best
