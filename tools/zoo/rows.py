"""What a batch came to, a row for each model: for tables, for scripts, for reports."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field

from irquant.ir.atomic_write import write_bytes
from irquant.passes.options.strict import Strict
from irquant.tools.zoo.batch_file import Expected
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import Figures, ModelFigures, Record, State

#: Fields that rows and records have both.
_SHARED = {"output", "sqnr", "verdict", "bytes_before", "bytes_after", "metric", "warnings"}


class Row(Strict):
    """How it went with a model.

    Attributes:
        name: What the result is called.
        state: How it ended.
        int8_share: Share of the executed layers that run in int8; None if nobody knows, as all below.
        output: The worst output.
        sqnr: Its ratio in dB; None also if it is equal to the float model's.
        verdict: What that means.
        size_ratio: How many times smaller the constants are.
        bytes_before: Their size in the float model.
        bytes_after: Their size in the result.
        metric: What became of the user's own metric.
        seconds: How long the last attempt took.
        peak_mb: The most memory it had resident.
        attempts: How many there were.
        warnings: What the user should know.
        message: What went wrong.
    """

    name: str
    state: State
    int8_share: float | None = None
    output: str | None = None
    sqnr: float | None = None
    verdict: str | None = None
    size_ratio: float | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    metric: ModelFigures | None = None
    seconds: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 0
    warnings: list[str] = Field(default_factory=list[str])
    message: str = ""


def row_of(job: Job, record: Record | None) -> Row:
    """The row of one model.

    Args:
        job: The model to quantize.
        record: How it went with it; None if it was not done.
    """
    if record is None:
        return Row(name=job.name, state=State.NOT_DONE)
    seen = {"name": job.name, "seconds": record.seconds, "peak_mb": record.peak_mb, "attempts": record.attempts}
    if (figures := record.figures) is None:
        return Row.model_validate({**seen, "state": record.state, "message": record.message})
    missed = "; ".join(_missed(figures, job.entry.expect))
    return Row.model_validate(
        {
            **seen,
            **figures.model_dump(include=_SHARED),
            "int8_share": figures.int8_share,
            "size_ratio": round(figures.size_ratio, 3),
            "state": State.MISSED if missed and record.state is State.DONE else record.state,
            "message": record.message or missed,
        }
    )


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Writes rows as lines of JSON.

    Raises:
        OSError: that cannot be.
    """
    write_bytes(path, "".join(f"{row.model_dump_json()}\n" for row in rows).encode())


def _missed(figures: Figures, expected: Expected) -> Iterator[str]:
    is_equal = figures.sqnr is None and figures.verdict == "good"
    found = {
        "sqnr": math.inf if is_equal else figures.sqnr,
        "int8_share": figures.int8_share,
        "size_ratio": figures.size_ratio,
    }
    for name, value in found.items():
        wanted: float | None = getattr(expected, name)
        if wanted is not None and (value is None or value < wanted):
            yield f"{name} is {'not known' if value is None else f'{value:.4g}'}, expected {wanted:g} or more"
    if (metric := figures.metric) and not metric.kept:
        why = f": {metric.stopped}" if metric.stopped else ""
        lost = f"FP32 {metric.fp32:.5g}, INT8 {metric.int8:.5g}, which is more than {metric.limit} lost"
        yield f"metric {metric.name}: {lost}{why}"
