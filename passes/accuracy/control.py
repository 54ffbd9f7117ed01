"""Keeps the user's own metrics within their drops, with as many layers in int8 as that allows.

The model with the user's options is measured first. If it loses too much, gentler options are tried, which cost nothing
at run time. Then operations are reverted to float, the most sensitive first. One compiled model ranks them all (see
`sensitivity`). Bisection finds the number of operations; each number is tried on the int8 model itself, compiled and
run on the user's whole set. At the end the search tries to round some of the reverted operations again.

The published AccuracyAwareQuantization measures the metric once for each group of layers to rank them, and then reverts
one group after another, with a measurement each. Metrics of a few hundred samples are too coarse for a ranking: most
layers do not change them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir.spelling import option, worded
from ..evaluation.sensitivity import Effect
from .bisect import costliest, fewest, named, predicted, with_reverted
from .evaluations import Candidate, Judge, Trial, Trials
from .guard import remedies
from .metrics import Metric
from .requantize import Attempt, CalibratedModel

#: The number of held-out samples on which operations are ranked, and the most inferences for it.
RANKED_ON, MOST_INFERENCES = 4, 400
#: The number of reverted operations that the search tries to round again.
PUT_BACK = 6


@dataclass(frozen=True)
class AccuracyResult:
    """The result of the search, as plain values.

    Attributes:
        metrics: The metrics.
        baselines: The float model's metrics.
        confirmed: The measured ones of those that were given.
        best: The trial of the resulting model.
        trials: All trials, in order.
        reverted_to_float: The operations that this model leaves in float, the most sensitive first.
        stopped: Why the search ended early; empty if it did not.
        warnings: Messages to the user.
    """

    metrics: tuple[Metric, ...]
    baselines: Mapping[str, float]
    best: Trial
    trials: tuple[Trial, ...]
    reverted_to_float: tuple[Effect, ...]
    stopped: str
    warnings: tuple[str, ...]
    confirmed: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def is_reached(self) -> bool:
        """Whether no metric loses more than allowed."""
        return self.best.is_within


def keep_accuracy(first: Attempt, calibrated: CalibratedModel, judge: Judge) -> tuple[Attempt, AccuracyResult]:
    """The model with the most layers in int8 that loses no more than allowed, or else the best model that was found.

    Args:
        first: The model with the user's options.
        calibrated: The calibrated model.
        judge: The metrics and their limits.
    """
    trials = Trials.of(judge, calibrated, Candidate(first.config, first.reverted_to_float, first), "as the options say")
    _try_remedies(trials)
    effects, stopped = ([], "") if trials.trial.is_within or trials.stopped else _return_layers(trials)
    best = trials.best
    attempt = best.attempt or calibrated.attempt(best.config, best.reverted_to_float)
    reverted_to_float = [each for each in effects if (each.scope, each.node) in best.reverted_to_float]
    return attempt, AccuracyResult(
        judge.metrics,
        judge.baselines,
        trials.trial,
        tuple(trials.done),
        tuple(reverted_to_float),
        trials.stopped or stopped,
        (*judge.journal.warnings, *_without_limit(judge)),
        trials.judge.confirmed,
    )


def _without_limit(judge: Judge) -> Iterator[str]:
    """Warnings about limits that allow a metric to lose all that it has."""
    for each in judge.metrics:
        baseline = judge.baselines[each.name]
        if 0 < baseline <= each.allowed(baseline):
            allowed = f"{each.max_drop:g}" if each.drop_type == "absolute" else f"{each.max_drop:.4g} of it"
            hint = f" (1% is written {option('max_drop')} {worded('1%', '0.01')})" if each.max_drop >= 1 else ""
            yield (
                f"metric {each.name}: a drop of {allowed} is allowed, and the float model has {baseline:.5g}: any "
                f"model is within this limit; give a smaller one{hint}"
            )


def _try_remedies(trials: Trials) -> None:
    """Tries options for the whole model: other ranges instead of the first ones, then the best ones as asymmetric."""
    first, preset = trials.best, trials.calibrated.context.preset
    for each in remedies(first.config, preset):
        if trials.trial.is_within:
            return
        trials.add(each.what, Candidate(first.config.model_copy(update=each.change), first.reverted_to_float))
    if trials.judge.options.try_mixed and first.config.preset == "performance" and not trials.trial.is_within:
        mixed = trials.best.config.model_copy(update={"preset": "mixed"})
        trials.add("asymmetric activations (preset mixed)", Candidate(mixed, trials.best.reverted_to_float))


def _return_layers(trials: Trials) -> tuple[list[Effect], str]:
    """Reverts the fewest of the most sensitive operations that are enough; gives all effects, and why that failed."""
    before, limit = trials.best, trials.judge.options.max_layers
    effects = costliest(trials.calibrated, before.config, before.reverted_to_float, RANKED_ON, MOST_INFERENCES)
    if not effects:
        if trials.calibrated.context.held_out:
            return [], "the layers that are rounded are in bodies of control flow, which are not reverted one by one"
        return [], "there are no held-out samples to rank layers with (give 9 calibration samples or more)"
    most = len(effects) if limit is None else min(limit, len(effects))

    def is_enough(returned: Sequence[Effect]) -> bool | None:
        candidate = Candidate(before.config, with_reverted(before.reverted_to_float, returned))
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
    """Rounds some of the operations again, the least sensitive first; not the last, which the search needed."""
    *rest, last = returned
    for each in rest[: -PUT_BACK - 1 : -1]:
        fewer = [other for other in rest if other is not each]
        found = is_enough([*fewer, last])
        if found is None:
            break
        rest = fewer if found else rest
    return [*rest, last]
