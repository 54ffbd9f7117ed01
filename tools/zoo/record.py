"""The record of a result: a JSON file beside it, written after the model, whole or not at all.

Records are the only state between runs. A record that does not match its files any more is ignored.
"""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError

from irquant.ir import UserError
from irquant.ir.atomic_write import write_bytes
from irquant.ir.user_files import read_user_file
from irquant.passes import Report
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.analysis.agreement import Verdict
from irquant.passes.evaluation.latency import Latencies
from irquant.passes.options.accuracy import DropType
from irquant.passes.options.note import warnings_in
from irquant.passes.options.strict import Strict
from irquant.tools.zoo.cache_key import fingerprint


class State(StrEnum):
    """The state of a model after a run."""

    DONE = "done"
    MISSED = "missed"
    """Done, but worse than the batch file expects."""
    FAILED = "failed"
    """Something that the user gave is wrong, or the result cannot be written."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    """The process exceeded its memory limit."""
    CRASHED = "crashed"
    """The process ended without an answer, or was killed."""
    INTERNAL = "internal error"
    """irquant itself failed."""
    NOT_DONE = "not done"


#: States that a new attempt may change.
PASSING = (State.TIMEOUT, State.CRASHED)


class ModelFigures(Strict):
    """The result for the user's own metric.

    Attributes:
        name: The name of the function.
        fp32: The value of the float model.
        int8: The value of the result.
        max_drop: The largest allowed drop.
        drop_type: `absolute`, or `relative` to the float model's value.
        kept: Whether the drop is within the limit.
        stopped: Why the search ended early; empty if it was complete.
    """

    name: str
    fp32: float
    int8: float
    max_drop: float
    drop_type: DropType
    kept: bool
    stopped: str

    @classmethod
    def of(cls, found: AccuracyResult) -> Self:
        """The figures of a run."""
        (metric,) = found.metrics
        return cls(
            name=metric.name,
            fp32=found.baselines[metric.name],
            int8=found.best.values[metric.name],
            max_drop=metric.max_drop,
            drop_type=metric.drop_type,
            kept=found.is_reached,
            stopped=found.stopped if found.is_reached else f"{found.stopped}; {_of_trials(found)}".removeprefix("; "),
        )

    @property
    def limit(self) -> str:
        """The largest allowed drop, for people."""
        return f"{self.max_drop:g}" if self.drop_type == "absolute" else f"{self.max_drop:.2%} of FP32"


def _of_trials(found: AccuracyResult) -> str:
    """Which of the models of a search without success the file is."""
    count = len(found.reverted_to_float)
    floats = f"{count or 'no'} operation{'s' * (count != 1)} left float by the search"
    return f"the file is the best of {len(found.trials)} models, with {floats}"


class LatencyFigures(Strict):
    """The latency of the float model and of the result, measured only if int8 may be no faster.

    Attributes:
        float_ms: The median of the float model.
        int8_ms: The median of the result.
        threads: The number of threads that an inference could use.
        at_a_time: The most models of the batch that ran at the same time; beside others, times say little.
    """

    float_ms: float
    int8_ms: float
    threads: int
    at_a_time: int

    @classmethod
    def of(cls, found: Latencies, at_a_time: int) -> Self:
        """The figures of a measurement."""
        before, after = (round(each.median * 1e3, 4) for each in (found.first, found.second))
        return cls(float_ms=before, int8_ms=after, threads=found.threads, at_a_time=at_a_time)


class Figures(Strict):
    """The figures of a quantization.

    Attributes:
        int8: Executed layers that ran in int8; None if this machine lacks the device, so that nothing ran there.
        executed: All executed layers.
        output: The worst output, that which decides about the verdict; None without held-out samples.
        sqnr: Its SQNR in dB; None if it is equal, or cannot be compared.
        verdict: The verdict on it.
        good_from: The SQNR in dB from which it is called good.
        held_out: The number of held-out samples that the verdict rests on.
        latency: The latency of both models; None if it was not measured.
        tuned_layers: The number of layers that a tuning leaves in float; None without a tuning.
        bytes_before: The size of the float model's constants.
        bytes_after: The size of the quantized model's constants.
        samples: The number of calibration samples.
        warnings: The warnings of the run.
        metric: The result for the user's own metric; None if there is none.
    """

    int8: Annotated[int | None, Field(ge=0)] = None
    executed: Annotated[int | None, Field(ge=0)] = None
    output: str | None = None
    sqnr: float | None = None
    verdict: Annotated[Verdict | None, Field(strict=False)] = None
    good_from: float | None = None
    held_out: Annotated[int | None, Field(ge=0)] = None
    latency: LatencyFigures | None = None
    tuned_layers: Annotated[int | None, Field(ge=0)] = None
    bytes_before: Annotated[int, Field(ge=0)]
    bytes_after: Annotated[int, Field(ge=0)]
    samples: int
    warnings: list[str]
    metric: ModelFigures | None = None

    @classmethod
    def of(cls, report: Report, at_a_time: int) -> Self:
        """The figures of a report.

        Args:
            report: The report.
            at_a_time: The most models of the batch that ran at the same time.
        """
        worst = report.worst_output
        ran = report.check.execution
        return cls(
            int8=ran.int8 if ran else None,
            executed=ran.total if ran else None,
            output=worst.name if worst else None,
            sqnr=worst.sqnr if worst and math.isfinite(worst.sqnr) else None,
            verdict=report.verdict,
            good_from=round(worst.good_from, 2) if worst else None,
            held_out=report.held_out,
            latency=LatencyFigures.of(report.latencies, at_a_time) if report.latencies else None,
            tuned_layers=len(report.tuning.layers) if report.tuning else None,
            bytes_before=report.bytes_before,
            bytes_after=report.bytes_after,
            samples=report.samples,
            warnings=warnings_in([*report.data.warnings, *report.warnings]),
            metric=ModelFigures.of(report.accuracy) if report.accuracy else None,
        )

    @property
    def int8_share(self) -> float | None:
        """Share of the executed layers that ran in int8."""
        return self.int8 / self.executed if self.int8 is not None and self.executed else None

    @property
    def size_ratio(self) -> float:
        """How many times smaller the constants are."""
        return self.bytes_before / max(self.bytes_after, 1)


class Record(Strict):
    """The record of the last run of a model.

    Attributes:
        state: The state after the run.
        message: Why it failed; empty if it did not.
        figures: The figures of the result.
        seconds: How long the last attempt took.
        peak_mb: The largest resident memory of its process that was seen.
        attempts: The number of attempts.
        origin: The cache key of the result.
        files: The result: name -> fingerprint.
    """

    state: State
    message: str = ""
    figures: Figures | None = None
    seconds: float = 0.0
    peak_mb: float = 0.0
    attempts: Annotated[int, Field(ge=0)] = 1
    origin: dict[str, str] = Field(default_factory=dict[str, str])
    files: dict[str, str] = Field(default_factory=dict[str, str])

    def write(self, path: Path) -> None:
        """Writes the record.

        Raises:
            OSError: the file cannot be written.
        """
        write_bytes(path, self.model_dump_json(indent=1).encode())

    def fits(self, folder: Path) -> bool:
        """Whether its files exist and are unchanged."""
        return bool(self.files) and all(is_as_written(folder / name, self.files[name]) for name in self.files)


def read_record(path: Path) -> Record | None:
    """The record in a file, if there is one that can be read."""
    try:
        return Record.model_validate_json(read_user_file(path))
    except (OSError, ValidationError):
        return None


def is_as_written(path: Path, expected: str) -> bool:
    """Whether a file has this fingerprint."""
    try:
        return fingerprint(path) == expected
    except UserError:
        return False
