"""Shows the progress of a batch: live on a terminal, otherwise a line for each model; at the end a table."""

import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from irquant.ir import printable
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import State
from irquant.tools.zoo.rows import Row

#: The width of lines if there is no terminal.
_WIDTH = 200
_COLOURS = {State.DONE: "green", State.MISSED: "yellow", State.NOT_DONE: "dim"}
_RIGHT = ("int8", "worst output", "smaller", "seconds", "peak MB")


class Display:
    """Shows when models start and end."""

    def __init__(self, total: int, bar: Progress) -> None:
        self._total, self._bar, self._done = total, bar, 0
        self._all = bar.add_task("all", total=total)
        self._running: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def started(self, job: Job) -> None:
        """Shows that a model starts."""
        with self._lock:
            self._running[job.name] = self._bar.add_task(printable(job.name), total=None)

    def finished(self, row: Row) -> None:
        """Shows that a model has ended."""
        with self._lock:
            self._done += 1
            if row.name in self._running:  # a cluster does not report which models it runs
                self._bar.remove_task(self._running.pop(row.name))
            self._bar.update(self._all, completed=self._done)
        line = Text(f"[{self._done}/{self._total}] {row.name}: ")
        line.append(row.state, _COLOURS.get(row.state, "red"))
        line.append(printable(f" in {row.seconds:.1f} s: {_said(row)}"))
        self._bar.console.print(line, soft_wrap=True)


@contextmanager
def display(total: int, *, quiet: bool = False) -> Generator[Display]:
    """Shows the number of finished models on standard error, except with `quiet`."""
    console = _console(sys.stderr, quiet=quiet)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Display(total, bar)


def print_rows(rows: Sequence[Row]) -> None:
    """Prints the table of all models on standard output."""
    table = Table(box=None, pad_edge=False)
    metric = ("metric",) if any(row.metric for row in rows) else ()
    for title in ("model", "state", *_RIGHT, *metric, "message"):
        table.add_column(title, justify="right" if title in _RIGHT else "left", overflow="fold")
    for row in rows:
        state = Text(row.state, _COLOURS.get(row.state, "red"))
        seconds, peak = (f"{value:.1f}" if value else "" for value in (row.seconds, row.peak_mb))
        smaller = f"{row.size_ratio:.1f}x" if row.size_ratio else ""
        share = "" if row.int8_share is None else f"{row.int8_share:.0%}"
        cells = (share, _ratio(row), smaller, seconds, peak, *(_metric(row) for _ in metric), _message(row))
        table.add_row(Text(printable(row.name)), state, *(Text(printable(cell)) for cell in cells))
    _console(sys.stdout).print(table)


def _said(row: Row) -> str:
    """A result in a few words."""
    if row.message:
        return _message(row)
    share = "int8 not verified" if row.int8_share is None else f"{row.int8_share:.0%} int8"
    metric = f", {row.metric.name} {_metric(row)}" if row.metric else ""
    return f"{share}, worst output {_ratio(row) or 'not known'}{metric}"


def _metric(row: Row) -> str:
    """The metric of the float model and of the result."""
    return f"{row.metric.fp32:.5g} -> {row.metric.int8:.5g}" if row.metric else ""


def _message(row: Row) -> str:
    return f"{row.message} ({row.attempts} attempts)" if row.message and row.attempts > 1 else row.message


def _ratio(row: Row) -> str:
    if row.verdict is None:
        return ""
    if row.sqnr is None:
        return "equal" if row.verdict == "good" else row.verdict
    return f"{row.sqnr:.1f} dB ({row.verdict})"


def _console(file: Any, *, quiet: bool = False) -> Console:
    console = Console(file=file, highlight=False, quiet=quiet)
    return console if console.is_terminal else Console(file=file, highlight=False, quiet=quiet, width=_WIDTH)
