"""The progress of a command on a terminal or in a notebook."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from irquant.ir import printable
from irquant.passes.infra.progress import Progress as ProgressCallback


@contextmanager
def progress_bar(elsewhere: ProgressCallback) -> Generator[ProgressCallback]:
    """A progress bar with the remaining time, one line per task; without a terminal or a notebook, `elsewhere`."""
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield elsewhere
        return
    # Imported here, because most scripts have no terminal.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = bar.add_task(printable(task), total=total)
            bar.update(tasks[task], completed=done, total=total)

        yield show
