"""Balances accuracy and time without labels: tries other ways to quantize, above all while an output is not good.

The first remedies cost nothing at run time and hold for the whole model (other ranges, asymmetric activations). Then
the most sensitive layers are reverted to float, as few as are enough. Each trial is quantized from the statistics of
one calibration, compiled, and run on the held-out samples, so that the report shows what the device computes. The
number of trials is limited, so that a second run does the same.

A model with an output that is above its floor, but not good, gets other ranges only if it clips large values itself.
Ranges with the least expected error are best for the others; a MobileNetV2 loses 1.3 dB by them. Then the layers are
reverted to float that cause much of the error and take little time (see `knee`). The search for them runs beside the
trial of other biases: each of the two keeps one core busy most of the time. Layers that take next to no time are
reverted even if all outputs are good (see `nearly_free`). After layers were reverted, the first ranges may suit the
model best: if others were taken, they are tried again.

Last, the model is tried without the zero points that take time (see `zero_points`).
"""

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ..analysis.standard_errors import error_of_gain
from ..evaluation.sensitivity import Effect
from ..options.config import Preset, QuantizationConfig
from ..options.quantization import RangeEstimator
from ..runtime.core import RuntimeRejectedError
from ..runtime.samples import DataError
from .bisect import costliest, fewest, named, predicted, with_reverted
from .knee import DECIBELS_A_PERCENT, Standouts, best_prefix, find_standouts
from .nearly_free import find_nearly_free, largest_gain
from .requantize import Attempt, CalibratedModel, Key
from .zero_points import percent_of_zero_points

#: The most models that are tried: a number, not a time, so that a busy machine gets the same result. The time limit is
#: a last resort; the report mentions it.
MOST_ATTEMPTS, MOST_SECONDS = 16, 1800.0
#: The number of held-out samples on which layers are ranked, and the most inferences for it.
RANKED_ON, MOST_INFERENCES = 2, 100
#: The share of layers in float that may be more than needed: a trial costs more than they do.
TOLERANCE = 1 / 8
#: The least gain in dB of a remedy that is kept. Unless an output is poor, that of other ranges must also exceed its
#: standard error. (A text recognizer: 1.1 dB, with an error of 2.6, on 12 held-out samples were -2.5 dB on 200 others.
#: Gains of 0.7 to 5 dB above it were real.)
GAIN = 0.5
#: The most dB that symmetric ranges may be behind the best model so far if asymmetric ones of the same kind are still
#: to be tried. (Of five pretrained networks that were farther behind, none gained by the asymmetric ones.)
MOST_WORSE = 3.0
#: The least gain in dB of layers that take next to no time in float (for 0.3 % of the time or less, this is more than
#: the rate of the knee), and the most that may be lost by chance.
LEAST_GAIN, MOST_CHANCE = 1.0, 0.3
#: The least percent of time for which zero points are spared, and the most dB that a good model may lose then: half of
#: what this time is worth by the rate of the knee.
LEAST_PERCENT, MOST_LOST = 3.0, 3.0
#: The largest INT8 model, in bytes of constants, for which two parts of the search run at once: each takes memory.
MOST_BESIDE = 32 << 20
#: Why trials are dropped.
_NOT_RUN, _NO_LONGER_GOOD = "the runtime does not run it", "an output would no longer be good"


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuardStep:
    """One trial of the guard.

    Attributes:
        what: The trial, in words.
        is_kept: Whether it is part of the result.
        before: The ratio in dB of the worst output, or of the output that `what` names, before it.
        after: The same with it.
        int8: The number of layers that the plan then runs in int8.
        layers: The number of all layers.
        why_dropped: Why it is not part of the result; empty if it is.
        why_kept: Why it is part of the result; empty if it is not.
    """

    what: str
    is_kept: bool
    before: float
    after: float
    int8: int
    layers: int
    why_dropped: str = ""
    why_kept: str = ""

    @property
    def outcome(self) -> str:
        """Whether it is part of the result, and why."""
        return f"kept: {self.why_kept}" if self.is_kept else f"dropped: {self.why_dropped}"


