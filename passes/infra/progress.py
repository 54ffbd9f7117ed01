"""The progress of long work: what is called with it."""

from collections.abc import Callable

#: Called with the current task, the number of finished steps, and their total (None: unknown).
Progress = Callable[[str, int, int | None], None]


def no_progress(task: str, done: int, total: int | None) -> None:
    """Shows nothing."""
