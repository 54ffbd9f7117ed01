"""Finds layers that cause much of the error of an output and take next to no time in float.

Heads of detectors and last layers of classifiers often are such layers. They are worth a look even if all outputs are
good: a classifier of page orientations has 20.3 dB, and 36.0 dB with one product of 512 multiply-accumulates in float.

The search is cheap. The sizes of the layers say which of them are candidates. Without one, nothing runs. Then one
model is compiled in which only the candidates are rounded, so that it takes little more time than the float model.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from ...ir.ops import LAYER_TYPES
from ..analysis.agreement import Agreement, agreements
from ..analysis.work import SLOWDOWN, sizes_are_known, time_in_float
from ..evaluation.fake_quant_switch import rounded_operations
from ..evaluation.sensitivity import GatedModel, effect_of
from .knee import LEAST_SHARE, Knee
from .requantize import Attempt, CalibratedModel, Key

#: The most time that a layer may add in float, in percent of the model's: it does a thousandth of the model's work.
MOST_PERCENT = 100 * (SLOWDOWN - 1) / 1000
#: The distance of an output above the good level, in dB, from which it needs no more: a tenth of the error, and a third
#: of the changed decisions, that a good model may have.
ENOUGH = 10.0
#: The most candidates that are measured one by one, so that there are fewer inferences than a calibration has.
_MOST = 8


def find_nearly_free(attempt: Attempt, calibrated: CalibratedModel) -> Knee | None:
    """The layers that take next to no time in float and cause much of the error of an output; None without any.

    The share of the error is that on the samples on which the model has its largest errors.

    Args:
        attempt: The model.
        calibrated: The calibrated model.
    """
    if not improvable(attempt) or not (percents := _candidates(attempt)):
        return None
    graph, context = calibrated.rounded(attempt.config, attempt.reverted_to_float, hiding=False)
    hardest = attempt.context.check.hardest
    samples = [context.held_out[number] for number in hardest]
    if (model := GatedModel.of(graph, context, samples, percents)) is None:
        return None
    all_ = agreements(context.outputs, [each.outputs for each in samples], [*hardest.values()])
    pairs = [(number, all_[number]) for number in improvable(attempt)]

    def share(alone: Sequence[Agreement]) -> float:
        return largest_share((each, alone[number]) for number, each in pairs)

    (together,) = model.agreements([range(len(model.operations))])
    if share(together) < LEAST_SHARE:
        return None
    suspects = model.suspects[:_MOST]
    found = zip(suspects, model.agreements((each,) for each in suspects), strict=True)
    effects = [effect_of(model, index, context, outputs, share(outputs)) for index, outputs in found]
    chosen = sorted((each for each in effects if each.share >= LEAST_SHARE), key=lambda each: (-each.share, each.node))
    return Knee(chosen, sum(percents[each.scope, each.node] for each in chosen)) if chosen else None


def largest_share(pairs: Iterable[tuple[Agreement, Agreement]]) -> float:
    """The largest share of an output's error that some operations cause, from 0 to 1.

    Args:
        pairs: Each output of the quantized model, and the same output if only these operations are rounded.
    """
    gaps = (every.sqnr - alone.sqnr for every, alone in pairs)
    return max((min(10 ** (gap / 10), 1.0) for gap in gaps if not math.isnan(gap)), default=0.0)


def improvable(attempt: Attempt) -> Mapping[int, Agreement]:
    """The outputs whose error may still matter, by number."""
    outputs = enumerate(attempt.context.check.outputs or ())
    return {number: each for number, each in outputs if each.sqnr - each.levels.good < ENOUGH}


def largest_gain(before: Attempt, after: Attempt) -> tuple[float, Agreement, Agreement]:
    """The gain in dB at the output that gains most of those whose error matters, and this output before and after."""
    found = after.context.check.outputs or ()
    pairs = [(each, found[number]) for number, each in improvable(before).items()]
    one, other = max(pairs, key=lambda pair: pair[1].sqnr - pair[0].sqnr)
    return other.sqnr - one.sqnr, one, other


def _candidates(attempt: Attempt) -> Mapping[Key, float]:
    """The int8 layers that take next to no time in float: the percent of the model's time that each would add."""
    graph, plan = attempt.graph, attempt.context.plan
    operations = rounded_operations(graph, plan)
    if not sizes_are_known([*operations, *graph.nodes(*LAYER_TYPES)]):
        return {}
    percents = {node: 100 * each for node, each in time_in_float(graph, operations).items()}
    planned = (node for node, decision in plan.decisions.items() if decision.int8 and node in percents)
    return {(node.graph.scope, node.id): percents[node] for node in planned if percents[node] <= MOST_PERCENT}
