"""Finds the most sensitive layers: one calibration, one quantization, and each layer's share of its error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph
from ..targets import Target
from .accuracy.guard import GuardResult
from .evaluation.closeups import close_ups
from .evaluation.sensitivity import Effect, measure_effects, ranked
from .infra.base import Pass
from .infra.progress import Progress, no_progress
from .jobs.quantize_once import quantize_once
from .options.config import QuantizationConfig
from .reporting.report import Report, constant_bytes, report_of
from .reporting.report_figures import CLOSE_UPS, COMPARED, MOST_INFERENCES
from .runtime.samples import DataError


@dataclass(frozen=True)
class Analysis:
    """The sensitivity of a model.

    Attributes:
        report: The report of the quantization with the user's options, without a guard.
        effects: The sensitivity of each operation, in topological order.
    """

    report: Report
    effects: tuple[Effect, ...]


def analyze_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: QuantizationConfig,
    *,
    measuring: Pass | None = None,
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
    with_close_ups: bool = False,
) -> Analysis:
    """Measures the error of each rounded operation at its own output and at the model's outputs.

    Args:
        graph: The float model; it is consumed.
        data: See `quantize`; nine samples or more; some are held out for the comparison.
        target: The device.
        config: The user's options.
        measuring: The pass that provides the statistics.
        progress: Called during long work.
        warnings: Messages to the user about the options; they go into the report.
        with_close_ups: Whether the report has close-ups of the most sensitive operations, for a page.

    Returns:
        The report of the quantization, and the sensitivity of each operation.

    Raises:
        UserError: the model or the data are wrong.
    """
    bytes_before = constant_bytes(graph)
    results, first, calibrated = quantize_once(graph, data, target, config, measuring=measuring, progress=progress)
    if not first.context.held_out:
        message = "an analysis compares samples that calibration did not see: give nine samples or more"
        raise DataError(message)
    (rounded, context), samples = calibrated.rounded(config, {}, hiding=False), first.context.calibration.some(COMPARED)
    effects = measure_effects(rounded, context, samples, MOST_INFERENCES)
    guarded = GuardResult(first, effects=tuple(ranked(effects)))
    report = report_of(results, guarded, bytes_before, warnings)
    if with_close_ups:
        shown = close_ups(rounded, context, guarded.effects[:CLOSE_UPS], samples)
        report = replace(report, close_ups=tuple(shown))
    return Analysis(report, tuple(effects))
