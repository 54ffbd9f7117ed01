"""The summary of a quantization as text: verdict, next step, figures, layers."""

from collections import Counter
from collections.abc import Iterable, Sequence

from irquant.passes import Report
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.accuracy.metrics import Metric
from irquant.passes.infra.execution import Asked
from irquant.tools.terminal.console import change_of_size, decibels, effect_line, output_lines
from irquant.tools.terminal.latency import latency_lines
from irquant.tools.terminal.next_step import next_step, verdict_line
from irquant.tools.terminal.tuning import tuning_lines
from irquant.tools.terminal.typed_command import TypedCommand

#: The most sums in float that the summary names.
_NAMED = 3


def report_lines(report: Report, where: str, typed: TypedCommand | None = None) -> Iterable[str]:
    """The report as text.

    Args:
        report: The report.
        where: The result, for people.
        typed: The command line that gave it; None: it comes from Python.
    """
    yield f"{where}: {verdict_line(report)}"
    yield f"next: {next_step(report, typed)}"
    for warning in (*report.data.warnings, *report.warnings):
        yield f"warning: {warning}"
    yield from _figures(report)
    yield from _layer_lines(report)
    passes = ", ".join(f"{name} {result.seconds:.2f} s" for name, result in report.results.items())
    yield f"time: {passes}"


def _figures(report: Report) -> Iterable[str]:
    yield f"size: {change_of_size(report.bytes_before, report.bytes_after)}"
    if report.data.line:
        yield f"data: {report.data.line}"
    yield from output_lines(report)
    yield from _accuracy_lines(report.accuracy) if report.accuracy else ()
    yield from _execution_lines(report)
    yield from _guard_lines(report.guard)
    if report.speed_trial:
        trial = report.speed_trial
        yield f"the guard tried for speed: {trial.what}: worst output {_change(trial)}: {_outcome(trial)}"
    yield from latency_lines(report.latencies) if report.latencies else ()
    yield from tuning_lines(report.tuning) if report.tuning else ()


def _execution_lines(report: Report) -> Iterable[str]:
    if (ran := report.check.execution) is None:
        yield f"not verified: this machine has no {report.device}; the outputs come from FakeQuantizes in float"
        return
    yield f"ran in int8: {ran.int8} of {ran.total} executed layers ({ran.int8_share:.0%})"
    if ran.unseen:
        yield f"not verified: {ran.unseen} layers in bodies with dynamic shapes: the runtime does not show them"
    yield _asked_line(report.check.asked)


def _layer_lines(report: Report) -> Iterable[str]:
    planned = [layer for layer in report.layers if layer.decision.int8]
    types = _by_type(layer.type for layer in planned)
    yield f"quantized: {len(planned)} of {len(report.layers)} layers ({types}), preset {report.preset}"
    reverted = report.accuracy.reverted_to_float if report.accuracy else ()
    listed = {each.name for each in reverted}
    floats = [layer for layer in report.layers if not layer.decision.int8 and layer.name not in listed]
    kept = Counter((layer.type, layer.decision.reason) for layer in floats)
    for (type_, reason), count in kept.items():
        yield f"planned in float: {count} x {type_}: {reason}"
    for sum_ in report.float_sums[:_NAMED]:
        yield f"sum in float: Add '{sum_.name}': {sum_.reason}"
    if (more := len(report.float_sums) - _NAMED) > 0:
        yield f"sums in float: {more} more; --json and --report list all of them"
    for each in reverted:
        yield f"reverted to float: {each.type} '{each.name}': {effect_line(each)}"
    for layer in planned:
        if layer.fallen:
            yield f"planned for int8, but fell back to FP32: {layer.type} '{layer.name}': {layer.fallen}"
    if report.corrected or report.uncorrected:
        rejected = f"; {report.uncorrected} not: no gain on other samples" if report.uncorrected else ""
        yield f"biases corrected: {report.corrected} layers{rejected}"


def _asked_line(asked: Asked | None) -> str:
    """Whether the device computes the FakeQuantizes correctly."""
    if asked is None or not asked.output:
        return "not verified: whether the device computes the FakeQuantizes correctly; this needs samples and outputs"
    verdict = "wrongly" if asked.wrong else "correctly"
    ratios = f"SQNR {decibels(asked.made)}, with FakeQuantizes in float {decibels(asked.meant)}, at '{asked.output}'"
    return f"the device computes the FakeQuantizes {verdict} ({ratios}; {asked.samples} samples)"


def _guard_lines(steps: Sequence[GuardStep]) -> Iterable[str]:
    if steps:
        yield f"the guard began with an output of {decibels(steps[0].before)}, and tried"
    for step in steps:
        yield f"  {step.what}: {_change(step)}, {step.int8} of {step.layers} layers int8: {_outcome(step)}"


def _change(step: GuardStep) -> str:
    return f"{decibels(step.before)} -> {decibels(step.after)}"


def _outcome(step: GuardStep) -> str:
    return "kept" if step.is_kept else f"dropped: {step.why_dropped}"


def _accuracy_lines(accuracy: AccuracyResult) -> Iterable[str]:
    for metric in accuracy.metrics:
        name = metric.name
        yield f"metric {name}: {_drop(metric, accuracy.baselines[name], accuracy.best.values[name])}"
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


def _by_type(types: Iterable[str]) -> str:
    return ", ".join(f"{count} {type_}" for type_, count in Counter(types).most_common()) or "none"
