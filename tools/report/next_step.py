"""The next step on the page of a quantization whose outputs are not good: a command or a call to paste."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irquant.passes import QuantizationConfig, Report
from irquant.passes.analysis.agreement import Verdict
from irquant.tools.terminal.advice import advice
from irquant.tools.terminal.console import decibels


@dataclass(frozen=True)
class NextStep:
    """A step.

    Attributes:
        why: What it does, as a sentence.
        command: The command or the Python call.
    """

    why: str
    command: str


@dataclass(frozen=True)
class _Change:
    """A change of options: flags of the command line, and keywords of Python."""

    why: str
    flags: tuple[str, ...]
    keywords: str
    dropped: tuple[str, ...] = ()


def next_step(report: Report, config: QuantizationConfig, model: Path, command: Sequence[str]) -> NextStep | None:
    """The step that most likely makes the outputs better; None if they are good, or if the user's metrics decide.

    Args:
        report: The report.
        config: The options of the run.
        model: The float model.
        command: The arguments of the command line; empty: Python ran it.
    """
    outputs = [each for each in report.check.outputs or () if each.verdict in (Verdict.FAIR, Verdict.POOR)]
    if not outputs or report.accuracy:
        return None
    change = _change(report, config)
    if not command:
        return NextStep(change.why, f"quantize({str(model)!r}, samples, {change.keywords})")
    kept = [each for each in command if each not in change.dropped]
    return NextStep(change.why, shlex.join(["irquant", *kept, *change.flags]))


def _change(report: Report, config: QuantizationConfig) -> _Change:
    if not config.guard_aim:
        why = "The guard was off. It looks for better ranges, and returns layers to float if that is not enough."
        return _Change(why, (), "guard=True", ("--no-guard",))
    if config.guard_aim != "good":
        why = "This returns layers to float, the most sensitive first, until all outputs are good."
        return _Change(why, ("--guard", "good"), 'guard="good"')
    given = advice(report)
    if given.layers:
        names = [each.name for each in given.layers]
        why = f"This leaves the most sensitive layers float: about {decibels(given.predicted)} at the worst output."
        return _Change(why, tuple(part for name in names for part in ("--ignored", name)), f"ignored={names!r}")
    preset = "mixed" if report.preset == "performance" else "performance"
    why = "No single layer causes the error. The other preset chooses other ranges for activations."
    return _Change(why, ("--preset", preset), f"preset={preset!r}")
