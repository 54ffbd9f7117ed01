"""The summary of a quantization as text: verdict, next step, figures, layers."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from irquant.ir.ops import RECURRENT_TYPES
from irquant.ir.spelling import worded
from irquant.passes import Report
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.infra.execution import Asked
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.placement.plan import FloatSum
from irquant.passes.reporting.report import Dominant, Layer, Reverted
from irquant.tools.terminal.console import change_of_size, decibels, message_line, output_lines
from irquant.tools.terminal.latency import latency_lines
from irquant.tools.terminal.next_step import needs_work, next_step, verdict_line
from irquant.tools.terminal.times import time_line
from irquant.tools.terminal.tuning import tuning_lines
from irquant.tools.terminal.typed_command import TypedCommand

if TYPE_CHECKING:  # what most runs do not measure
    from irquant.passes.accuracy.control import AccuracyResult
    from irquant.passes.accuracy.metrics import Metric

#: The most sums in float that the summary names, and the most layers that were reverted to float.
_NAMED = 3
#: Layers that are neither convolutions nor matrix products.
_NOT_COUNTED = frozenset({*RECURRENT_TYPES, "ScaledDotProductAttention"})


def report_lines(report: Report, where: str, typed: TypedCommand | None = None) -> Iterable[str]:
    """The report as text.

    Args:
        report: The report.
        where: The result, for people.
        typed: The command line that gave it; None: it comes from Python.
    """
    yield f"{where}: {verdict_line(report)}"
    yield f"next: {next_step(report, typed)}"
    yield from map(message_line, (*warnings_in(report.warnings), *notes_in(report.warnings)))
    yield from _figures(report)
    yield from _layer_lines(report)
    yield time_line(report.seconds, report.results, report.stages)


def _figures(report: Report) -> Iterable[str]:
    yield f"size: {change_of_size(report.bytes_before, report.bytes_after)}"
    if report.data.line:
        yield f"data: {report.data.line}"
    yield from output_lines(report)
    yield from _accuracy_lines(report.accuracy) if report.accuracy else ()
    yield from _execution_lines(report)
    yield from _guard_lines(report.guard)
    yield from [_dominant_line(report.dominant)] if report.dominant else []
    if report.speed_trial:
        trial = report.speed_trial
        yield f"the guard tried for speed: {trial.what}: worst output {_change(trial)}: {trial.outcome}"
    yield from latency_lines(report.latencies) if report.latencies else ()
    yield from tuning_lines(report.tuning) if report.tuning else ()


def _execution_lines(report: Report) -> Iterable[str]:
    if (ran := report.check.execution) is None:
        yield f"not verified: this machine has no {report.device}; the outputs come from FakeQuantizes in float"
        return
    yield f"ran in int8: {ran.int8} of {ran.total} executed layers ({ran.int8_share:.0%}){_beside(report.layers)}"
    if ran.unseen == 1:
        yield "not verified: 1 layer in a body with dynamic shapes: the runtime does not show it"
    elif ran.unseen:
        yield f"not verified: {ran.unseen} layers in bodies with dynamic shapes: the runtime does not show them"
    yield _asked_line(report.check.asked)


def _beside(layers: Sequence[Layer]) -> str:
    """The layers that are not among the convolutions and matrix products that the execution graph counts."""
    found = Counter((each.type, "int8" if each.is_int8 else "float") for each in layers if each.type in _NOT_COUNTED)
    listed = ", ".join(f"{count} {type_} in {precision}" for (type_, precision), count in found.items())
    return f"; besides these: {listed}" if listed else ""


def _layer_lines(report: Report) -> Iterable[str]:
    planned = [layer for layer in report.layers if layer.decision.int8]
    types = _by_type(layer.type for layer in planned)
    yield f"quantized: {len(planned)} of {len(report.layers)} layers ({types}), preset {report.preset}"
    listed = {each.name for each in report.reverted}
    floats = [layer for layer in report.layers if not layer.decision.int8 and layer.name not in listed]
    kept = Counter((layer.type, layer.decision.reason) for layer in floats)
    for (type_, reason), count in kept.items():
        yield f"planned in float: {count} x {type_}: {reason}"
    sums = [each for each in report.float_sums if each.name not in listed]
    yield from _sum_lines(sums) if needs_work(report) else ()
    yield from _reverted_lines(report.reverted)
    for layer in planned:
        if layer.fallen:
            yield f"planned for int8, but fell back to FP32: {layer.type} '{layer.name}': {layer.fallen}"
    if report.corrected or report.uncorrected:
        rejected = f"; {report.uncorrected} not: no gain on other samples" if report.uncorrected else ""
        total = report.corrected + report.uncorrected
        yield f"biases corrected: {report.corrected} of {total} layers with constant weights{rejected}"


def _sum_lines(sums: Sequence[FloatSum]) -> Iterable[str]:
    """The sums that stay float, the first ones by name."""
    for each in sums[:_NAMED]:
        yield f"sum in float: Add '{each.name}': {each.reason}"
    if (more := len(sums) - _NAMED) > 0:
        yield f"sums in float: {more} more; {worded('--json and --report', 'to_json() and save()')} list all of them"


def _reverted_lines(reverted: Sequence[Reverted]) -> Iterable[str]:
    for each in reverted[:_NAMED]:
        yield f"reverted to float: {each.type} '{each.name}': {each.reason}"
    if more := reverted[_NAMED:]:
        what = f"{_by_type(each.type for each in more)}; {sum(each.is_layer for each in more)} of them layers"
        yield f"reverted to float: {len(more)} more ({what}): alone, each causes less; together, they were needed"


def _dominant_line(found: Dominant) -> str:
    """The layer to try in float, with an option to paste."""
    return (
        f"most of the error: {found.share:.0%} comes from {found.type} '{found.name}': in float, the outputs gain "
        f"about {decibels(found.gain)}, for about {found.percent:.2g} % more time: "
        f"{worded(f'--ignored {shlex.quote(found.name)}', f'ignored={found.name!r}')}"
    )


def _asked_line(asked: Asked | None) -> str:
    """Whether the device computes the FakeQuantizes correctly."""
    if asked is None or not asked.output:
        return "not verified: whether the device computes the FakeQuantizes correctly; this needs samples and outputs"
    samples = f"{asked.samples} sample{'s' * (asked.samples != 1)}"
    if not asked.wrong:
        return f"the device computes the FakeQuantizes correctly ({samples})"
    ratios = f"SQNR {decibels(asked.made)}, with FakeQuantizes in float {decibels(asked.meant)}, at '{asked.output}'"
    return f"the device computes the FakeQuantizes wrongly ({ratios}; {samples})"


def _guard_lines(steps: Sequence[GuardStep]) -> Iterable[str]:
    if steps:
        yield f"the guard began with an output of {decibels(steps[0].before)}, and tried"
    for step in steps:
        yield f"  {step.what}: {_change(step)}, {step.int8} of {step.layers} layers int8: {step.outcome}"


def _change(step: GuardStep) -> str:
    return f"{decibels(step.before)} -> {decibels(step.after)}"


def _accuracy_lines(accuracy: "AccuracyResult") -> Iterable[str]:
    for metric in accuracy.metrics:
        name = metric.name
        told = _drop(metric, accuracy.baselines[name], accuracy.best.values[name], accuracy.confirmed.get(name))
        yield f"metric {name}: {told}"
    if not accuracy.is_reached:
        tried = f"this is the best of {len(accuracy.trials)} models"
        yield f"NOT REACHED: the metrics lose more than they may: {accuracy.stopped}; {tried}"
    elif accuracy.stopped:
        yield f"the search for fewer float layers ended early: {accuracy.stopped}"


def _drop(metric: "Metric", baseline: float, value: float, confirmed: float | None) -> str:
    drop = baseline - value
    share = f" ({drop / abs(baseline):.2%})" if baseline else ""
    limit = f"{metric.max_drop:g}" if metric.drop_type == "absolute" else f"{metric.max_drop:.2%} of FP32"
    verdict = "within" if metric.excess(baseline, value) <= 0 else "more than"
    measured = "not measured" if confirmed is None else f"measured: {confirmed:.5g}"
    origin = "" if metric.baseline is None else f" ({metric.baseline_origin}, {measured})"
    return f"FP32 {baseline:.5g}{origin}, INT8 {value:.5g}, drop {drop:.5g}{share}: {verdict} {limit}"


def _by_type(types: Iterable[str]) -> str:
    return ", ".join(f"{count} {type_}" for type_, count in Counter(types).most_common()) or "none"