@dataclass(frozen=True)
class GuardResult:
    """The model that the guard chose.

    Attributes:
        attempt: The model, and the result of its check.
        steps: All trials for better outputs, in order.
        speed_step: The trial for less time, if there was one.
        effects: The sensitivity of each operation, the highest first; empty if it was not needed.
        is_out_of_time: Whether the search ended early because it took too long.
        failures: What the guard could not do, because the runtime refuses the models that it measures with.
        standouts: The operations that caused much of the error when the guard looked for them, the highest first.
        gains: The operations that a dropped trial had in float -> the gain in dB that it measured; 0 for each of
            several together, whose own parts nobody knows.
    """

    attempt: Attempt
    steps: tuple[GuardStep, ...] = ()
    speed_step: GuardStep | None = None
    effects: tuple[Effect, ...] = ()
    is_out_of_time: bool = False
    failures: tuple[str, ...] = ()
    standouts: tuple[Effect, ...] = ()
    gains: Mapping[Key, float] = field(default_factory=dict[Key, float])


def guard(first: Attempt, calibrated: CalibratedModel) -> GuardResult:
    """The first model that has no output below its floor, or else the best model that was found.

    A model whose outputs are not all good gets the best of the range estimators that may suit it, and may have some
    layers in float: those that gain much for little time, or, if the options say so, as many as are needed for good
    outputs. A good model may have layers in float, too, if they take next to no time, unless the aim is the floor.
    Last, zero points go that take time, if that keeps good outputs good and others nearly as they are.

    Args:
        first: The model with the user's options.
        calibrated: The calibrated model.
    """
    search, aim = _Search(calibrated, first), first.config.guard_aim
    search.try_remedies()
    with ThreadPoolExecutor(max_workers=1) as pool:
        search.rank_ahead(pool)
        with search.going_on("correct biases for the whole error"):
            search.try_whole_errors()
    with search.going_on("look for layers that take next to no time"):
        if aim != "floor":
            search.try_nearly_free()
    with search.going_on("rank the layers"):
        if aim == "good" and not search.best.is_good:
            search.return_layers(lambda attempt: attempt.margin_to_good)
        elif search.best.margin < 0:
            search.return_layers(lambda attempt: attempt.margin)
    with search.going_on("look for layers that stand out"):
        if aim == "knee" and not search.best.is_good:
            search.try_knee()
    with search.going_on("try the first ranges again"):
        if aim != "floor":
            search.try_first_ranges_again(first)
    speed_step = search.try_without_zero_points()
    return GuardResult(
        search.best,
        tuple(search.steps),
        speed_step,
        tuple(search.effects),
        search.is_out_of_time,
        tuple(search.failures),
        tuple(search.standouts),
        search.gains,
    )


@dataclass(frozen=True)
class Remedy:
    """Another way to estimate the ranges of activations.

    Attributes:
        what: The way, in words.
        change: The options that it changes.
        is_for_clipping: Whether it also helps models above their floors that clip large values themselves; the others
            only help models with an output below its floor.
        is_variant: Whether it repeats the previous remedy, with asymmetric ranges.
    """

    what: str
    change: Mapping[str, object]
    is_for_clipping: bool = False
    is_variant: bool = False


def remedies(config: QuantizationConfig, preset: Preset) -> Iterator[Remedy]:
    """Other ways to estimate the ranges of activations.

    Ways that contradict the user's options, or that are used already, are left out.

    Args:
        config: The options of the first model.
        preset: Its preset.
    """
    may_be_mixed = config.preset is None and preset == "performance" and config.activations.mode is None
    mixed: dict[str, object] = {"preset": "mixed"}
    if config.range_estimator or config.activations.range_estimator:
        if may_be_mixed:
            yield Remedy("asymmetric activations (preset mixed)", mixed)
        return
    ends = RangeEstimator.model_validate({"min": {"aggregator": "min"}, "max": {"aggregator": "max"}})
    ways = {"the mean of the samples' extremes": RangeEstimator(), "the extremes of all samples": ends}
    for what, estimator in ways.items():
        change: dict[str, object] = {
            "activations": config.activations.model_copy(update={"range_estimator": estimator})
        }
        yield Remedy(f"ranges of activations up to {what}", change, is_for_clipping=estimator is not ends)
        if may_be_mixed:
            yield Remedy(f"asymmetric ranges of activations up to {what}", change | mixed, is_variant=True)


