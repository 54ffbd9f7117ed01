"""The results of a batch, a row for each model: for tables, scripts and reports."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from irquant.ir.atomic_write import write_bytes
from irquant.passes.analysis.agreement import ENOUGH_SAMPLES, Verdict
from irquant.passes.options.strict import Strict
from irquant.tools.zoo.batch_file import Expected
from irquant.tools.zoo.job import MISSED, Job
from irquant.tools.zoo.record import Figures, FloatLayer, LatencyFigures, ModelFigures, Record, State

#: Fields that rows and figures share.
_SHARED = {
    "output",
    "sqnr",
    "verdict",
    "good_from",
    "held_out",
    "latency",
    "tuned_layers",
    "bytes_before",
    "bytes_after",
    "metric",
    "float_layers",
    "warnings",
}
#: How warnings about names begin that the batch file says and the model does not have.
IGNORED = "ignored: "
#: The verdicts that can be expected, the best first.
_BEST_FIRST = (Verdict.GOOD, Verdict.FAIR, Verdict.POOR)


class Row(Strict):
    """The result of a model.

    Attributes:
        name: The name of the result.
        state: The state after the run.
        model: The path of the float model.
        data: The source of its samples.
        result: The path of the result in the folder of the results; None: there is none.
        ran: Whether it was quantized in this run.
        why: Why it ran, or why not.
        started: When this run started: UTC, in ISO 8601.
        irquant: The version of irquant of this run.
        openvino: The version of the runtime of this run.
        verified: Whether the result ran on its device; False if this machine lacks the device.
        int8_share: The share of the executed layers that run in int8; this and the next ones are None if unknown.
        output: The worst output.
        sqnr: Its SQNR in dB; None also if it is equal to the float model's.
        verdict: The verdict on it.
        good_from: The SQNR in dB from which it is called good.
        held_out: The number of held-out samples that the verdict rests on.
        latency: The latency of both models; None if it was not measured.
        tuned_layers: The number of layers that a tuning leaves in float; None without a tuning.
        size_ratio: How many times smaller the constants are.
        bytes_before: Their size in the float model.
        bytes_after: Their size in the result.
        metric: The result for the user's own metric.
        float_layers: The layers that do not run in int8, and why.
        seconds: How long all attempts took.
        peak_mb: The largest resident memory of its process.
        attempts: The number of attempts.
        warnings: The warnings of the run.
        message: Why it failed, missed or is unchanged.
    """

    name: str
    state: State
    model: str = ""
    data: str = ""
    result: str | None = None
    ran: bool = False
    why: str = ""
    started: str = ""
    irquant: str = ""
    openvino: str = ""
    verified: bool | None = None
    int8_share: float | None = None
    output: str | None = None
    sqnr: float | None = None
    verdict: Annotated[Verdict | None, Field(strict=False)] = None
    good_from: float | None = None
    held_out: int | None = None
    latency: LatencyFigures | None = None
    tuned_layers: int | None = None
    size_ratio: float | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    metric: ModelFigures | None = None
    float_layers: list[FloatLayer] = Field(default_factory=list[FloatLayer])
    seconds: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 0
    warnings: list[str] = Field(default_factory=list[str])
    message: str = ""

    @property
    def few_samples(self) -> str:
        """The number of held-out samples, if these are too few to be sure of the verdict; empty otherwise."""
        is_few = self.verdict is not None and self.held_out and self.held_out < ENOUGH_SAMPLES
        return f"few samples: {self.held_out}" if is_few else ""


def row_of(job: Job, record: Record | None) -> Row:
    """The row of one model.

    Args:
        job: The model to quantize.
        record: The record of its run; None if it did not run.
    """
    known = {"name": job.name, "model": job.entry.model, "data": job.data}
    if record is None:
        return Row.model_validate({**known, "state": State.NOT_DONE})
    seen = {**known, "seconds": record.seconds, "peak_mb": record.peak_mb, "attempts": record.attempts}
    if (figures := record.figures) is None:
        return Row.model_validate({**seen, "state": record.state, "message": record.message})
    missed = "; ".join(_missed(figures, job.entry.expect))
    state = State.MISSED if missed and record.state is State.DONE else record.state
    places = {State.DONE: job.output.name, State.MISSED: f"{MISSED}/{job.output.name}"}
    return Row.model_validate(
        {
            **seen,
            **figures.model_dump(include=_SHARED),
            "verified": figures.int8 is not None,
            "int8_share": figures.int8_share,
            "size_ratio": round(figures.size_ratio, 3),
            "state": state,
            "result": places.get(state),
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
            said = f"{value:.4g}" if value is not None else _why_unknown(name, figures)
            yield f"{name} is {said}, expected {least:g} or more"
    if (wanted := expected.verdict) and not _is_as_good(figures.verdict, Verdict(wanted)):
        better = "" if wanted == "good" else " or better"
        yield f"verdict is {figures.verdict or _why_unknown('verdict', figures)}, expected {wanted}{better}"
    if (metric := figures.metric) and not metric.kept:
        why = f": {metric.stopped}" if metric.stopped else ""
        drop = f"FP32 {metric.fp32:.5g}, INT8 {metric.int8:.5g}: a drop of more than {metric.limit}"
        yield f"metric {metric.name}: {drop}{why}"


def _why_unknown(name: str, figures: Figures) -> str:
    """That a figure is not known, and what to do."""
    if name == "int8_share":
        return "not known, since this machine lacks the device (run it on one that has it, or leave int8_share out)"
    return "not known" if figures.held_out else "not known without held-out samples (give 9 samples or more)"


def _is_as_good(found: Verdict | None, wanted: Verdict) -> bool:
    """Whether a verdict is the wanted one or a better one."""
    return found in _BEST_FIRST[: _BEST_FIRST.index(wanted) + 1]
