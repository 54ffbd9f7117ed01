"""Which of the operations that stand out are worth their time in float."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..analysis.work import time_in_float
from ..evaluation.fake_quant_switch import rounded_operations
from ..evaluation.sensitivity import Effect
from ..evaluation.standouts import standouts
from .bisect import returned_to
from .requantize import Attempt, CalibratedModel, Key

#: What a hundredth of the model's time must bring, in dB, and the most that may be spent.
DECIBELS_A_PERCENT, MOST_PERCENT = 2.0, 5.0
#: The share of the error from which an operation stands out: without it, the outputs are 1 dB better.
LEAST_SHARE = 0.2
#: Held-out samples to look on, and the most inferences: about as many as a calibration has, each of a model that is
#: there twice, with its FakeQuantizes computed in float.
_SAMPLES, _INFERENCES = 2, 64


@dataclass(frozen=True)
class Knee:
    """Operations that are worth their time in float.

    Attributes:
        effects: What rounding them costs, the costliest first.
        percent: Of the model's time that they take longer, as foretold from the work that they are.
    """

    effects: Sequence[Effect]
    percent: float

    @property
    def least_gain(self) -> float:
        """What they must bring in dB."""
        return max(-10 * math.log10(1 - LEAST_SHARE) / 2, DECIBELS_A_PERCENT * self.percent)


def find_knee(attempt: Attempt, calibrated: CalibratedModel, wanted: float) -> Knee | None:
    """The operations whose return to float brings most for their time; None if no operation stands out.

    Args:
        attempt: The model.
        calibrated: From what others can be made.
        wanted: From so many dB more on, more is not wanted. Not positive: nothing is, as where an output is fair only
            because its sizes differ.
    """
    if wanted <= 0:
        return None
    graph, context = calibrated.rounded(attempt.config, attempt.floats, hiding=False)
    found = standouts(graph, context, context.held_out[:_SAMPLES], _INFERENCES, LEAST_SHARE)
    if not found:
        return None
    times = time_in_float(graph, rounded_operations(graph, context.plan))
    percents = {(node.graph.scope, node.id): 100 * each for node, each in times.items()}
    return best_prefix(found, percents, wanted)


def best_prefix(found: Sequence[Effect], percents: Mapping[Key, float], wanted: float) -> Knee | None:
    """The first so many, by what they bring for their time, that are worth most.

    Args:
        found: Operations that stand out.
        percents: By operation, how much longer the model takes with it in float.
        wanted: From so many dB on, more is not wanted.
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


def without(attempt: Attempt, calibrated: CalibratedModel, knee: Knee) -> Attempt:
    """The model with these operations in float."""
    return calibrated.attempt(attempt.config, returned_to(attempt.floats, knee.effects))
