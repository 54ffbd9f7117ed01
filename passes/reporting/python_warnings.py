"""What the user should know of a result, as Python warnings."""

import inspect
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from ..analysis.agreement import Verdict
from ..infra.entry_point import is_own
from ..options.note import warnings_in
from .report import Report


class _AboutResult(UserWarning):
    """A warning with the result that it is about.

    Attributes:
        result: What the function returns; None if the run has not begun. A filter may make an error of the warning,
            and the result must not be lost then.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class AccuracyWarning(_AboutResult):
    """A metric loses more than allowed.

    Attributes:
        result: What the function returns, if a filter makes an error of the warning.
    """


class QuantizationWarning(_AboutResult):
    """A warning about a quantization.

    Attributes:
        result: What the function returns, if a filter makes an error of the warning; None if the run has not begun.
    """


def warn(messages: Iterable[str], result: Any = None) -> None:
    """Issues a `QuantizationWarning` for each message but notes, at the line of the user's code that called irquant.

    Args:
        messages: The messages.
        result: What the called function returns; None: the run has not begun.
    """
    for message in warnings_in(messages):
        warnings.warn(QuantizationWarning(message, result), stacklevel=_depth())


def warn_of_accuracy(report: Report, result: Any) -> None:
    """Issues an `AccuracyWarning` if metrics lose more than they may."""
    if report.accuracy and not report.accuracy.is_reached:
        message = f"the metrics lose more than they may: {report.accuracy.stopped}"
        warnings.warn(AccuracyWarning(message, result), stacklevel=_depth())


def messages_of(report: Report) -> Iterator[str]:
    """The warnings of a report, and one for each poor output, unless the user's metrics decide."""
    yield from report.warnings
    for each in () if report.accuracy else report.check.outputs or ():
        if each.verdict is Verdict.POOR:
            yield f"output '{each.name}' is poor, {each.sqnr:.1f} dB ({each.verdict.words}): print the report for more"


def _depth() -> int:
    """The `stacklevel` of the user's code, in the function that calls this one."""
    frame, depth = inspect.currentframe(), -1
    while frame is not None and is_own(frame):
        frame, depth = frame.f_back, depth + 1
    return depth + 1
