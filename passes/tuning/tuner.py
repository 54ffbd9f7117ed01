"""Tunes a quantized model as its goals say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...ir import Graph
from ...targets import Target
from ...targets.target import HERE
from ..accuracy.kernel_mismatch import checked
from ..accuracy.requantize import Attempt, CalibratedModel
from ..calibration.fingerprint import model_fingerprint
from ..options.config_error import ConfigError
from ..runtime.core import runtime_version
from .goals import SECONDS, TuningGoals
from .left_float import with_floats
from .tune import TuningTimes, tune
from .tuning_file import MeasuredTimes, Tuning, TuningFileError, read_tuning, write_tuning

#: The most that an output may lose in dB: float layers only remove errors, but errors may cancel out by chance.
_MOST_LOST = 0.1


@dataclass(frozen=True)
class TuningReport:
    """The result of a tuning.

    Attributes:
        layers: The layers that went back to float, in the model's order.
        times: What was measured; None if a file named the layers.
        file: The file that named them; None if they were measured.
        worse: The output that lost by it, so that it was undone; empty if none did.
    """

    layers: tuple[str, ...]
    times: TuningTimes | None = None
    file: Path | None = None
    worse: str = ""


@dataclass(frozen=True)
class Tuner:
    """Tunes a model.

    Attributes:
        goals: How.
        target: The device.
        given: The content of the file; None: measure.
    """

    goals: TuningGoals
    target: Target
    given: Tuning | None = None

    def tuned(self, attempt: Attempt, calibrated: CalibratedModel) -> tuple[Attempt, TuningReport]:
        """The model with those layers in float that make it faster so, and what was found.

        Args:
            attempt: The quantized model with its check.
            calibrated: The calibrated model.

        Raises:
            UserError: the model has no layer of a name in the file, or the file cannot be written.
        """
        if self.given:
            return _as_given(self.given, self.goals.file, attempt, calibrated)
        layers, times = tune(attempt, calibrated, self.goals.seconds or SECONDS)
        found, report = attempt, TuningReport(tuple(layers), times)
        if layers:
            found = checked(with_floats(attempt, calibrated, layers), calibrated)
            if worse := _worse_output(attempt, found):
                found, report = attempt, replace(report, layers=(), worse=worse)
        if self.goals.file:
            write_tuning(self.goals.file, self._content(report, calibrated))
        return found, report

    def _content(self, report: TuningReport, calibrated: CalibratedModel) -> Tuning:
        times = report.times
        assert times is not None, "it was measured"
        return Tuning(
            format="irquant tuning",
            version=1,
            model=calibrated.context.model_fingerprint,
            target=self.target.name,
            float_layers=list(report.layers),
            measured=MeasuredTimes(
                openvino=runtime_version(),
                precision=times.mode.precision,
                threads=times.threads,
                float_ms=round(times.float_model.median * 1e3, 4),
                int8_ms=round(times.int8.median * 1e3, 4),
                tuned_ms=round((times.int8 if report.worse else times.tuned).median * 1e3, 4),
            ),
        )


def begin_tuning(
    goals: TuningGoals, graph: Graph, target: Target, data: Iterable[object] | None, *, has_metrics: bool
) -> Tuner:
    """Reads the file of the goals, before any work is done.

    Raises:
        UserError: the file is wrong, or the run cannot be tuned.
    """
    if has_metrics:
        message = "a tuning and metrics exclude each other: metrics would not see the tuned model; give one of them"
        raise ConfigError(message)
    if goals.seconds is None:
        assert goals.file is not None, "there are goals"
        return Tuner(goals, target, _read_for(graph, target, goals.file))
    if target.device != HERE:
        message = f"a tuning measures on this machine, which has no {target.device}: name target cpu, or a tuning file"
        raise ConfigError(message)
    if data is None:
        message = "a tuning runs the model on samples: give data (--data SOURCE)"
        raise ConfigError(message)
    return Tuner(goals, target)


def _read_for(graph: Graph, target: Target, path: Path) -> Tuning:
    found, fingerprint = read_tuning(path), model_fingerprint(graph)
    if found.model != fingerprint:
        message = f"{path}: belongs to another model ({found.model}, this one is {fingerprint}): tune this one"
        raise TuningFileError(message)
    if found.target != target.name:
        message = f"{path}: is for target '{found.target}', but the run is for '{target.name}': name that target"
        raise TuningFileError(message)
    return found


def _as_given(
    given: Tuning, file: Path | None, attempt: Attempt, calibrated: CalibratedModel
) -> tuple[Attempt, TuningReport]:
    known = set(attempt.context.plan.names.values())
    for number, name in enumerate(given.float_layers):
        if name not in known:
            message = f"{file}: float_layers[{number}] is '{name}', which is no layer of the model: tune it again"
            raise TuningFileError(message)
    if given.float_layers:
        attempt = checked(with_floats(attempt, calibrated, given.float_layers), calibrated)
    return attempt, TuningReport(tuple(given.float_layers), file=file)


def _worse_output(before: Attempt, after: Attempt) -> str:
    """The first output that lost more than `_MOST_LOST`; empty if none did."""
    pairs = zip(before.context.check.outputs or (), after.context.check.outputs or (), strict=False)
    return next((one.name for one, other in pairs if other.sqnr < one.sqnr - _MOST_LOST), "")