def worst_ratio(attempt: Attempt) -> float:
    """The ratio in dB at the output farthest below its floor; minus infinity if the model does not compile."""
    ratios = ((each.margin, each.sqnr) for each in attempt.context.check.outputs or ())
    return min(ratios, default=(-math.inf, -math.inf))[1]


def _gain(attempt: Attempt, best: Attempt) -> tuple[float, float]:
    """What a model gains at the worst output, in dB, and the standard error of that; 0 if it is unknown."""
    pairs = zip(best.context.check.outputs or (), attempt.context.check.outputs or (), strict=False)
    _, error = min(
        (
            (one.sqnr - one.levels.floor, error_of_gain(one.noises, other.noises))
            for one, other in pairs
            if not math.isnan(one.sqnr)
        ),
        default=(0.0, 0.0),
    )
    return attempt.ratio_margin - best.ratio_margin, error


def _why_no_better(attempt: Attempt, best: Attempt, *, may_be_chance: bool = False) -> str:
    """Why a remedy does not help; empty if it does.

    It must gain enough at the worst output, not by chance unless one is poor, and make no output poor.

    Args:
        attempt: The model with the remedy.
        best: The model without it.
        may_be_chance: Whether the gain need not exceed its standard error, because the remedy helps most models, or
            because what it replaces has no better proof.
    """
    if attempt.context.check.failure:
        return _NOT_RUN
    gain, error = _gain(attempt, best)
    takes_a_chance = may_be_chance or best.margin < 0  # of a poor model, layers would cost more
    least = GAIN if takes_a_chance else max(GAIN, error)
    if not attempt.ratio_margin >= best.ratio_margin + least:
        if gain >= GAIN:
            return f"a gain of {gain:.1f} dB may be chance: its standard error is {error:.1f} dB"
        return f"it gains less than {GAIN:g} dB" if gain > 0 else "no gain"
    return _poorer(attempt, best)


def _why_better(attempt: Attempt, best: Attempt) -> str:
    """Why a remedy is kept."""
    gain, error = _gain(attempt, best)
    if math.isinf(gain):
        return "the runtime runs it"
    what = f"a gain of {gain:.1f} dB"
    chance = "; this may be chance, but costs no time" if error > gain else ""
    return f"{what}, with a standard error of {error:.1f} dB{chance}" if error else what


def _poorer(attempt: Attempt, best: Attempt) -> str:
    """Which output a model makes poor, or poorer; empty if it does not."""
    if attempt.margin >= min(best.margin, 0.0):
        return ""
    worst = min(attempt.context.check.outputs or (), key=lambda each: each.margin, default=None)
    if worst is None:
        return _NOT_RUN
    poor, by_ratio = "poor" if best.margin >= 0 else "poorer", f"{worst.sqnr:.1f} dB"
    by_decisions = f"{1 - (worst.top1 or 0.0):.1%} of its {worst.decisions} decisions would change"
    why = by_ratio if worst.sqnr - worst.levels.floor <= worst.margin else by_decisions
    return f"output '{worst.name}' would be {poor}: {why}"


def _why_not_enough(margin: float) -> str:
    """Why layers in float do not give the wanted outputs, or why others are preferred.

    Args:
        margin: The distance in dB of the worst output above the wanted level.
    """
    if margin >= 0:
        return "fewer layers are enough"
    return f"an output is still {-margin:.1f} dB short" if math.isfinite(margin) else _NOT_RUN


def _what_is_lost(before: Attempt, after: Attempt) -> str:
    """What becomes worse by more than chance, or is good no more; empty if nothing is lost."""
    pairs = zip(before.context.check.outputs or (), after.context.check.outputs or (), strict=True)
    for one, other in pairs:
        if not math.isnan(one.sqnr) and not other.sqnr >= one.sqnr - MOST_CHANCE:
            return f"output '{one.name}' loses {one.sqnr - other.sqnr:.1f} dB"
    if before.is_good and not after.is_good:
        return _NO_LONGER_GOOD
    return _poorer(after, before)


