"""How much a command says: `-v` one line a pass, too, `--quiet` nothing but errors."""

import functools
import logging
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import click

from irquant.passes import ConfigError
from irquant.passes.base import Progress, no_progress
from irquant.tools.console import progress_bar


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which gets `quiet`; what passes log is shown while it runs, if wanted."""

    @click.option("-v", "--verbose", is_flag=True, help="Say what each pass did while it runs.")
    @click.option("--quiet", is_flag=True, help="Say nothing but errors.")
    @functools.wraps(command)
    def with_verbosity(*, verbose: bool, quiet: bool, **others: object) -> Any:
        if verbose and quiet:
            message = "--quiet says nothing and --verbose more: leave one of them out"
            raise ConfigError(message)
        with _logged(logging.INFO) if verbose else nullcontext():
            return command(quiet=quiet, **others)

    return with_verbosity


@contextmanager
def _logged(level: int) -> Generator[None]:
    """Shows what irquant logs on standard error."""
    log, handler = logging.getLogger("irquant"), logging.StreamHandler(sys.stderr)
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def progress_shown(*, quiet: bool) -> AbstractContextManager[Progress]:
    """The progress bar, unless nothing is to be shown or lines of a log would break it."""
    return nullcontext(no_progress) if quiet or logging.getLogger("irquant").handlers else progress_bar()
