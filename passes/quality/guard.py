"""No model collapses: while an output lies below its floor, gentler ways to quantize are tried, without labels.

First what costs nothing at run time (wider ranges, asymmetric activations), for the model as a whole; then the layers
whose rounding costs the outputs most go back to float, no more of them than it takes. Each trial is quantized from the
statistics of the one calibration, compiled, and run on the held-out samples, so that what is reported is what the
device computes. Trials are counted, so that a second run does the same.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..configuration.config import Config, Preset
from ..configuration.quantization import RangeEstimator
from .attempts import HIDING, Attempt, Calibrated, Key
from .faults import find_fault, intended_error, is_faulty
from .sensitivity import Effect, measure_effects, ranked

#: The most models that are tried, and how many seconds may pass before the last of them is begun.
MOST_ATTEMPTS, MOST_SECONDS = 16, 120.0
#: The most layers that are returned to float because the device computes them wrongly.
MOST_FAULTS = 8
#: Held-out samples on which layers are ranked, and inferences that may be spent on it.
RANKED_ON, MOST_INFERENCES = 2, 200
#: What a remedy must bring in dB, to be kept.
GAIN = 0.5
#: The share of the allowed error that is aimed at: predictions are not exact.
_AIM = 0.8


@dataclass(frozen=True)
class Step:
    """Something that the guard tried.

    Attributes:
        what: In words.
        is_kept: Whether it is part of the result.
        before: The worst output's ratio in dB before it.
        after: And with it.
        int8: Layers that the plan then runs in int8.
        layers: All layers.
    """

    what: str
    is_kept: bool
    before: float
    after: float
    int8: int
    layers: int


@dataclass(frozen=True)
class Guarded:
    """The model that the guard settled for.

    Attributes:
        attempt: It.
        steps: What was tried, in order.
        effects: What rounding each operation costs, the costliest first; empty if it was not needed to know.
        is_out_of_time: Whether trials were left out because they took too long.
    """

    attempt: Attempt
    steps: tuple[Step, ...] = ()
    effects: tuple[Effect, ...] = ()
    is_out_of_time: bool = False


def guard(first: Attempt, calibrated: Calibrated) -> Guarded:
    """The first model that has no output below its floor, or the best that was found.

    Args:
        first: The model as the options want it.
        calibrated: From what others can be made.
    """
    if first.margin >= 0:
        return Guarded(first)
    search = _Search(calibrated, first)
    search.mend_faults()
    search.try_remedies()
    if search.best.margin < 0:
        search.return_layers()
    return Guarded(search.best, tuple(search.steps), tuple(search.effects), search.is_out_of_time)


def remedies(config: Config, preset: Preset) -> Iterator[tuple[str, dict[str, object]]]:
    """Gentler options, none of which the user chose otherwise or has already: what they are, and what they change."""
    if config.range_estimator is None and config.activations.range_estimator is None:
        extremes = RangeEstimator.model_validate({"min": {"aggregator": "min"}, "max": {"aggregator": "max"}})
        activations = config.activations.model_copy(update={"range_estimator": extremes})
        yield "ranges of activations up to the extremes of all samples, not their mean", {"activations": activations}
    if config.preset is None and preset == "performance" and config.activations.mode is None:
        yield "asymmetric activations (preset mixed)", {"preset": "mixed"}


def worst_ratio(attempt: Attempt) -> float:
    """The ratio in dB at the output that lies farthest below its floor."""
    return min((each.margin, each.sqnr) for each in attempt.context.check.outputs or ())[1]


def effects_of(attempt: Attempt, calibrated: Calibrated, samples: int, inferences: int) -> list[Effect]:
    """What rounding each operation of a model costs, in topological order; nothing without samples to see it on.

    Args:
        attempt: The model.
        calibrated: What it was made from.
        samples: On how many of the held-out samples it is looked at.
        inferences: How many may be spent on effects at the outputs.
    """
    if not attempt.context.held_out:
        return []
    graph, context = calibrated.rounded(attempt.config, attempt.floats, without=HIDING)
    return measure_effects(graph, context, context.held_out[:samples], inferences)


@dataclass
class _Search:
    """The state of one search: the best model so far, and what was tried."""

    calibrated: Calibrated
    best: Attempt
    steps: list[Step] = field(default_factory=list[Step])
    effects: list[Effect] = field(default_factory=list[Effect])
    is_out_of_time: bool = False
    began: float = field(default_factory=time.perf_counter)

    def mend_faults(self) -> None:
        """Returns to float what the device computes wrongly, if anything."""
        if (intended := intended_error(self.best)) is None:
            return
        for _ in range(MOST_FAULTS):
            if self.best.margin >= 0 or not self._may_go_on() or not is_faulty(self.best, intended):
                return
            if (fault := find_fault(self.best, self.calibrated, intended)) is None:
                return
            because = "the device computes it otherwise than its FakeQuantizes say"
            attempt = self.calibrated.attempt(self.best.config, dict(self.best.floats) | {fault.key: because})
            self._note(f"float: {fault.type} '{fault.name}': {because}", attempt, is_kept=True)

    def try_remedies(self) -> None:
        """Options for the model as a whole, each on top of those that helped."""
        for what, change in remedies(self.best.config, self.best.context.preset):
            if self.best.margin >= 0 or not self._may_go_on():
                return
            attempt = self.calibrated.attempt(self.best.config.model_copy(update=change), self.best.floats)
            self._note(what, attempt, is_kept=attempt.margin >= self.best.margin + GAIN)

    def return_layers(self) -> None:
        """The fewest of the costliest layers that, left float, lift all outputs over their floors."""
        self.effects = ranked(effects_of(self.best, self.calibrated, RANKED_ON, MOST_INFERENCES))
        before, most = self.best, len(self.effects)
        tried: dict[int, Attempt] = {0: before}
        enough, too_few, count = most + 1, 0, self._predicted()
        while too_few + 1 < enough and count <= most and self._may_go_on():
            tried[count] = attempt = self._returning(before, count)
            is_enough = attempt.margin >= 0
            self._note(_returned(self.effects[:count]), attempt, is_kept=False)
            enough, too_few = (count, too_few) if is_enough else (enough, count)
            count = (too_few + enough) // 2 if enough <= most else min(most, 2 * count) if count < most else most + 1
        if enough > most and most not in tried:  # out of time: a float model is better than a spoilt one
            tried[most] = self._returning(before, most)
            self._note(_returned(self.effects), tried[most], is_kept=False)
        chosen = enough if enough in tried else max(tried, key=lambda each: (tried[each].margin, -each))
        self._settle(tried[chosen], _returned(self.effects[:chosen]))

    def _predicted(self) -> int:
        """How many layers it takes if errors add up: what the others leave must be less than the floor allows."""
        remaining, present = 1.0, 10 ** (-self.best.margin / 10)
        for count, each in enumerate(self.effects):
            if count and remaining * present <= _AIM:
                return count
            remaining -= each.share
        return len(self.effects)

    def _returning(self, before: Attempt, count: int) -> Attempt:
        floats = dict(before.floats) | {_key(each): _because(each) for each in self.effects[:count]}
        return self.calibrated.attempt(before.config, floats)

    def _may_go_on(self) -> bool:
        self.is_out_of_time |= time.perf_counter() - self.began > MOST_SECONDS
        return not self.is_out_of_time and len(self.steps) < MOST_ATTEMPTS

    def _note(self, what: str, attempt: Attempt, *, is_kept: bool) -> None:
        decisions = attempt.context.plan.decisions.values()
        before, after, int8 = worst_ratio(self.best), worst_ratio(attempt), sum(each.int8 for each in decisions)
        self.steps.append(Step(what, is_kept, before, after, int8, len(decisions)))
        context = self.calibrated.context
        context.progress("looking for a better model", len(self.steps), None)
        if is_kept:
            self.best = attempt

    def _settle(self, attempt: Attempt, what: str) -> None:
        """Marks the step that the result comes from."""
        self.best = attempt
        self.steps = [replace(step, is_kept=step.is_kept or step.what == what) for step in self.steps]


def _key(effect: Effect) -> Key:
    return effect.scope, effect.node


def _because(effect: Effect) -> str:
    return f"rounding it makes {effect.share:.0%} of the outputs' error ({effect.own:.1f} dB of its own)"


def _returned(effects: Sequence[Effect]) -> str:
    names = ", ".join(f"'{each.name}'" for each in effects[:3])
    more = f" and {len(effects) - 3} more" if len(effects) > 3 else ""
    return f"float: {names}{more}" if effects else "nothing"
