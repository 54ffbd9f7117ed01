"""Quantized models measured by the user's metrics, each once, within a budget, and the best of them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from ...ir import Graph
from ..calibration.fingerprint import model_fingerprint
from ..infra.base import Context
from ..infra.run_inputs import Progress, no_progress
from ..options.accuracy import AccuracyOptions
from ..options.config import QuantizationConfig
from ..runtime.engine import EMULATION, LATENCY, runtime_version
from .journal import Journal, JournalEntry, fingerprint
from .metrics import Metric, Runner, identified
from .requantize import Attempt, CalibratedModel, Key

#: Options that change no model.
_OF_NO_EFFECT = {"accuracy", "guard", "keep_intermediate"}


@dataclass(frozen=True)
class Trial:
    """A model that was measured.

    Attributes:
        what: In words.
        values: Its metrics.
        excess: How much more than allowed is lost of the worst metric, as a share of it; up to zero all is well.
        int8: Layers that the plan runs in int8.
        layers: All layers.
        seconds: What it took.
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
        """Whether no metric loses more than it may."""
        return self.excess <= 0


Watch = Callable[[Trial], None]


def unwatched(trial: Trial) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Candidate:
    """A model that could be the result.

    Attributes:
        config: Its options.
        floats: The operations that are returned to float -> why.
        attempt: It, if it was made already.
    """

    config: QuantizationConfig
    floats: Mapping[Key, str]
    attempt: Attempt | None = None


@dataclass(frozen=True)
class Judge:
    """What is to be kept, and what the float model reaches.

    Attributes:
        metrics: What is measured.
        options: What may be lost and spent.
        journal: What was measured before.
        runner: Runs models on what the metric functions hand over.
        baselines: The float model's metrics.
        watch: Told of each trial, and of the float model.
    """

    metrics: tuple[Metric, ...]
    options: AccuracyOptions
    journal: Journal
    runner: Runner
    baselines: Mapping[str, float]
    watch: Watch

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
        """Measures the float model, before time is spent on anything else.

        Args:
            graph: The float model.
            metrics: What is measured; of those with a baseline, nothing is.
            options: What may be lost and spent.
            journal: What was measured before.
            is_here: Whether the target is the CPU.
            watch: Told of each trial.
            progress: Told about long work.

        Raises:
            MetricError: a metric fails, or may lose a share of nothing.
            ConfigError: measurements are kept, but a metric cannot be told from others.
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
        watch(Trial("the float model", found, judge.excess(found), seconds=time.perf_counter() - began, is_kept=True))
        return judge

    def excess(self, values: Mapping[str, float]) -> float:
        """How much more than allowed the worst metric loses."""
        return max(each.excess(self.baselines[each.name], values[each.name]) for each in self.metrics)

    def allowed_share(self, values: Mapping[str, float]) -> float:
        """What the worst metric may lose, as a share of what it loses."""
        shares = [1.0]
        for each in self.metrics:
            baseline = self.baselines[each.name]
            drop = baseline - values[each.name]
            shares += [each.allowed(baseline) / drop] if drop > 0 else []
        return min(shares)

    def measured(self, candidate: Candidate, calibrated: CalibratedModel, what: str) -> JournalEntry:
        """The metrics of a model, from the journal if they are there."""
        key = fingerprint(**_made_of(candidate, calibrated.context), **_surroundings(self.metrics))
        if key not in self.journal.known:
            made = candidate.attempt
            graph, context = (
                (made.graph, made.context) if made else calibrated.rounded(candidate.config, candidate.floats)
            )
            decisions = context.plan.decisions.values()
            values = self.runner.measure(graph, self.metrics)
            found = JournalEntry(values, sum(each.int8 for each in decisions), len(decisions))
            self.journal.add(key, found, what=what)
        return self.journal.known[key]


def _made_of(candidate: Candidate, context: Context) -> dict[str, object]:
    """What a quantized model depends on."""
    return {
        "model": context.model_fingerprint,
        "data": context.calibration.data_fingerprint,
        "target": context.target.model_dump(mode="json"),
        "config": candidate.config.model_dump(mode="json", exclude=_OF_NO_EFFECT),
        "floats": sorted(map(str, candidate.floats)),
    }


def _surroundings(metrics: Iterable[Metric]) -> dict[str, object]:
    """What a measurement depends on besides the model."""
    return {
        "metrics": {each.name: each.identity for each in metrics},
        "irquant": version("irquant"),
        "runtime": runtime_version(),
    }


@dataclass
class Trials:
    """What was tried, within the budget.

    Attributes:
        judge: What is to be kept.
        calibrated: From what models are made.
        best: The best model so far.
        trial: Its trial.
        done: All trials, in order.
        stopped: Why there are no more, if the budget is spent.
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
        """Measures the first model, whatever the budget says."""
        began = time.perf_counter()
        trials = cls(judge, calibrated, first, _measure(judge, calibrated, first, what), began=began)
        trials.trial = replace(trials.trial, is_kept=True)
        trials._note(trials.trial)
        return trials

    def add(self, what: str, candidate: Candidate) -> Trial | None:
        """Measures another model, and keeps it if it is better; None if the budget is spent."""
        options = self.judge.options
        if options.seconds is not None and time.perf_counter() - self.began > options.seconds:
            self.stopped = f"{options.seconds:g} seconds were over after {len(self.done)} models"
        elif len(self.done) >= options.max_trials:
            self.stopped = f"{len(self.done)} models were measured, as many as may be"
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
    """What is best: within the drops, the most int8; else what loses least; then what leaves least to float."""
    return trial.is_within, trial.int8 if trial.is_within else -trial.excess, -len(candidate.floats)
