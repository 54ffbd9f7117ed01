"""Shows the progress of a batch: live on a terminal, otherwise a line for each model; at the end a table."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from irquant.ir import printable
from irquant.ir.listing import first_few, number_of
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import State
from irquant.tools.zoo.rows import IGNORED, Row

#: The width of lines if there is no terminal.
_WIDTH = 200
#: The most models that a line about a common cause names.
_MOST_NAMED = 5
#: What is said of a result whose device this machine lacks.
NOT_VERIFIED = "not verified"
_COLOURS = {State.DONE: "green", State.MISSED: "yellow", State.UNCHANGED: "yellow", State.NOT_DONE: "dim"}
_RIGHT = ("int8", "worst output", "smaller", "latency", "seconds", "peak MB", "warnings")


class Display:
    """Shows when models start and end."""

    def __init__(self, done: int, total: int, bar: Progress) -> None:
        self._total, self._bar, self._done = total, bar, done
        self._all = bar.add_task("all", total=total, completed=done)
        self._running: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def started(self, job: Job) -> None:
        """Shows that a model starts."""
        with self._lock:
            self._running[job.name] = self._bar.add_task(printable(job.name), total=None)
        if not self._bar.console.is_terminal:  # the bar names the running models
            self._bar.console.print(Text(printable(f"{job.name}: started")), soft_wrap=True)

    def phase(self, job: Job, what: str) -> None:
        """Shows what is being done with a model, on a terminal."""
        with self._lock:
            if job.name in self._running:
                self._bar.update(self._running[job.name], description=printable(f"{job.name}: {what}"))

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
        self.remind(row)

    def remind(self, row: Row) -> None:
        """Shows what is wrong with the ignored names, which are the user's and easily mistyped."""
        for each in row.warnings:
            if each.startswith(IGNORED):
                self._bar.console.print(Text(printable(f"{row.name}: warning: {each}"), "yellow"), soft_wrap=True)


@contextmanager
def display(done: int, total: int, *, quiet: bool = False) -> Generator[Display]:
    """Shows the number of finished models on standard error, except with `quiet`.

    Args:
        done: The number of models that are up to date.
        total: The number of all models.
        quiet: Whether to show nothing.
    """
    console = _console(sys.stderr, quiet=quiet)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Display(done, total, bar)


def print_rows(rows: Sequence[Row]) -> None:
    """Prints the table of all models on standard output."""
    table, console = Table(box=None, pad_edge=False), _console(sys.stdout)
    for title in ("model", "state", *_COLUMNS):
        table.add_column(title, justify="right" if title in _RIGHT else "left", overflow="fold")
    for row in rows:
        state = Text(row.state, _COLOURS.get(row.state, "red"))
        cells = (Text(printable(cell(row))) for cell in _COLUMNS.values())
        table.add_row(Text(printable(row.name)), state, *cells)
    console.print(table)
    if words := beside_others(rows):
        console.print(Text(words), soft_wrap=True)


def totals(rows: Sequence[Row]) -> str:
    """What this run did, and how all models are after it."""
    ran = sum(row.ran for row in rows)
    did = [f"{ran} ran"]
    for start, words in (("up to date", "up to date"), ("cannot run", "could not run")):
        if count := sum(row.why.startswith(start) for row in rows):
            did.append(f"{count} {words}")
    states = Counter(row.state for row in rows)
    found = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{number_of(len(rows), 'models')}: {', '.join(did)}; {found}"


def failures(rows: Sequence[Row]) -> Iterator[str]:
    """Why models failed or missed, a line for each cause."""
    causes: dict[tuple[State, str], list[str]] = {}
    for row in rows:
        if row.message and row.state is not State.UNCHANGED:
            causes.setdefault((row.state, row.message), []).append(row.name)
    for (state, message), names in causes.items():
        yield f"{first_few(names, _MOST_NAMED)}: {state}: {message}"


def latency(row: Row) -> str:
    """The latency of the float model and of the result; empty if it was not measured."""
    return f"{row.latency.float_ms:.3g} -> {row.latency.int8_ms:.3g} ms" if row.latency else ""


def beside_others(rows: Sequence[Row]) -> str:
    """What to know about latencies that were measured while other models ran; empty if there are none."""
    most = max((row.latency.at_a_time for row in rows if row.latency), default=1)
    if most == 1:
        return ""
    return (
        f"latency: measured while up to {most} models ran at a time, each on its share of the cores: measure a model "
        "alone before you decide (irquant compare)"
    )


def _said(row: Row) -> str:
    """A result in a few words."""
    if row.message:
        return _message(row)
    share = f"{row.int8_share:.0%} int8" if row.int8_share is not None else f"int8 {NOT_VERIFIED}"
    metric = f", {row.metric.name} {_metric(row)}" if row.metric else ""
    times = f", {latency(row)}" if row.latency else ""
    times += (
        f", {row.tuned_layers} layer{'s' * (row.tuned_layers != 1)} float for speed"
        if row.tuned_layers is not None
        else ""
    )
    count = len(row.warnings)
    warnings = f", {count} warning{'s' * (count > 1)}" if count else ""
    return f"{share}, worst output {_ratio(row)}{metric}{times}{warnings}"


def _share(row: Row) -> str:
    if row.verified is False:
        return NOT_VERIFIED
    return "" if row.int8_share is None else f"{row.int8_share:.0%}"


def _metric(row: Row) -> str:
    """The metric of the float model and of the result."""
    return f"{row.metric.fp32:.5g} -> {row.metric.int8:.5g}" if row.metric else ""


def _message(row: Row) -> str:
    return f"{row.message} ({row.attempts} attempts)" if row.message and row.attempts > 1 else row.message


def _ratio(row: Row) -> str:
    if row.verdict is None:
        return "" if row.size_ratio is None else "not checked"
    few = f"; {row.few_samples}" if row.few_samples else ""
    if row.sqnr is None:
        return f"{'equal' if row.verdict == 'good' else row.verdict}{few}"
    return f"{row.sqnr:.1f} dB ({row.verdict}{few})"


#: The columns of the table, with what they show.
_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "int8": _share,
    "worst output": _ratio,
    "smaller": lambda row: f"{row.size_ratio:.1f}x" if row.size_ratio else "",
    "latency": latency,
    "seconds": lambda row: f"{row.seconds:.1f}" if row.seconds else "",
    "peak MB": lambda row: f"{row.peak_mb:.1f}" if row.peak_mb else "",
    "warnings": lambda row: str(len(row.warnings) or ""),
    "metric": _metric,
    "message": _message,
}


def _console(file: Any, *, quiet: bool = False) -> Console:
    console = Console(file=file, highlight=False, quiet=quiet)
    return console if console.is_terminal else Console(file=file, highlight=False, quiet=quiet, width=_WIDTH)
