"""Advice about sensitive layers: which of them to leave float, and the expected gain."""

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from irquant.passes import Report
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.evaluation.sensitivity import Effect
from irquant.tools.terminal.console import decibels

#: The largest number of layers in an advice; the guard of `quantize` finds longer lists.
_MOST = 3
#: The advice if few samples are all that keeps a result from being called good, or from being sure. Of 80, 8 are held
#: out.
ENOUGH = 80
MORE_SAMPLES = f"give {ENOUGH} samples or more, so that 8 or more are held out to check the result"


@dataclass(frozen=True)
class Advice:
    """Layers to leave float.

    Attributes:
        worst: The output that is farthest from good; None if no output can be compared.
        layers: The layers, the most sensitive first; empty if no change is needed, or none helps.
        predicted: The expected ratio of the worst output in dB, if errors of layers add up.
    """

    worst: Agreement | None
    layers: tuple[Effect, ...]
    predicted: float


def advice(report: Report) -> Advice:
    """The most sensitive layers, as few as should make the worst output good, and at most three."""
    compared = [each for each in report.check.outputs or () if each.verdict is not Verdict.UNKNOWN]
    worst = min(compared, key=lambda each: each.above_good, default=None)
    if worst is None:
        return Advice(None, (), math.nan)
    left, chosen = 1.0, list[Effect]()
    for each in report.effects[:_MOST]:
        if each.share <= 0 or _predicted(worst, left) >= worst.levels.good:
            break
        chosen.append(each)
        left -= each.share
    return Advice(worst, tuple(chosen), _predicted(worst, left))


def advice_line(report: Report, path: Path) -> str:
    """The next step for the user, as one line."""
    given = advice(report)
    if given.worst is None:
        return "next: no advice, since no output can be compared"
    if given.worst.needs_samples:
        return f"next: {MORE_SAMPLES}"
    if given.worst.verdict is Verdict.GOOD:
        return f"next: nothing to do ({given.worst.verdict.words})"
    if not given.layers:
        return "next: no single layer causes the error; try another --preset"
    options = " ".join(f"--ignored {shlex.quote(each.name)}" for each in given.layers)
    change = f"about {decibels(given.predicted)} instead of {decibels(given.worst.sqnr)}"
    return f"next: irquant quantize {shlex.quote(str(path))} ... {options}  ({change})"


def _predicted(worst: Agreement, left: float) -> float:
    """The ratio in dB if this share of the error remains."""
    return worst.sqnr - 10 * math.log10(left) if left > 1e-9 else math.inf
