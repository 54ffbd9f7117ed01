"""Which layers rounding hurts most: one calibration, one quantization, and what each layer contributes to its error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..ir import Graph
from ..targets import Target
from .accuracy.bisect import effects_of
from .accuracy.guard import GuardResult
from .evaluation.sensitivity import Effect, ranked
from .infra.base import Pass
from .infra.run_inputs import Progress, no_progress
from .options.config import QuantizationConfig
from .quantize_once import quantize_once
from .report import Report, constant_bytes, report_of
from .runtime.samples import DataError

#: Held-out samples that are compared, and inferences that may be spent on effects at the outputs.
COMPARED, MOST_INFERENCES = 4, 800


@dataclass(frozen=True)
class Analysis:
    """What rounding does to a model.

    Attributes:
        report: Of the quantization as the options want it, without a guard.
        effects: What rounding each operation costs, in topological order.
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
) -> Analysis:
    """Finds out what each rounded operation costs at its own output and at those of the model.

    Args:
        graph: The float model; it is used up.
        data: See `quantize`; nine samples or more, of which some are held out for the comparison.
        target: The device.
        config: What the user wants.
        measuring: Where statistics come from.
        progress: Told about long work.
        warnings: What the user should know of the options; goes into the report.

    Returns:
        The report of the quantization, and what each operation costs.

    Raises:
        UserError: the model or the data are wrong.
    """
    bytes_before = constant_bytes(graph)
    results, first, calibrated = quantize_once(graph, data, target, config, measuring=measuring, progress=progress)
    if not first.context.held_out:
        message = "an analysis compares samples that calibration did not see: give nine samples or more"
        raise DataError(message)
    effects = effects_of(calibrated, config, {}, COMPARED, MOST_INFERENCES)
    guarded = GuardResult(first, effects=tuple(ranked(effects)))
    return Analysis(report_of(results, guarded, bytes_before, warnings), tuple(effects))
