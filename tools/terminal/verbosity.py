"""How much a command prints: `-v` also one line per pass, `--quiet` only errors."""

import functools
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

#: What the original tool takes as `--log-level`.
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _be_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    request = context.ensure_object(FaultRequest)
    if value and not request.verbose:
        request.verbose = True
        context.with_resource(_logged(logging.INFO))


def _take_level(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    _be_verbose(context, parameter, value in ("DEBUG", "INFO"))
    return value


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
    quiet = click.option("--quiet", "--silent", is_flag=True, callback=_check_quiet, help="Print only errors.")
    return verbose_option(quiet(command))


def log_level_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--log-level` of the original tool to a command with `verbosity_options`."""
    option = click.option(
        "--log-level",
        "--log_level",
        type=click.Choice(_LEVELS, case_sensitive=False),
        is_eager=True,  # before --quiet, which excludes -v
        callback=_take_level,
        help="DEBUG or INFO: like -v; ERROR or CRITICAL: like --quiet; WARNING: neither.",
    )

    @functools.wraps(command)
    def with_level(*, log_level: str | None, quiet: bool, **others: object) -> Any:
        return command(quiet=quiet or log_level in ("ERROR", "CRITICAL"), **others)

    return option(with_level)


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
