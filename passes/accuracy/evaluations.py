"""Measures quantized models by the user's metrics, each once, within a budget, and keeps the best of them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from ...ir import Graph
from ...ir.listing import number_of
from ..calibration.fingerprint import model_fingerprint
from ..infra.base import Context
from ..infra.progress import Progress, no_progress
from ..options.accuracy import AccuracyOptions
from ..options.config import QuantizationConfig
from ..runtime.core import runtime_version
from ..runtime.modes import EMULATION, LATENCY
from .journal import Journal, JournalEntry, fingerprint
from .metrics import Metric, MetricError, Runner, identified
from .requantize import Attempt, CalibratedModel, Key

#: Options that do not change the model.
_OF_NO_EFFECT = {"accuracy", "guard", "keep_intermediate"}


@dataclass(frozen=True)
class Trial:
    """A model that was measured.

    Attributes:
        what: The model, in words.
        values: Its metrics.
        excess: The loss of the worst metric beyond its limit, as a share of the metric; zero or less: within the limit.
        int8: The number of layers that the plan runs in int8.
        layers: The number of all layers.
        seconds: The time that it took.
        is_kept: Whether it is the best so far.
    """

    what: str
    values: Mapping[str, float]
    excess: float
    int8: int = 0
    layers: int = 0
    seconds: float = 0.0
    is_kept: bool = False

    @property
    def is_within(self) -> bool:
        """Whether no metric loses more than allowed."""
        return self.excess <= 0


Watch = Callable[[Trial], None]


def unwatched(trial: Trial) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Candidate:
    """A model that may become the result.

    Attributes:
        config: Its options.
        reverted_to_float: The operations that are reverted to float -> why.
        attempt: The quantized model, if it exists already.
    """

    config: QuantizationConfig
    reverted_to_float: Mapping[Key, str]
    attempt: Attempt | None = None


@dataclass(frozen=True)
class Judge:
    """The metrics, their limits, and what the float model reaches.

    Attributes:
        metrics: The metrics.
        options: The limits of losses and of the budget.
        journal: Earlier measurements.
        runner: Runs models on the samples of the metric functions.
        baselines: The float model's metrics.
        watch: Called with each trial, and with the float model.
        confirmed: The measured metrics of the float model where `baselines` has a value that was given.
    """

    metrics: tuple[Metric, ...]
    options: AccuracyOptions
    journal: Journal
    runner: Runner
    baselines: Mapping[str, float]
    watch: Watch
    confirmed: Mapping[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def of(
        cls,
        graph: Graph,
        metrics: Sequence[Metric],
        options: AccuracyOptions,
        journal: Journal,
        *,
        is_here: bool = True,
        watch: Watch = unwatched,
        progress: Progress = no_progress,
    ) -> "Judge":
        """Measures the float model before all other work.

        Args:
            graph: The float model.
            metrics: The metrics; those with a baseline are not measured.
            options: The limits of losses and of the budget.
            journal: Earlier measurements.
            is_here: Whether the target is the CPU.
            watch: Called with each trial.
            progress: Called during long work.

        Raises:
            MetricError: a metric fails, or its relative limit refers to zero.
            ConfigError: measurements are kept, but a metric cannot be identified.
        """
        metrics = identified(metrics) if journal.path else metrics
        runner, began = Runner.of(graph, LATENCY if is_here else EMULATION, progress), time.perf_counter()
        found = {each.name: each.baseline for each in metrics if each.baseline is not None}
        if missing := [each for each in metrics if each.baseline is None]:
            key = fingerprint(model=model_fingerprint(graph), **_surroundings(missing))
            if journal.known and key not in journal.known:
                journal.warnings.append(f"{journal.path}: none of its measurements are of this model and these metrics")
            if key not in journal.known:
                journal.add(key, JournalEntry(runner.measure(graph, missing)), what="the float model")
            found |= journal.known[key].values
        judge = cls(tuple(metrics), options, journal, runner, found, watch)
        given = ", ".join(f"{each.name} is {each.baseline_origin}" for each in metrics if each.baseline is not None)
        what = f"the float model{given and f'; not measured: {given}'}"
        watch(Trial(what, found, judge.excess(found), seconds=time.perf_counter() - began, is_kept=True))
        return judge

    def confirmed_by(self, graph: Graph, model: str) -> "Judge":
        """Measures the float model where a given value stands for it: a search cannot reach what it does not reach.

        Args:
            graph: The float model.
            model: Its fingerprint.

        Raises:
            MetricError: the float model itself misses a limit.
        """
        if not (given := [each for each in self.metrics if each.baseline is not None]):
            return self
        key = fingerprint(model=model, **_surroundings(given))
        if key not in self.journal.known:
            self.journal.add(key, JournalEntry(self.runner.measure(graph, given)), what="the float model")
        found = self.journal.known[key].values
        for each in given:
            value, baseline = found[each.name], self.baselines[each.name]
            if each.excess(baseline, value) > 0:
                message = (
                    f"metric {each.name}: the float model itself gives {value:.5g}: {each.baseline_origin}, "
                    f"{baseline:.5g}, does not fit this metric or these data; leave it out, and the float model is "
                    "measured"
                )
                raise MetricError(message)
        return replace(self, confirmed=found)

    def excess(self, values: Mapping[str, float]) -> float:
        """The loss of the worst metric beyond its limit."""
        return max(each.excess(self.baselines[each.name], values[each.name]) for each in self.metrics)

    def allowed_share(self, values: Mapping[str, float]) -> float:
        """The allowed loss of the worst metric, as a share of its loss."""
        shares = [1.0]
        for each in self.metrics:
            baseline = self.baselines[each.name]
            drop = baseline - values[each.name]
            shares += [each.allowed(baseline) / drop] if drop > 0 else []
        return min(shares)

    def measured(self, candidate: Candidate, calibrated: CalibratedModel, what: str) -> JournalEntry:
        """The metrics of a model, from the journal if it has them."""
        key = fingerprint(**_made_of(candidate, calibrated.context), **_surroundings(self.metrics))
        if key not in self.journal.known:
            made = candidate.attempt
            graph, context = (
                (made.graph, made.context)
                if made
                else calibrated.rounded(candidate.config, candidate.reverted_to_float)
            )
            decisions = context.plan.decisions.values()
            values = self.runner.measure(graph, self.metrics)
            found = JournalEntry(values, sum(each.int8 for each in decisions), len(decisions))
            self.journal.add(key, found, what=what)
        return self.journal.known[key]


def _made_of(candidate: Candidate, context: Context) -> dict[str, object]:
    """The facts that determine a quantized model."""
    return {
        "model": context.model_fingerprint,
        "data": context.calibration.data_fingerprint,
        "target": context.target.model_dump(mode="json"),
        "config": candidate.config.model_dump(mode="json", exclude=_OF_NO_EFFECT),
        "floats": sorted(map(str, candidate.reverted_to_float)),
    }


def _surroundings(metrics: Iterable[Metric]) -> dict[str, object]:
    """The facts that determine a measurement besides the model."""
    return {
        "metrics": {each.name: each.identity for each in metrics},
        "irquant": version("irquant"),
        "runtime": runtime_version(),
    }


@dataclass
class Trials:
    """The trials within the budget.

    Attributes:
        judge: The metrics and their limits.
        calibrated: The calibrated model.
        best: The best model so far.
        trial: Its trial.
        done: All trials, in order.
        stopped: Why the search ended early, if the budget is spent.
    """

    judge: Judge
    calibrated: CalibratedModel
    best: Candidate
    trial: Trial
    done: list[Trial] = field(default_factory=list[Trial])
    stopped: str = ""
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, judge: Judge, calibrated: CalibratedModel, first: Candidate, what: str) -> "Trials":
        """Measures the first model, without regard to the budget.

        Raises:
            MetricError: the model misses a limit, and so does the float model.
        """
        began = time.perf_counter()
        trial = replace(_measure(judge, calibrated, first, what), is_kept=True)
        if not trial.is_within:
            judge = judge.confirmed_by(calibrated.float_model(), calibrated.context.model_fingerprint)
        trials = cls(judge, calibrated, first, trial, began=began)
        trials._note(trials.trial)
        return trials

    def add(self, what: str, candidate: Candidate) -> Trial | None:
        """Measures another model, and keeps it if it is better; None if the budget is spent."""
        options = self.judge.options
        if options.seconds is not None and time.perf_counter() - self.began > options.seconds:
            done = number_of(len(self.done), "models")
            self.stopped = f"the limit of {options.seconds:g} seconds was reached after {done}"
        elif len(self.done) >= options.max_trials:
            self.stopped = f"the limit of {number_of(len(self.done), 'models')} was reached"
        if self.stopped:
            return None
        trial = _measure(self.judge, self.calibrated, candidate, what)
        if _rank(trial, candidate) > _rank(self.trial, self.best):
            trial = replace(trial, is_kept=True)
            self.best, self.trial = candidate, trial
        self._note(trial)
        return trial

    def _note(self, trial: Trial) -> None:
        self.done.append(trial)
        self.judge.watch(trial)


def _measure(judge: Judge, calibrated: CalibratedModel, candidate: Candidate, what: str) -> Trial:
    began = time.perf_counter()
    found = judge.measured(candidate, calibrated, what)
    excess = judge.excess(found.values)
    return Trial(what, found.values, excess, found.int8, found.layers, time.perf_counter() - began)


def _rank(trial: Trial, candidate: Candidate) -> tuple[bool, float, int]:
    """Ranks models: within the limits by most int8 layers, else by least loss; then by fewest reverted operations."""
    return trial.is_within, trial.int8 if trial.is_within else -trial.excess, -len(candidate.reverted_to_float)
