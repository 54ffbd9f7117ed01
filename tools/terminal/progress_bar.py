"""The progress of a command on a terminal or in a notebook."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from irquant.ir import printable
from irquant.passes.infra.progress import Progress as ProgressCallback
from irquant.tools.terminal.progress_lines import ProgressLines, counted_steps

#: Seconds between two lines in a notebook, where somebody waits for the cell.
_IN_NOTEBOOKS = 5.0


@contextmanager
def progress_bar(elsewhere: ProgressCallback) -> Generator[ProgressCallback]:
    """A progress bar with the remaining time, one line per task; without a terminal or a notebook, `elsewhere`.

    A notebook without ipywidgets, which the bar needs there, gets a line every few seconds: rich would show nothing.
    """
    is_notebook = "ipykernel" in sys.modules
    if not (sys.stderr.isatty() or is_notebook):
        yield elsewhere
        return
    if is_notebook and find_spec("ipywidgets") is None:
        lines = ProgressLines(every=_IN_NOTEBOOKS)
        yield lines.show
        lines.close()
        return
    # Imported here, because most scripts have no terminal.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = bar.add_task(printable(task), total=total, count="")
            bar.update(tasks[task], completed=done, total=total, count=counted_steps(done, total))

        yield show
