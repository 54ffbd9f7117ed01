"""The figures that only a page shows: sensitivities, close-ups of layers, latencies; within a time, or all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ..accuracy.requantize import Attempt, CalibratedModel
from ..evaluation.closeups import CloseUp, close_ups
from ..evaluation.latency import Latencies, measure_gain
from ..evaluation.sensitivity import Effect, measure_effects, ranked
from ..runtime.core import RuntimeRejectedError
from ..runtime.samples import DataError, Feed
from .detail import Detail

#: The number of held-out samples that are compared, and the most inferences for effects at the outputs.
COMPARED, MOST_INFERENCES = 4, 800
#: The most operations with close-ups in a brief report and in a full one.
CLOSE_UPS, MOST_CLOSE_UPS = 8, 64
#: The seconds to measure latency, and the number of held-out samples to measure it on.
TIMED_FOR, TIMED = 5.0, 8
#: Shares of the time of a brief report: inferences for sensitivities, for latency, and all about latency. The rest is
#: for what cannot be shortened: the compilation of two more models.
_FOR_EFFECTS, _FOR_INFERENCES, _FOR_LATENCY = 0.3, 0.1, 0.35


@dataclass(frozen=True)
class Figures:
    """The figures.

    Attributes:
        effects: The sensitivity of each rounded operation, the highest first.
        close_ups: The most sensitive operations in detail.
        failure: Why effects and close-ups are missing; empty if they are not.
    """

    effects: tuple[Effect, ...] = ()
    close_ups: tuple[CloseUp, ...] = ()
    failure: str = ""


def measure_figures(attempt: Attempt, calibrated: CalibratedModel, detail: Detail, seconds: float) -> Figures:
    """The sensitivities and close-ups of a quantized model.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model that it was made from.
        detail: How much to measure.
        seconds: The time of a brief report.
    """
    if not calibrated.context.held_out:
        return Figures()
    is_full, samples = detail is Detail.FULL, calibrated.context.calibration.some(COMPARED)
    try:
        graph, context = calibrated.rounded(attempt.config, attempt.reverted_to_float, hiding=False)
        effects = ranked(
            measure_effects(graph, context, samples)
            if is_full
            else measure_effects(graph, context, samples, MOST_INFERENCES, _FOR_EFFECTS * seconds)
        )
        shown = close_ups(graph, context, effects[: MOST_CLOSE_UPS if is_full else CLOSE_UPS], samples)
    except (RuntimeRejectedError, DataError) as error:
        return Figures(failure=f"the report has no sensitivities of layers, for they could not be measured: {error}")
    return Figures(tuple(effects), tuple(shown))


def measure_modes(attempt: Attempt, calibrated: CalibratedModel, detail: Detail, seconds: float) -> Latencies | None:
    """The latencies of the float model and of the quantized one, and the times of their layers.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model, which holds the float model.
        detail: How much to measure.
        seconds: The time of a brief report.

    Returns:
        The latencies; None without the device or samples.
    """
    feeds = timed_feeds(attempt, calibrated)
    if not feeds:
        return None
    models = calibrated.float_model(), attempt.graph
    if detail is Detail.FULL:
        return measure_gain(*models, feeds, seconds=TIMED_FOR, in_all_modes=True)
    inferring = min(TIMED_FOR, _FOR_INFERENCES * seconds)
    return measure_gain(*models, feeds, seconds=inferring, in_all_modes=True, at_most=_FOR_LATENCY * seconds)


def timed_feeds(attempt: Attempt, calibrated: CalibratedModel) -> Sequence[tuple[Feed, Feed]]:
    """The samples to measure latency on, for either model; empty without the device or samples."""
    if attempt.context.check.execution is None or calibrated.graph is None:
        return []
    compared = (each for each in attempt.context.calibration.compared if not each.past)  # from the first states
    return [(each.feed, each.feed) for each in islice(compared, TIMED)]
