"""The results of a batch, a row for each model: for tables, scripts and reports."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from irquant.ir.atomic_write import write_bytes
from irquant.passes.analysis.agreement import Verdict
from irquant.passes.options.strict import Strict
from irquant.tools.zoo.batch_file import Expected
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import Figures, ModelFigures, Record, State

#: Fields that rows and figures share.
_SHARED = {"output", "sqnr", "verdict", "bytes_before", "bytes_after", "metric", "warnings"}


class Row(Strict):
    """The result of a model.

    Attributes:
        name: The name of the result.
        state: The state after the run.
        int8_share: The share of the executed layers that run in int8; this and the next ones are None if unknown.
        output: The worst output.
        sqnr: Its SQNR in dB; None also if it is equal to the float model's.
        verdict: The verdict on it.
        size_ratio: How many times smaller the constants are.
        bytes_before: Their size in the float model.
        bytes_after: Their size in the result.
        metric: The result for the user's own metric.
        seconds: How long the last attempt took.
        peak_mb: The largest resident memory of its process.
        attempts: The number of attempts.
        warnings: The warnings of the run.
        message: Why it failed or missed.
    """

    name: str
    state: State
    int8_share: float | None = None
    output: str | None = None
    sqnr: float | None = None
    verdict: Annotated[Verdict | None, Field(strict=False)] = None
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
        record: The record of its run; None if it did not run.
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
        OSError: the file cannot be written.
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
        least: float | None = getattr(expected, name)
        if least is not None and (value is None or value < least):
            yield f"{name} is {'not known' if value is None else f'{value:.4g}'}, expected {least:g} or more"
    if (metric := figures.metric) and not metric.kept:
        why = f": {metric.stopped}" if metric.stopped else ""
        drop = f"FP32 {metric.fp32:.5g}, INT8 {metric.int8:.5g}: a drop of more than {metric.limit}"
        yield f"metric {metric.name}: {drop}{why}"
