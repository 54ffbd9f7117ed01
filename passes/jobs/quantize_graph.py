"""Takes a float graph and data, returns the checked INT8 graph and a report."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...ir import Graph
from ...targets import Target
from ..accuracy.guard import GuardResult, guard
from ..accuracy.kernel_mismatch import checked, has_wrong_layers
from ..accuracy.requantize import Attempt, CalibratedModel
from ..analysis.data_findings import expected_inputs, find_about_data
from ..analysis.outputs import OutputKind
from ..files.provenance import record_provenance
from ..infra.base import Pass
from ..infra.internal_errors import own_work
from ..infra.progress import Progress, no_progress
from ..options.config import QuantizationConfig
from ..reporting.detail import Detail
from ..reporting.report import Report, constant_bytes, report_of
from ..tuning.goals import TuningGoals
from .quantize_once import quantize_once
from .stages import Stages

if TYPE_CHECKING:  # what most runs do not use
    from ..accuracy.metric_goals import MetricGoals
    from ..evaluation.closeups import CloseUp
    from ..evaluation.latency import Latencies
    from ..infra.instruments import Instrument
    from ..tuning.tuner import Tuner

_log = logging.getLogger(__name__)

#: The least time of a brief report, in seconds.
_LEAST = 4.0
#: The share of the run's time to measure latency if it was not requested but int8 may bring no speed-up.
_GLANCE = 0.03


def quantize_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: QuantizationConfig,
    *,
    measuring: Pass | None = None,
    wanted: "MetricGoals | None" = None,
    tuning: TuningGoals | None = None,
    passes: Sequence[Pass] | None = None,
    instruments: "Sequence[Instrument]" = (),
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
    detail: Detail | None = None,
) -> tuple[Graph, Report]:
    """Quantizes a graph and checks the result on the runtime.

    Args:
        graph: The float model; it is consumed.
        data: See `quantize`.
        target: The device.
        config: The user's options.
        measuring: The pass that provides the statistics of the default pipeline, or the one in `passes`.
        wanted: The metrics to keep.
        tuning: How to choose layers by measured latency.
        passes: Another pipeline.
        instruments: The instruments that watch the passes.
        progress: Called during long work.
        warnings: Messages to the user about the options; they go into the report.
        detail: How much to measure for a page: sensitivities, close-ups of layers, latencies. None: nothing.

    Returns:
        The quantized model, and the report.

    Raises:
        UserError: the model or the data are wrong.
    """
    stages, bytes_before, expected = Stages(), constant_bytes(graph), expected_inputs(graph)
    has_metrics = wanted is not None and bool(wanted.metrics)
    with stages.stage("tuning"):
        tuner = _begin_tuning(tuning, graph, target, data, has_metrics=has_metrics) if tuning else None
    with stages.stage("metrics"):
        judge = wanted.judge(graph, target, config, progress) if wanted and wanted.metrics else None
    with stages.stage("check"):
        results, first, calibrated = quantize_once(
            graph,
            data,
            target,
            config,
            measuring=measuring,
            passes=passes,
            instruments=instruments,
            progress=progress,
            may_wait=judge is None and bool(config.guard_aim),
        )
    stages.add("check", -sum(each.seconds for each in results.values()))
    _log_check(first)
    guarded, kept = GuardResult(first), None
    if judge:  # instead of the guard, which has no labels
        from ..accuracy.control import keep_accuracy  # here, as below: most runs have no metric and no page

        with stages.stage("metrics"):
            attempt, kept = keep_accuracy(first, calibrated, judge)
        if attempt is not first:
            with stages.stage("check"):
                attempt = checked(attempt, calibrated)
        guarded = GuardResult(attempt)
    elif config.guard_aim:
        guarded = _guarded(first, calibrated, stages)
    attempt = guarded.attempt
    with stages.stage("tuning"), own_work():
        attempt, tuned = tuner.tuned(attempt, calibrated) if tuner else (attempt, None)
    guarded = replace(guarded, attempt=attempt)
    if instruments and attempt is not first:  # instruments have to see the passes that gave the result
        calibrated.rounded(attempt.config, attempt.reverted_to_float, hiding=False, instruments=instruments)
    latencies: Latencies | None = None
    close_ups: tuple[CloseUp, ...] = ()
    asked, took = attempt.context.check.asked, stages.total
    if detail:
        from ..reporting.report_figures import measure_figures, measure_modes

        seconds = max(took, _LEAST)
        with stages.stage("figures of the report"):
            figures = measure_figures(attempt, calibrated, detail, seconds)
        failures, close_ups = [figures.failure] if figures.failure else [], figures.close_ups
        guarded = replace(guarded, effects=figures.effects, failures=(*guarded.failures, *failures))
        progress("measuring latency", 0, None)
        with stages.stage("latency"):
            latencies = measure_modes(attempt, calibrated, detail, seconds)
    elif asked and asked.looks_slow and not (tuned and tuned.times):
        progress("measuring latency", 0, None)
        with stages.stage("latency"):
            latencies = _glance(attempt, calibrated, _GLANCE * took)
    record_provenance(attempt.graph, attempt.context)
    gives_images = any(each.kind is OutputKind.IMAGE for each in attempt.context.outputs.each)
    seen = attempt.context.calibration
    floats = [each.reason for each in attempt.context.plan.decisions.values()]
    found = find_about_data(expected, seen.look, data, seen.fed, gives_images=gives_images, floats=floats)
    report = report_of(results, guarded, bytes_before, warnings, kept, latencies, found, tuned)
    worst = report.worst_output
    _log.info("verdict: %s%s", report.verdict or "not checked", f" at output '{worst.name}'" if worst else "")
    return attempt.graph, replace(report, close_ups=close_ups, detail=detail, seconds=stages.total, stages=stages.spent)


@own_work()
def _guarded(first: Attempt, calibrated: CalibratedModel, stages: Stages) -> GuardResult:
    """What the guard finds, checked.

    The check of a fair model was put off. If it finds a layer that the device computes wrongly, the guard took its
    error for one of rounding, and begins again without it.
    """
    warnings = [*calibrated.warnings]
    with stages.stage("guard"):
        result = guard(first, calibrated)
    is_put_off = first.context.check.is_put_off
    if result.attempt is first and not is_put_off:
        return result
    with stages.stage("check"):
        attempt = checked(result.attempt, calibrated)
    if not (is_put_off and has_wrong_layers(attempt)):
        return replace(result, attempt=attempt)
    calibrated.warnings[:] = warnings
    with stages.stage("check"):
        first = checked(first, calibrated)
    return _guarded(first, calibrated, stages)


def _begin_tuning(
    tuning: TuningGoals, graph: Graph, target: Target, data: Iterable[object] | None, *, has_metrics: bool
) -> "Tuner":
    from ..tuning.tuner import begin_tuning  # here: most runs measure no latency

    return begin_tuning(tuning, graph, target, data, has_metrics=has_metrics)


def _log_check(attempt: Attempt) -> None:
    if ran := attempt.context.check.execution:
        _log.info("check: %d of %d executed layers in int8", ran.int8, ran.total)
    for each in attempt.context.check.outputs or ():
        _log.info("check: output '%s': %.1f dB: %s", each.name, each.sqnr, each.verdict)


def _glance(attempt: Attempt, calibrated: CalibratedModel, seconds: float) -> "Latencies | None":
    """The latencies of the float model and of the quantized one; None without the device or samples.

    Selections at the outputs are left out: they take long to compile and are equal in both models.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model, which holds the float model.
        seconds: The seconds to measure.
    """
    from ..evaluation.latency import measure_gain
    from ..reporting.report_figures import timed_feeds

    if not (feeds := timed_feeds(attempt, calibrated)):
        return None
    models = [attempt.context.outputs.tapped(graph) for graph in (calibrated.float_model(), attempt.graph)]
    return measure_gain(models[0], models[1], feeds, seconds=seconds)
