"""How much a command prints: `-v` also one line per pass, `--quiet` only errors."""

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import click

from irquant.passes.infra.run_inputs import Progress, no_progress
from irquant.passes.options.strict import ConfigError
from irquant.tools.terminal.console import progress_bar
from irquant.tools.terminal.fault_request import FaultRequest


def _be_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(FaultRequest).verbose = True
        context.with_resource(_logged(logging.INFO))


def _check_quiet(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value and context.ensure_object(FaultRequest).verbose:
        message = "--quiet and --verbose exclude each other: leave one of them out"
        raise ConfigError(message)
    return value


#: Shows the log of the passes while the command runs.
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    is_eager=True,  # before --quiet, which excludes it
    expose_value=False,
    callback=_be_verbose,
    help="Print what each pass did while it runs; if irquant itself fails, print the traceback.",
)


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds both options to a command, which gets `quiet`."""
    quiet = click.option("--quiet", is_flag=True, callback=_check_quiet, help="Print only errors.")
    return verbose_option(quiet(command))


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


def progress_shown(*, quiet: bool = False) -> AbstractContextManager[Progress]:
    """The progress bar, except with `quiet`, or if lines of a log would break it."""
    return nullcontext(no_progress) if quiet or logging.getLogger("irquant").handlers else progress_bar()
