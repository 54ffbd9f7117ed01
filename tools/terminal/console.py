"""What the commands show: progress on standard error, results on standard output."""

import math
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from irquant.ir import printable
from irquant.passes import Report
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.accuracy.metrics import Metric
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.dry_run import MeasurementPlan
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.infra.execution import Asked
from irquant.passes.infra.run_inputs import Progress as ProgressCallback
from irquant.passes.infra.run_inputs import no_progress
from irquant.tools.terminal.latency import latency_lines
from irquant.tools.terminal.tuning import tuning_lines

#: From this number of samples on, the numbers are not called those of few.
ENOUGH_SAMPLES = 8
#: The place where outputs of some kinds are compared.
_BEFORE = {
    OutputKind.DETECTIONS: " before the selection by score",
    OutputKind.DECISIONS: " before it becomes integers",
}


@contextmanager
def progress_bar() -> Generator[ProgressCallback]:
    """A progress bar with the remaining time, one line per task; no output without a terminal or a notebook."""
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield no_progress
        return
    # Imported here, because most scripts have no terminal.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = bar.add_task(printable(task), total=total)
            bar.update(tasks[task], completed=done, total=total)

        yield show


def measurement_lines(plan: MeasurementPlan) -> Iterable[str]:
    """What a calibration run would measure, and its cost."""
    for tensor in plan.tensors:
        yield f"{tensor.name}  [{tensor.shape}]  {', '.join(tensor.reductions)}"
    yield f"{plan.requests} statistics requested; measured: {plan.measured} at {len(plan.tensors)} tensors"
    yield f"one run over the data, one compiled model; {plan.numbers:,} numbers a sample"
    yield from (f"expensive: {reason}" for reason in plan.expensive)
    table, weights = megabytes(plan.table_bytes), megabytes(plan.weights_bytes)
    yield f"memory besides the runtime's own: {table} for numbers, {weights} for the weights, mapped from the file"


def report_lines(report: Report, where: str) -> Iterable[str]:
    """The report as text."""
    yield f"{where}: {change_of_size(report.bytes_before, report.bytes_after)}"
    if report.data.line:
        yield f"data: {report.data.line}"
    planned = [layer for layer in report.layers if layer.decision.int8]
    types = _by_type(layer.type for layer in planned)
    yield f"quantized: {len(planned)} of {len(report.layers)} layers ({types}), preset {report.preset}"
    listed = {each.name for each in report.accuracy.reverted_to_float} if report.accuracy else set[str]()
    floats = [layer for layer in report.layers if not layer.decision.int8 and layer.name not in listed]
    kept = Counter((layer.type, layer.decision.reason) for layer in floats)
    for (type_, reason), count in kept.items():
        yield f"planned in float: {count} x {type_}: {reason}"
    if report.corrected or report.uncorrected:
        rejected = f"; {report.uncorrected} not: no gain on other samples" if report.uncorrected else ""
        yield f"biases corrected: {report.corrected} layers{rejected}"
    for warning in (*report.data.warnings, *report.warnings):
        yield f"warning: {warning}"
    for layer in planned:
        if layer.fallen:
            yield f"planned for int8, but fell back to FP32: {layer.type} '{layer.name}': {layer.fallen}"
    if (ran := report.check.execution) is None:
        yield f"not verified: this machine has no {report.device}; the outputs come from FakeQuantizes in float"
    else:
        yield f"ran in int8: {ran.int8} of {ran.total} executed layers ({ran.int8_share:.0%})"
        if ran.unseen:
            yield f"not verified: {ran.unseen} layers in bodies with dynamic shapes: the runtime does not show them"
        yield _asked_line(report.check.asked)
    yield from _guard_lines(report.guard)
    yield from latency_lines(report.latencies) if report.latencies else ()
    yield from tuning_lines(report.tuning) if report.tuning else ()
    yield from _accuracy_lines(report.accuracy) if report.accuracy else ()
    yield from output_lines(report)
    passes = ", ".join(f"{name} {result.seconds:.2f} s" for name, result in report.results.items())
    yield f"time: {passes}"


def _asked_line(asked: Asked | None) -> str:
    """Whether the device computes the FakeQuantizes correctly."""
    if asked is None or not asked.output:
        return "not verified: whether the device computes the FakeQuantizes correctly; this needs samples and outputs"
    verdict = "wrongly" if asked.wrong else "correctly"
    ratios = f"SQNR {decibels(asked.made)}, with FakeQuantizes in float {decibels(asked.meant)}, at '{asked.output}'"
    return f"the device computes the FakeQuantizes {verdict} ({ratios}; {asked.samples} samples)"


