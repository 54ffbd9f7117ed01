"""Prints the trials of an accuracy control on standard error, each as a row as soon as it is measured.

On a terminal the rows appear above the progress bar, which handles all printed text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from irquant.ir import printable

if TYPE_CHECKING:  # most runs have no metric
    from irquant.passes.accuracy.evaluations import Trial


@dataclass
class TrialTable:
    """The rows so far.

    Attributes:
        baselines: The metrics of the float model, which is the first row.
        count: How many models were measured.
    """

    baselines: dict[str, float] = field(default_factory=dict[str, float])
    count: int = 0

    def show(self, trial: "Trial") -> None:
        """Prints a row, below a header with the names of the metrics."""
        if not self.baselines:
            self.baselines.update(trial.values)
            head = _row("model", [cell for name in self.baselines for cell in (name, "drop")], "int8", "seconds", "")
            click.echo(printable(head), err=True)
        drops = self._cells(trial.values) if self.count else self._cells(trial.values, is_float=True)
        int8 = f"{trial.int8}/{trial.layers}" if self.count else "-"
        verdict = "" if not self.count else "kept: " if trial.is_kept else "dropped: "
        row = _row(str(self.count) if self.count else "FP32", drops, int8, f"{trial.seconds:.1f}", verdict + trial.what)
        colour = None if not self.count else "green" if trial.is_within else "red"
        click.echo(click.style(printable(row), fg=colour), err=True)
        self.count += 1

    def _cells(self, values: Mapping[str, float], *, is_float: bool = False) -> list[str]:
        drops = {
            name: "-" if is_float else f"{baseline - values[name]:+.4f}" for name, baseline in self.baselines.items()
        }
        return [cell for name, drop in drops.items() for cell in (f"{values[name]:.4f}", drop)]


def no_rows(trial: "Trial") -> None:
    """Shows nothing."""


def _row(number: str, metrics: list[str], int8: str, seconds: str, what: str) -> str:
    cells = [f"{number:<5}", *(f"{cell:>10}" for cell in metrics), f"{int8:>9}", f"{seconds:>8}", f" {what}"]
    return " ".join(cells).rstrip()
