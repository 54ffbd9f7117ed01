"""A float graph and data in, the checked INT8 graph and a report out."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..ir import Graph
from ..targets import Target
from .accuracy.bisect import costliest
from .accuracy.control import keep_accuracy
from .accuracy.guard import GuardResult, guard
from .accuracy.kernel_mismatch import checked
from .accuracy.metric_goals import MetricGoals
from .accuracy.requantize import Attempt, CalibratedModel
from .analyze import COMPARED, MOST_INFERENCES
from .evaluation.latency import Latencies, measure_gain
from .infra.base import Pass
from .infra.instruments import Instrument
from .infra.run_inputs import Progress, no_progress
from .options.config import QuantizationConfig
from .provenance import record_provenance
from .quantize_once import quantize_once
from .report import Report, constant_bytes, report_of

#: On how many of the held-out samples latency is measured, and for how many seconds if a report wants it.
TIMED, TIMED_FOR = 8, 5.0
#: For what share of the run, if it was not asked for, but the result may be no faster than the float model.
_GLANCE = 0.03


def quantize_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: QuantizationConfig,
    *,
    measuring: Pass | None = None,
    wanted: MetricGoals | None = None,
    passes: Sequence[Pass] | None = None,
    instruments: Sequence[Instrument] = (),
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
    with_effects: bool = False,
) -> tuple[Graph, Report]:
    """Quantizes a graph and checks the result on the runtime.

    Args:
        graph: The float model; it is used up.
        data: See `quantize`.
        target: The device.
        config: What the user wants.
        measuring: The pass that the default pipeline gets its statistics from, or the one in `passes`.
        wanted: The metrics to keep.
        passes: Another pipeline.
        instruments: What watches it.
        progress: Told about long work.
        warnings: What the user should know of the options; goes into the report.
        with_effects: Whether the report says what rounding each operation costs; takes as many inferences
            as an analysis.

    Returns:
        The quantized model, and what was done.

    Raises:
        UserError: the model or the data are wrong.
    """
    bytes_before, began = constant_bytes(graph), time.perf_counter()
    judge = wanted.judge(graph, target, config, progress) if wanted and wanted.metrics else None
    results, first, calibrated = quantize_once(
        graph, data, target, config, measuring=measuring, passes=passes, instruments=instruments, progress=progress
    )
    guarded, kept = GuardResult(first), None
    if judge:  # instead of the guard, who knows no labels
        attempt, kept = keep_accuracy(first, calibrated, judge)
        guarded = GuardResult(attempt)
    elif config.guard_aim:
        guarded = guard(first, calibrated)
    attempt = guarded.attempt
    if attempt is not first:
        attempt = checked(attempt, calibrated)
        guarded = replace(guarded, attempt=attempt)
    if instruments and attempt is not first:  # what watches the passes is to see those that the result comes from
        calibrated.rounded(attempt.config, attempt.reverted_to_float, hiding=False, instruments=instruments)
    latencies = None
    if with_effects:
        effects = costliest(calibrated, attempt.config, attempt.reverted_to_float, COMPARED, MOST_INFERENCES)
        guarded = replace(guarded, effects=tuple(effects))
    asked = attempt.context.check.asked
    if with_effects or (asked and asked.looks_slow):
        progress("measuring latency", 0, None)
        seconds = None if with_effects else _GLANCE * (time.perf_counter() - began)
        latencies = _latencies(attempt, calibrated, seconds)
    record_provenance(attempt.graph, attempt.context)
    return attempt.graph, report_of(results, guarded, bytes_before, warnings, kept, latencies)


def _latencies(attempt: Attempt, calibrated: CalibratedModel, glance: float | None) -> Latencies | None:
    """How long an inference of the float model takes, and of the quantized one; None without the device or samples.

    Args:
        attempt: The quantized model.
        calibrated: Holds the float one.
        glance: For how many seconds, if that was not asked for: then without the selections at their ends, which take
            long to compile and are alike in both.
    """
    context = attempt.context
    feeds = [(each.feed, each.feed) for each in context.calibration.compared[:TIMED]]
    if not feeds or context.check.execution is None or calibrated.graph is None:
        return None
    if glance is None:
        return measure_gain(calibrated.float_model(), attempt.graph, feeds, seconds=TIMED_FOR)
    models = [context.outputs.tapped(graph) for graph in (calibrated.float_model(), attempt.graph)]
    return measure_gain(models[0], models[1], feeds, seconds=glance)