def _guard_lines(steps: Sequence[GuardStep]) -> Iterable[str]:
    if steps:
        yield f"the worst output had {decibels(steps[0].before)} at first; the guard tried"
    for step in steps:
        change, kept = f"{decibels(step.before)} -> {decibels(step.after)}", "kept" if step.is_kept else "dropped"
        yield f"  {step.what}: {change}, {step.int8} of {step.layers} layers int8: {kept}"


def _accuracy_lines(accuracy: AccuracyResult) -> Iterable[str]:
    for metric in accuracy.metrics:
        name = metric.name
        yield f"metric {name}: {_drop(metric, accuracy.baselines[name], accuracy.best.values[name])}"
    for each in accuracy.reverted_to_float:
        yield f"reverted to float: {each.type} '{each.name}': {effect_line(each)}"
    if not accuracy.is_reached:
        tried = f"this is the best of {len(accuracy.trials)} models"
        yield f"NOT REACHED: the metrics lose more than they may: {accuracy.stopped}; {tried}"
    elif accuracy.stopped:
        yield f"the search for fewer float layers ended early: {accuracy.stopped}"


def _drop(metric: Metric, baseline: float, value: float) -> str:
    drop = baseline - value
    share = f" ({drop / abs(baseline):.2%})" if baseline else ""
    limit = f"{metric.max_drop:g}" if metric.drop_type == "absolute" else f"{metric.max_drop:.2%} of FP32"
    verdict = "within" if metric.excess(baseline, value) <= 0 else "more than"
    return f"FP32 {baseline:.5g}, INT8 {value:.5g}, drop {drop:.5g}{share}: {verdict} {limit}"


def effect_line(effect: Effect) -> str:
    """The sensitivity of an operation, as text."""
    return f"rounding it causes {effect.share:.0%} of the outputs' error ({decibels(effect.own)} of its own)"


def output_lines(report: Report, *, is_guarded: bool = True) -> Iterable[str]:
    """How close the outputs are, and on which samples.

    Args:
        report: The findings.
        is_guarded: Whether the guard ran.
    """
    seen = f"calibrated on {samples_line(report)}"
    if report.check.outputs is None:
        yield f"{seen}; no held-out samples to check the outputs (give 9 samples or more)"
        return
    before = "" if is_guarded else " before any guard"
    yield f"{seen}; output SQNR{before} on {counted(report.held_out, 'held-out samples')}:"
    for each in report.check.outputs:
        yield f"  {each.name}: {agreement_line(each)}"


def samples_line(report: Report) -> str:
    """How many samples were measured, and why."""
    total, sampling = report.samples + report.sampling.left, report.sampling
    used = f"{report.samples} of {total} samples" if sampling.left else f"{report.samples} samples"
    return f"{used} ({sampling.why})" if sampling.why else used


def counted(samples: int, kind: str = "samples") -> str:
    """How many samples, and whether these are few."""
    few = " (few: others may say otherwise)" if samples < ENOUGH_SAMPLES else ""
    return f"{samples} {kind}{few}"


def compared_on(samples: int, *, held_out: bool) -> str:
    """On which samples two models were compared."""
    if held_out:
        return f"{counted(samples)} that calibration with these data does not see"
    return f"the first {counted(samples)}, which calibration may have seen"


def agreement_line(each: Agreement) -> str:
    """How close an output is, and what that means."""
    if each.verdict is Verdict.UNKNOWN:
        random = "it is random, and the float model itself gives other values each time"
        return f"{each.verdict.words}: {random if each.kind is OutputKind.RANDOM else 'their numbers of axes differ'}"
    before = _BEFORE.get(each.kind, "")
    part = f" in {each.part} ({decibels(each.whole)} as a whole)" if each.part else ""
    decisions = "" if each.top1 is None else f", {each.top1:.1%} of {each.decisions} decisions the same"
    kind = ", by the thresholds for images" if each.kind is OutputKind.IMAGE else ""
    why = ", since so many decisions change" if each.verdict is not each.by_ratio else kind
    resized = f", an upper bound: other sizes on {each.resized} samples" if each.resized else ""
    ratio = f"{decibels(each.sqnr)}{part}{before}, cosine {each.cosine:.4f}{decisions}{resized}"
    return f"{ratio}: {each.verdict}{why} ({each.verdict.words})"


def _by_type(types: Iterable[str]) -> str:
    return ", ".join(f"{count} {type_}" for type_, count in Counter(types).most_common()) or "none"


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
