"""What is known of a result: a JSON file beside it, which appears after the model and whole, or not at all.

Records are all the memory that there is between runs. One that does not fit its files any more counts for nothing.
"""

import math
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from irquant.ir import UserError
from irquant.ir.atomic_write import write_bytes
from irquant.passes import Report
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.options.accuracy import DropType
from irquant.passes.options.strict import Strict
from irquant.tools.zoo.cache_key import fingerprint


class State(StrEnum):
    """How it went with a model."""

    DONE = "done"
    MISSED = "missed"
    """Done, but less than the batch file expects."""
    FAILED = "failed"
    """What the user gave is wrong, or the result cannot be written."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    """The process took more memory than it may."""
    CRASHED = "crashed"
    """The process ended without an answer, or was killed."""
    INTERNAL = "internal error"
    """irquant itself failed."""
    NOT_DONE = "not done"


#: What may go otherwise the next time.
PASSING = (State.TIMEOUT, State.CRASHED)


class ModelFigures(Strict):
    """What became of the user's own metric.

    Attributes:
        name: Of its function.
        fp32: What the float model reaches.
        int8: What the result reaches.
        max_drop: The most that it may lose.
        drop_type: `absolute`, or `relative` to the float model's value.
        kept: Whether it loses no more.
        stopped: Why the search for a better model ended; empty if it was through.
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
        """The one of a run."""
        (metric,) = found.metrics
        return cls(
            name=metric.name,
            fp32=found.baselines[metric.name],
            int8=found.best.values[metric.name],
            max_drop=metric.max_drop,
            drop_type=metric.drop_type,
            kept=found.is_reached,
            stopped=found.stopped,
        )

    @property
    def limit(self) -> str:
        """The most that it may lose, for people."""
        return f"{self.max_drop:g}" if self.drop_type == "absolute" else f"{self.max_drop:.2%} of FP32"


class Figures(Strict):
    """What a quantization came to.

    Attributes:
        int8: Executed layers that ran in int8; None if this machine lacks the device.
        executed: All executed layers.
        output: The output that lies lowest above its floor, or farthest below; None without held-out samples.
        sqnr: Its ratio in dB; None if it is equal, or cannot be compared.
        verdict: What that means.
        bytes_before: Size of the float model's constants.
        bytes_after: Of the quantized one's.
        samples: Samples that calibration saw.
        warnings: What the user should know.
        metric: What became of the user's own; None if there is none.
    """

    int8: int | None = None
    executed: int | None = None
    output: str | None = None
    sqnr: float | None = None
    verdict: str | None = None
    bytes_before: int
    bytes_after: int
    samples: int
    warnings: list[str]
    metric: ModelFigures | None = None

    @classmethod
    def of(cls, report: Report) -> Self:
        """Those of a report."""
        worst = min(report.check.outputs or (), key=lambda each: each.margin, default=None)
        ran = report.check.execution
        return cls(
            int8=ran.int8 if ran else None,
            executed=ran.total if ran else None,
            output=worst.name if worst else None,
            sqnr=worst.sqnr if worst and math.isfinite(worst.sqnr) else None,
            verdict=worst.verdict.value if worst else None,
            bytes_before=report.bytes_before,
            bytes_after=report.bytes_after,
            samples=report.samples,
            warnings=list(report.warnings),
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
    """How it went with a model the last time.

    Attributes:
        state: What became of it.
        message: What there is to say of it.
        figures: What came out.
        seconds: How long the last attempt took.
        peak_mb: The most memory that its process was seen to have resident.
        attempts: How many there were.
        origin: What the result was made of.
        files: The result: name -> fingerprint.
    """

    state: State
    message: str = ""
    figures: Figures | None = None
    seconds: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 1
    origin: dict[str, str] = Field(default_factory=dict[str, str])
    files: dict[str, str] = Field(default_factory=dict[str, str])

    def write(self, path: Path) -> None:
        """Writes it.

        Raises:
            OSError: that cannot be.
        """
        write_bytes(path, self.model_dump_json(indent=1).encode())

    def fits(self, folder: Path) -> bool:
        """Whether its files are there, as they were written."""
        return bool(self.files) and all(is_as_written(folder / name, self.files[name]) for name in self.files)


def read_record(path: Path) -> Record | None:
    """The record in a file, if there is one that can be read."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def is_as_written(path: Path, wanted: str) -> bool:
    """Whether a file has a content."""
    try:
        return fingerprint(path) == wanted
    except UserError:
        return False
