"""Keeps the user's own metrics within their drops, with as many layers in int8 as that allows.

The model as the options want it is measured first. If it loses too much, gentler options are tried, which cost nothing
at run time; then operations go back to float, those first whose rounding does most to the outputs. One compiled model
ranks them all (see `sensitivity`); how many it takes is found by halving, each number tried on the int8 model itself,
compiled and run on the user's whole set. At last it is tried to do without some of the returned ones.

The published AccuracyAwareQuantization ranks by measuring the metric once for each group of layers, and then returns
one group after another, with a measurement each. Metrics of a few hundred samples are too coarse to rank by: of most
layers they see nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..evaluation.sensitivity import Effect
from .bisect import costliest, fewest, named, predicted, returned_to
from .evaluations import Candidate, Judge, Trial, Trials
from .guard import remedies
from .metrics import Metric
from .requantize import Attempt, CalibratedModel

#: Held-out samples on which operations are ranked, and inferences that may be spent on it.
RANKED_ON, MOST_INFERENCES = 4, 400
#: How many of the returned operations are tried to be done without.
PUT_BACK = 6


@dataclass(frozen=True)
class AccuracyResult:
    """What the search found, as plain values.

    Attributes:
        metrics: What is measured.
        baselines: The float model's metrics.
        best: The trial of the model that it settled for.
        trials: All trials, in order.
        returned: The operations that this model leaves to float, the costliest first.
        stopped: Why the search ended before it was through; empty if it was.
        warnings: What the user should know.
    """

    metrics: tuple[Metric, ...]
    baselines: Mapping[str, float]
    best: Trial
    trials: tuple[Trial, ...]
    returned: tuple[Effect, ...]
    stopped: str
    warnings: tuple[str, ...]

    @property
    def is_reached(self) -> bool:
        """Whether no metric loses more than it may."""
        return self.best.is_within


def keep_accuracy(first: Attempt, calibrated: CalibratedModel, judge: Judge) -> tuple[Attempt, AccuracyResult]:
    """The model with the most layers in int8 that loses no more than it may, or the best that was found.

    Args:
        first: The model as the options want it.
        calibrated: From what others can be made.
        judge: What is to be kept.
    """
    trials = Trials.of(judge, calibrated, Candidate(first.config, first.floats, first), "as the options say")
    _try_remedies(trials)
    effects, stopped = ([], "") if trials.trial.is_within or trials.stopped else _return_layers(trials)
    best = trials.best
    attempt = best.attempt or calibrated.attempt(best.config, best.floats)
    returned = [each for each in effects if (each.scope, each.node) in best.floats]
    return attempt, AccuracyResult(
        judge.metrics,
        judge.baselines,
        trials.trial,
        tuple(trials.done),
        tuple(returned),
        trials.stopped or stopped,
        tuple(judge.journal.warnings),
    )


def _try_remedies(trials: Trials) -> None:
    """Options for the model as a whole: other ranges in place of the first ones, then asymmetric ones of the best."""
    first, preset = trials.best, trials.calibrated.context.preset
    for what, change in remedies(first.config, preset, is_lost=True):
        if trials.trial.is_within:
            return
        trials.add(what, Candidate(first.config.model_copy(update=change), first.floats))
    if trials.judge.options.try_mixed and first.config.preset == "performance" and not trials.trial.is_within:
        mixed = trials.best.config.model_copy(update={"preset": "mixed"})
        trials.add("asymmetric activations (preset mixed)", Candidate(mixed, trials.best.floats))


def _return_layers(trials: Trials) -> tuple[list[Effect], str]:
    """Returns the fewest of the costliest operations that are enough; gives what each costs, and why that failed."""
    before, limit = trials.best, trials.judge.options.max_layers
    effects = costliest(trials.calibrated, before.config, before.floats, RANKED_ON, MOST_INFERENCES)
    if not effects:
        if trials.calibrated.context.held_out:
            return [], "the layers that are rounded are in bodies of control flow, which are not returned one by one"
        return [], "no sample is at hand to rank layers with (that takes 9 samples of calibration or more)"
    most = len(effects) if limit is None else min(limit, len(effects))

    def is_enough(returned: Sequence[Effect]) -> bool | None:
        candidate = Candidate(before.config, returned_to(before.floats, returned))
        trial = trials.add(named(returned), candidate)
        return None if trial is None else trial.is_within

    guess = predicted(effects, trials.judge.allowed_share(trials.trial.values))
    count = fewest(most, guess, lambda count: is_enough(effects[:count]))
    if count is None:
        return effects, f"with {most} operations left float the drop is still too large"
    without_needless(effects[:count], is_enough)
    return effects, ""


def without_needless(
    returned: Sequence[Effect], is_enough: Callable[[Sequence[Effect]], bool | None]
) -> Sequence[Effect]:
    """Does without some of the operations, the cheapest first; not without the last, which the search needed."""
    *rest, last = returned
    for each in rest[: -PUT_BACK - 1 : -1]:
        fewer = [other for other in rest if other is not each]
        found = is_enough([*fewer, last])
        if found is None:
            break
        rest = fewer if found else rest
    return [*rest, last]
