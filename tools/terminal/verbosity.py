"""The log of a run on standard error, and its progress."""

import logging
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from irquant.passes.infra.progress import Progress, no_progress
from irquant.tools.terminal.progress_bar import progress_bar


@contextmanager
def logged() -> Generator[None]:
    """Shows what irquant logs on standard error: a line for each pass."""
    log, handler = logging.getLogger("irquant"), logging.StreamHandler(sys.stderr)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def progress_shown(elsewhere: Progress = no_progress, *, quiet: bool = False) -> AbstractContextManager[Progress]:
    """The progress, except with `quiet`, or if lines of a log would break it.

    Args:
        elsewhere: Called where there is neither a terminal nor a notebook.
        quiet: Whether to show nothing.
    """
    is_silent = quiet or logging.getLogger("irquant").handlers
    return nullcontext(no_progress) if is_silent else progress_bar(elsewhere)
