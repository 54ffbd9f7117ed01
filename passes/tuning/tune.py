"""Chooses by measured latency which layers run in int8.

Two profiles, of the float model and of the quantized one, both as users without options run them, show the regions that
int8 makes slower. They go back to float, the smallest cuts first, and the profile of each model that is accepted
shows the next ones. A model is accepted only if its latency, measured in turn with that of the best model so far, falls
by more than the noise.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...ir import Array, Graph
from ...ir.ops import LAYER_TYPES
from ..accuracy.requantize import Attempt, CalibratedModel
from ..analysis.layer_times import Profile, joined_with_readers, layer_edges, layer_seconds, run_as_one
from ..evaluation.latency import Latency, Mode, default_mode, falls, in_turn, why_no_fall
from ..runtime.engine import Engine, Mark
from ..runtime.modes import PROFILING
from ..runtime.samples import Feed
from .left_float import int8_layers, with_floats
from .regions import first_cut, slower_regions, slowest_but

#: The most models that are compiled: the float one, the quantized one, and the trials.
MOST_MODELS = 6
#: The number of different samples on which latency is measured.
_TIMED = 8
#: The most that p90 is of p10 on a machine that is not busy.
_CALM = 1.25
#: The shares of the predicted gain that the trials take, the highest gain for a layer first: single layers, then
#: regions. The last trial leaves only layers in int8 that gain `_CLEAR_GAIN` of the float model's time each.
_OF_LAYERS, _OF_REGIONS, _CLEAR_GAIN = 0.3, (0.6, 1.0), 0.01


@dataclass(frozen=True)
class TuningStep:
    """One trial.

    Attributes:
        layers: The layers that went back to float besides those before.
        before: The median latency of the best model before it, in seconds.
        after: The median latency of the trial, measured in turn with it.
        is_kept: Whether the trial became the best model.
        why_dropped: Why it did not; empty if it did.
    """

    layers: tuple[str, ...]
    before: float
    after: float
    is_kept: bool
    why_dropped: str = ""


@dataclass(frozen=True)
class TuningTimes:
    """What a tuning measured.

    Attributes:
        float_model: The latency of the float model.
        int8: The latency of the model before the tuning.
        tuned: The latency of the model after it, measured in turn with both.
        rounds: The number of inferences of each.
        threads: The number of threads that an inference could use.
        mode: How the models ran.
        steps: All trials, in order.
        is_faster: Whether the tuned model is faster than the float one by more than the noise.
        is_confirmed: Whether the last race confirmed what the trials found; if not, their layers stay in int8.
    """

    float_model: Latency
    int8: Latency
    tuned: Latency
    rounds: int
    threads: int
    mode: Mode
    steps: tuple[TuningStep, ...]
    is_faster: bool
    is_confirmed: bool = True

    @property
    def is_unclear(self) -> bool:
        """Whether latencies scatter more than the models differ, so that nothing shows the tuned one to be faster."""
        if self.is_faster or self.tuned == self.float_model:  # the float model won
            return False
        times = self.float_model, self.tuned
        medians = [each.median for each in times]
        return max(each.p90 / each.p10 for each in times) > max(max(medians) / min(medians), _CALM)


def tune(attempt: Attempt, calibrated: CalibratedModel, seconds: float) -> tuple[Sequence[str], TuningTimes]:
    """Finds the layers that make a model faster in float; gives their names in the model's order, and the measurements.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model, with samples.
        seconds: The seconds to measure in all; compilation comes on top.
    """
    feeds = [each.feed for each in attempt.context.calibration.compared[:_TIMED]]
    race, mode = _Race(feeds, seconds / (MOST_MODELS + 1)), default_mode()
    floats, int8 = _Runner.of(calibrated.float_model(), mode), _Runner.of(attempt.graph, mode)
    race.between(floats, int8)
    search = _Search(calibrated, race, mode, floats, attempt, attempt, int8)
    for models in range(2, MOST_MODELS):
        calibrated.context.progress("tuning", models, MOST_MODELS)
        if not search.try_next():
            break
    last = replace(race, seconds=2 * race.seconds)
    taken = last.between(floats, int8, *([search.runner] if search.floats else []))
    plain, before, after = taken[:, 0], taken[:, 1], taken[:, -1]
    is_confirmed = not search.floats or falls(before, after)
    if not is_confirmed:
        search.floats, after = frozenset(), before
    if falls(after, plain):
        search.take_float(after, plain)
        after = plain
    first, second, third = (Latency.of(each) for each in (plain, before, after))
    is_faster = falls(plain, after)
    threads, steps = floats.engine.threads, tuple(search.steps)
    times = TuningTimes(first, second, third, len(taken), threads, mode, steps, is_faster, is_confirmed)
    return [name for name in int8_layers(attempt) if name in search.floats], times


@dataclass
class _Runner:
    """A compiled model, and its profile before the inferences that count."""

    engine: Engine
    mark: Mark | None = None

    @classmethod
    def of(cls, graph: Graph, mode: Mode) -> "_Runner":
        """Compiles a model."""
        return cls(Engine(graph, mode.properties | PROFILING))

    @property
    def profile(self) -> Profile:
        """The seconds of its nodes, after a race."""
        assert self.mark is not None, "it ran in a race"
        return self.engine.profile(self.mark)


@dataclass(frozen=True)
class _Race:
    """Measures compiled models in turn on the same samples, for some seconds each time."""

    feeds: Sequence[Feed]
    seconds: float

    def between(self, *runners: _Runner) -> Array:
        """The seconds of each inference, [rounds, models]."""

        def mark() -> None:
            for each in runners:
                each.mark = each.mark or each.engine.mark()

        feeds = [[feed] * len(runners) for feed in self.feeds]
        return in_turn([each.engine for each in runners], feeds, self.seconds, mark)


@dataclass
class _Search:
    """The state of one search: the best model so far, and all trials.

    Attributes:
        calibrated: The calibrated model.
        race: Measures models.
        mode: How they run.
        float_runner: The float model.
        first: The quantized model.
        best: The best model so far.
        runner: The same, compiled.
        floats: The layers that went back to float in it.
        tried: All such sets that were tried.
        refused: Layers of trials that did not help: the next regions leave them out.
        steps: The trials.
    """

    calibrated: CalibratedModel
    race: _Race
    mode: Mode
    float_runner: _Runner
    first: Attempt
    best: Attempt
    runner: _Runner
    floats: frozenset[str] = frozenset()
    tried: set[frozenset[str]] = field(default_factory=lambda: {frozenset[str]()})
    refused: set[str] = field(default_factory=set[str])
    steps: list[TuningStep] = field(default_factory=list[TuningStep])

    def try_next(self) -> bool:
        """Tries the smallest cut that was not tried yet; returns whether there was one."""
        cuts = (frozenset(self._members(each)) for each in self._cuts())
        cut = next((each for each in cuts if each and self.floats | each not in self.tried), None)
        if cut is None:
            return False
        self.tried.add(self.floats | cut)
        attempt = with_floats(self.best, self.calibrated, cut)
        runner = _Runner.of(attempt.graph, self.mode)
        taken = self.race.between(self.runner, runner)
        if self._noted(cut, taken[:, 0], taken[:, 1]):
            self.best, self.runner, self.floats = attempt, runner, self.floats | cut
        else:
            self.refused |= cut
        return True

    def take_float(self, before: Array, after: Array) -> None:
        """Takes the float model itself, which is faster than the best model by more than the noise.

        Args:
            before: The seconds of the best model, [rounds].
            after: The seconds of the float model, [rounds].
        """
        rest = frozenset(int8_layers(self.first)) - self.floats
        self._noted(rest, before, after)
        self.floats |= rest

    def _noted(self, cut: frozenset[str], before: Array, after: Array) -> bool:
        """Notes a trial; returns whether it is faster."""
        why, layers = why_no_fall(before, after), tuple(name for name in int8_layers(self.first) if name in cut)
        self.steps.append(TuningStep(layers, float(np.median(before)), float(np.median(after)), not why, why))
        return not why

    def _members(self, groups: Collection[str]) -> Iterator[str]:
        """The layers of some groups that are in int8."""
        members = self._groups(self.float_runner.profile, self.runner.profile)
        return (name for name in int8_layers(self.best) if members.get(name) in groups)

    def _cuts(self) -> Iterator[frozenset[str]]:
        """What may go back to float next, the smallest cut first."""
        profiles = self.float_runner.profile, self.runner.profile
        groups = self._groups(*profiles)
        before, after = (layer_seconds(each, groups) for each in profiles)
        int8 = {groups[name] for name in int8_layers(self.best) if name in groups}
        refused = {groups[name] for name in self.refused if name in groups}
        edges = layer_edges([node for node, _ in profiles[1]], groups)
        left = {name: seconds for name, seconds in before.items() if name not in refused}
        regions = slower_regions(left, after, int8 - refused, edges)
        is_no_faster = sum(before.values()) <= sum(after.values())
        cuts = [
            first_cut(slower_regions(left, after, int8 - refused, ()), _OF_LAYERS),
            *(first_cut(regions, share) for share in _OF_REGIONS),
            *([slowest_but(before, after, int8, _CLEAR_GAIN)] if is_no_faster else []),
        ]
        yield from cuts[min(len(self.steps), len(cuts) - 1) :]

    def _groups(self, floats: Profile, quantized: Profile) -> Mapping[str, str]:
        """Layer -> the first of the layers that go back to float with it."""
        return joined_with_readers(run_as_one(self._layers(), floats, quantized), floats, quantized)

    def _layers(self) -> list[str]:
        assert self.calibrated.graph is not None, "it was measured"
        return [node.name for node in self.calibrated.graph.nodes(*LAYER_TYPES)]