def _why_zero_points_stay(before: Attempt, after: Attempt) -> str:
    """Why a model keeps the zero points that take time; empty if it does not.

    Args:
        before: The model with them.
        after: The model without them.
    """
    if after.context.check.failure:
        return _NOT_RUN
    if not before.is_good:
        return _what_is_lost(before, after)
    if not after.is_good:
        return _NO_LONGER_GOOD
    loses_little = after.ratio_margin >= before.ratio_margin - MOST_LOST
    return _poorer(after, before) or ("" if loses_little else f"it loses more than {MOST_LOST:g} dB")


@dataclass
class _Search:
    """The state of one search: the best model so far, all trials, and which of them changed the ranges."""

    calibrated: CalibratedModel
    best: Attempt
    steps: list[GuardStep] = field(default_factory=list[GuardStep])
    of_ranges: set[int] = field(default_factory=set[int])
    effects: list[Effect] = field(default_factory=list[Effect])
    is_out_of_time: bool = False
    failures: list[str] = field(default_factory=list[str])
    standouts: Sequence[Effect] = ()
    gains: dict[Key, float] = field(default_factory=dict[Key, float])
    ahead: tuple[Attempt, Future[Standouts | None]] | None = None
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def going_on(self, what: str) -> Generator[None]:
        """Gives up one part of the search, and says so, if the runtime refuses a model or a run of it.

        The model itself was compiled and ran these samples, so what is refused are the operations that measure.
        """
        try:
            yield
        except (RuntimeRejectedError, DataError) as error:
            self.failures.append(f"the guard could not {what}: {error}")

    def try_remedies(self) -> None:
        """Tries options for the whole model; keeps the best of them, and tries no variant of ranges that lose much."""
        first, gain, clips = self.best, 0.0, self.calibrated.clips
        for remedy in remedies(first.config, first.context.preset):
            if self.best.is_good or not self._may_go_on():
                return
            is_bad_variant = remedy.is_variant and gain < -MOST_WORSE
            if is_bad_variant or (self.best.margin >= 0 and not (remedy.is_for_clipping and clips)):
                continue
            config = first.config.model_copy(update=remedy.change)
            attempt = self.calibrated.attempt(config, first.reverted_to_float)
            gain = attempt.ratio_margin - self.best.ratio_margin
            self._note_ranges(remedy.what, attempt, _why_no_better(attempt, self.best))

    def rank_ahead(self, pool: ThreadPoolExecutor) -> None:
        """Begins to look for layers that stand out in a fair model, beside the next trial, which changes no range.

        Not beside passes of the user, which may keep a state.
        """
        best = self.best
        is_fair = best.margin >= 0 > best.margin_to_good and not best.is_good
        if not (best.config.guard_aim == "knee" and is_fair and self.calibrated.is_default and self._may_go_on()):
            return
        if sum(node.raw.nbytes for node in best.graph.in_file_order("Const")) <= MOST_BESIDE:
            self.ahead = best, pool.submit(find_standouts, best, self.calibrated)

    def try_whole_errors(self) -> None:
        """Tries biases that correct the whole error of a layer's mean output, not only the rounding of weights.

        Of eight networks, seven gained 0.2 to 1.7 dB on other samples, and one lost 1.1 at an output and gained 0.6 at
        its worst. For the 9 to 14 held-out samples most of that may be chance.
        """
        config, kept = self.best.config, self.calibrated.context.kept
        if self.best.is_good or not (kept and config.may_correct_more and self._may_go_on()):
            return
        attempt = self.calibrated.attempt(
            config.model_copy(update={"correct_biases": "sequential"}), self.best.reverted_to_float
        )
        why = _why_no_better(attempt, self.best, may_be_chance=True)
        self.steps.append(self._step("biases corrected for the whole error of each layer", attempt, why))

    def return_layers(self, margin_of: Callable[[Attempt], float]) -> None:
        """Reverts the fewest of the most sensitive layers that are enough for the wanted outputs.

        Args:
            margin_of: The distance in dB of a model's worst output above the wanted level.
        """
        before, wanted = self.best, margin_of(self.best)
        if wanted >= 0:
            return
        self.effects = costliest(self.calibrated, before.config, before.reverted_to_float, RANKED_ON, MOST_INFERENCES)
        most, tried = len(self.effects), {0: before}

        def reverted(count: int) -> Attempt:
            reverted_to_float = with_reverted(before.reverted_to_float, self.effects[:count])
            tried[count] = self.calibrated.attempt(before.config, reverted_to_float)
            self.steps.append(
                self._step(named(self.effects[:count]), tried[count], _why_not_enough(margin_of(tried[count])))
            )
            return tried[count]

        first = predicted(self.effects, 10 ** (wanted / 10))  # error power, in units of what is allowed
        enough = fewest(
            most, first, lambda count: margin_of(reverted(count)) >= 0 if self._may_go_on() else None, TOLERANCE
        )
        if enough is None and most not in tried:  # no trials are left: a float model is better than a spoilt one
            reverted(most)
        chosen = max(tried, key=lambda each: (margin_of(tried[each]), -each)) if enough is None else enough
        why = "the best that was found" if enough is None else "the fewest layers that are enough"
        self._settle(tried[chosen], named(self.effects[:chosen]), why)

    def try_knee(self) -> None:
        """Reverts the layers that gain much for little time; keeps them in float if they do."""
        before, wanted = self.best, -self.best.margin_to_good
        if wanted <= 0 or not self._may_go_on() or not (found := self._standouts()):
            return  # an output may be fair only because its sizes differ: then nothing is wanted
        self.standouts = found.effects
        if not (knee := best_prefix(found.effects, found.percents, wanted)):
            return
        attempt = self.calibrated.attempt(before.config, with_reverted(before.reverted_to_float, knee.effects))
        what = f"{named(knee.effects)} (about {knee.percent:.2g} % of the time)"
        gain, rate = attempt.ratio_margin - before.ratio_margin, f"{DECIBELS_A_PERCENT:g} dB for each 1 % of time"
        little = f"it gains less than the {knee.least_gain:.1f} dB that this time is worth ({rate})"
        poor = "" if attempt.margin >= 0 else _poorer(attempt, before) or "an output is still poor"
        self.steps.append(self._step(what, attempt, poor if gain >= knee.least_gain else little))
        self._note_gain(knee.effects, gain)

    def _standouts(self) -> Standouts | None:
        """The layers that stand out, as ranked before, if they were for a model with the same layers in float."""
        if self.ahead and self.ahead[0].reverted_to_float == self.best.reverted_to_float:
            return self.ahead[1].result()
        return find_standouts(self.best, self.calibrated, self.effects)

    def try_nearly_free(self) -> None:
        """Reverts layers that take next to no time in float; keeps them so if an output gains and none loses."""
        before = self.best
        if not self._may_go_on() or not (found := find_nearly_free(before, self.calibrated)):
            return
        attempt = self.calibrated.attempt(before.config, with_reverted(before.reverted_to_float, found.effects))
        if attempt.context.check.outputs is None:  # with these layers in float, the runtime does not run it
            self.steps.append(self._step(named(found.effects), attempt, _NOT_RUN))
            return
        gain, one, other = largest_gain(before, attempt)
        where = f" at output '{one.name}'" if len(before.context.check.outputs or ()) > 1 else ""
        what = f"{named(found.effects)} (about {found.percent:.2g} % of the time){where}"
        why = _what_is_lost(before, attempt) if gain >= LEAST_GAIN else f"it gains less than {LEAST_GAIN:g} dB"
        self.steps.append(
            self._step(what, attempt, why, f"a gain of {gain:.1f} dB, and no output loses", (one.sqnr, other.sqnr))
        )
        self._note_gain(found.effects, gain)

    def try_first_ranges_again(self, first: Attempt) -> None:
        """Tries the first ranges again after layers went back to float; keeps them if no output loses.

        As long as these layers made most of the error, the ranges that suited them best won, though the first ones,
        which have the least expected error, may suit the rest. They need no proof beyond their gain: that others beat
        them was found with these layers in int8. (A segmentation net: 1.1 dB, with a standard error of 1.5, on three
        held-out samples were 4.3 dB on 100 others. Of 19 trials of ranges that were not the first ones, on eight
        pretrained networks, none was kept.)
        """
        before = self.best
        config = first.config.model_copy(update={"correct_biases": before.config.correct_biases})
        has_int8 = any(each.int8 for each in before.context.plan.decisions.values())
        is_new = config != before.config and before.reverted_to_float != first.reverted_to_float
        is_last = len(self.steps) >= MOST_ATTEMPTS - 1  # that one is for the trial for speed
        if is_new and has_int8 and not is_last and self._may_go_on():
            attempt = self.calibrated.attempt(config, before.reverted_to_float)
            why = _why_no_better(attempt, self.best, may_be_chance=True) or _what_is_lost(self.best, attempt)
            self._note_ranges("the first ranges again, with the layers above in float", attempt, why)

    def try_without_zero_points(self) -> GuardStep | None:
        """Tries the model without the zero points that take time, if that saves enough of it.

        A good model stays good, and may lose a little. Outputs of another one may lose what may be chance, but none may
        become poor, or poorer.
        """
        before = self.best
        if not (before.config.may_spare_zero_points and self._may_go_on()):
            return None
        if (percent := percent_of_zero_points(before)) < LEAST_PERCENT:
            return None
        attempt = self.calibrated.attempt(
            before.config.model_copy(update={"slow_zero_points": False}), before.reverted_to_float
        )
        kept = f"outputs stay good, and lose at most {MOST_LOST:g} dB"
        if not before.is_good:
            kept = f"no output loses more than {MOST_CHANCE:g} dB"
        why = _why_zero_points_stay(before, attempt)
        return self._step(f"no zero points where they take time (about {percent:.2g} % of it)", attempt, why, kept)

    def _may_go_on(self) -> bool:
        self.is_out_of_time |= time.perf_counter() - self.began > MOST_SECONDS
        return not self.is_out_of_time and len(self.steps) < MOST_ATTEMPTS

    def _note_ranges(self, what: str, attempt: Attempt, why_dropped: str) -> None:
        """Notes a trial of ranges; if it is kept, it replaces the one before."""
        if not why_dropped:
            self.steps = [
                replace(each, is_kept=False, why_dropped="other ranges, below, are better", why_kept="")
                if each.is_kept and number in self.of_ranges
                else each
                for number, each in enumerate(self.steps)
            ]
        self.of_ranges.add(len(self.steps))
        self.steps.append(self._step(what, attempt, why_dropped))

    def _note_gain(self, effects: Sequence[Effect], gain: float) -> None:
        """Notes what operations in float gained, if their trial was dropped."""
        if not self.steps[-1].is_kept:
            self.gains |= {(each.scope, each.node): gain if len(effects) == 1 else 0.0 for each in effects}

    def _step(
        self,
        what: str,
        attempt: Attempt,
        why_dropped: str,
        why_kept: str = "",
        ratios: tuple[float, float] | None = None,
    ) -> GuardStep:
        """A trial; if nothing says why it is dropped, it is the best model from now on."""
        is_kept = not why_dropped
        why_kept = (why_kept or _why_better(attempt, self.best)) if is_kept else ""
        decisions = attempt.context.plan.decisions.values()
        before, after = ratios or (worst_ratio(self.best), worst_ratio(attempt))
        int8 = sum(each.int8 for each in decisions)
        self.calibrated.context.progress("looking for a better model", len(self.steps) + 1, MOST_ATTEMPTS)
        self.best = attempt if is_kept else self.best
        step = GuardStep(what, is_kept, before, after, int8, len(decisions), why_dropped, why_kept)
        count = len(decisions)
        _log.info(
            "guard: %s: %.1f -> %.1f dB, %d of %d layers int8: %s", what, before, after, int8, count, step.outcome
        )
        return step

    def _settle(self, attempt: Attempt, what: str, why: str) -> None:
        """Marks the trial that gave the result."""
        _log.info("guard: kept: %s", what)
        self.best = attempt
        self.steps = [
            replace(step, is_kept=True, why_dropped="", why_kept=why) if step.what == what else step
            for step in self.steps
        ]
