"""What the commands show on standard output."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from irquant.ir.listing import number_of
from irquant.passes import Report
from irquant.passes.analysis.agreement import ENOUGH_SAMPLES, Agreement, Verdict
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.jobs.measured_by import LOADING
from irquant.passes.options.note import Note

if TYPE_CHECKING:  # most runs measure
    from irquant.passes.dry_run import MeasurementPlan

#: The place where outputs of some kinds are compared.
_BEFORE = {
    OutputKind.DETECTIONS: " before the selection by score",
    OutputKind.DECISIONS: " before it becomes integers",
}
#: Where a selection puts rows in another order.
_ASCENDING = " with picked rows by values in ascending order (an upper bound)"


def message_line(message: str) -> str:
    """A warning or a note."""
    return f"{'note' if isinstance(message, Note) else 'warning'}: {message}"


def measurement_lines(plan: "MeasurementPlan") -> Iterable[str]:
    """What a calibration run would measure, and its cost."""
    for tensor in plan.tensors:
        yield f"{tensor.name}  [{tensor.shape}]  {', '.join(tensor.reductions)}"
    yield f"{plan.requests} statistics requested; measured: {plan.measured} at {len(plan.tensors)} tensors"
    yield f"one run over the data, one compiled model; {plan.numbers:,} numbers a sample"
    yield from (f"expensive: {reason}" for reason in plan.expensive)
    table, weights = megabytes(plan.table_bytes), megabytes(plan.weights_bytes)
    yield f"memory besides the runtime's own: {table} for numbers, {weights} for the weights, mapped from the file"


def output_lines(report: Report, *, is_guarded: bool = True) -> Iterable[str]:
    """How close the outputs are, and on which samples.

    Args:
        report: The findings.
        is_guarded: Whether the guard ran.
    """
    seen = f"calibrated on {samples_line(report)}"
    if report.check.outputs is None:
        lack = "the data of the statistics" if lacks_data(report) else "9 samples or more"
        yield f"{seen}; no held-out samples to check the outputs (give {lack})"
        return
    before = "" if is_guarded else " before any guard"
    yield f"{seen}; output SQNR{before} on {counted(report.held_out, 'held-out samples')}:"
    for each in report.check.outputs:
        yield f"  {each.name}: {agreement_line(each, is_measured=report.is_within_limits)}"


def lacks_data(report: Report) -> bool:
    """Whether saved statistics were used without data; few data would have a warning."""
    return LOADING in report.results and not report.data.warnings


def samples_line(report: Report) -> str:
    """How many samples were measured, and why."""
    total, sampling = report.samples + report.sampling.left, report.sampling
    used = f"{report.samples} of {total} samples" if sampling.left else number_of(report.samples, "samples")
    return f"{used} ({sampling.why})" if sampling.why else used


def counted(samples: int, kind: str = "samples") -> str:
    """How many samples, and whether these are few; `kind` is their plural."""
    few = " (few: others may say otherwise)" if samples < ENOUGH_SAMPLES else ""
    return f"{number_of(samples, kind)}{few}"


def compared_on(samples: int, *, held_out: bool, is_spread: bool) -> str:
    """On which samples two models were compared."""
    if held_out:
        return f"{counted(samples)} that calibration with these data does not see"
    which = f"{counted(samples)} from all over the data" if is_spread else f"the first {counted(samples)}"
    return f"{which}, which calibration may have seen (--held-out takes others)"


def words_of(each: Agreement, *, is_measured: bool) -> str:
    """The verdict on an output in words; a loss that metrics have measured need not be measured again."""
    is_known = is_measured and each.verdict in (Verdict.FAIR, Verdict.POOR)
    return "what it costs, your metrics say" if is_known else each.verdict.words


def agreement_line(each: Agreement, *, is_measured: bool = False) -> str:
    """How close an output is, and what that means.

    Args:
        each: The output.
        is_measured: Whether metrics of the user are within their limits.
    """
    if each.verdict is Verdict.UNKNOWN:
        random = "it is random, and the float model itself gives other values each time"
        return f"{each.verdict.words}: {random if each.kind is OutputKind.RANDOM else 'their numbers of axes differ'}"
    before = _BEFORE.get(each.kind, "") + (_ASCENDING if each.is_ascending else "")
    part = f" in {each.part} ({decibels(each.whole)} as a whole)" if each.part else ""
    decisions = "" if each.top1 is None else f", {each.top1:.1%} of {each.decisions} decisions the same"
    kind = ", by the thresholds for images" if each.kind is OutputKind.IMAGE else ""
    why = ", since so many decisions change" if each.on_samples is not each.by_ratio else kind
    why = f", since {few_samples(each)}" if each.verdict is not each.on_samples else why
    resized = f", an upper bound: other sizes on {each.resized} samples" if each.resized else ""
    ratio = f"{decibels(each.sqnr)}{part}{before}, cosine {each.cosine:.4f}{decisions}{resized}"
    return f"{ratio}: {each.verdict}{why} ({words_of(each, is_measured=is_measured)})"


def few_samples(each: Agreement) -> str:
    """Why an output is not called good although it is on the samples."""
    return f"good begins at {decibels(each.good_from)} on {number_of(each.samples, 'samples')}"


def decibels(value: float) -> str:
    """A ratio in dB for people."""
    if math.isnan(value):
        return "cannot be compared: the sizes differ"
    return "equal" if value == math.inf else f"{value:.1f} dB"


def change_of_size(before: int, after: int) -> str:
    """Two sizes and their ratio, for people."""
    return f"{megabytes(before)} -> {megabytes(after)} ({times_smaller(before, after)})"


def times_smaller(before: int, after: int) -> str:
    """How many times smaller or larger a size became."""
    if after > before:
        return f"{after / max(before, 1):.1f}x larger"
    return f"{before / max(after, 1):.1f}x smaller"


def megabytes(count: int) -> str:
    """A size in megabytes for people."""
    return f"{count / 1e6:.2f} MB"
