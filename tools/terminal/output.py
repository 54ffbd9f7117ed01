"""`--json`, `-q` and `-v`: all commands take them, with one meaning."""

import functools
import json
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

import click

from irquant.ir import printable
from irquant.passes.infra.progress import Progress
from irquant.passes.options.config_error import ConfigError
from irquant.tools.terminal.colours import coloured
from irquant.tools.terminal.fault_request import FaultRequest
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option
from irquant.tools.terminal.progress_lines import ProgressLines
from irquant.tools.terminal.typed_command import TypedCommand
from irquant.tools.terminal.verbosity import logged, progress_shown

#: What the original tool takes as `--log-level`.
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class Output:
    """How a command shows its result.

    Attributes:
        as_json: Whether to print one JSON document, and nothing else, on standard output.
        quiet: Whether to print errors only; the JSON document is the result, and is printed anyway.
        typed: The command line.
        stream: Standard output.
    """

    as_json: bool
    quiet: bool
    typed: TypedCommand = field(default_factory=TypedCommand)
    stream: TextIO = field(default_factory=lambda: sys.stdout)

    def show(self, values: Callable[[], object], lines: Callable[[], Iterable[str]]) -> None:
        """Prints the result.

        Args:
            values: Makes the JSON document.
            lines: Makes the text for people.
        """
        self.show_by(values, lambda: _print(lines()))

    def show_by(self, values: Callable[[], object], print_text: Callable[[], None]) -> None:
        """Prints the result, whose text prints itself: a table, or a text for programs, which is printed as it is."""
        if self.as_json:
            click.echo(json.dumps(values(), indent=2, allow_nan=False), file=self.stream)
        elif not self.quiet:
            print_text()

    def tell_failure(self, lines: Iterable[str]) -> None:
        """Prints why the exit code is 1 on standard error, if nothing else says so."""
        for line in lines if self.quiet else ():
            click.echo(printable(line), err=True)

    @contextmanager
    def progress(self) -> Generator[Progress]:
        """The progress of a run on standard error: a bar on a terminal, else a line now and then."""
        lines = ProgressLines()
        with progress_shown(lines.show, quiet=self.quiet) as show:
            yield show
        lines.close()


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(coloured(printable(line)))


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the three options to a command, which gets `output`."""

    @functools.wraps(command)
    def with_output(*, as_json: bool, quiet: bool, **others: Any) -> Any:
        request = click.get_current_context().find_object(FaultRequest) or FaultRequest()
        output = Output(as_json, quiet, TypedCommand(request.arguments))
        if not as_json:
            return command(output=output, **others)
        with redirect_stdout(sys.stderr):  # whatever the user's code prints
            return command(output=output, **others)

    result: Callable[..., Any] = with_output
    for option in (_QUIET, _VERBOSE, _JSON):
        result = option(result)
    return result


def log_level_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--log-level` of the original tool to a command with `output_options`."""
    option = grouped_option(
        HelpGroup.FORMER,
        "--log-level",
        type=click.Choice(_LEVELS, case_sensitive=False),
        is_eager=True,  # before --quiet, which excludes -v
        callback=_take_level,
        help="DEBUG or INFO: like -v; ERROR or CRITICAL: like --quiet; WARNING: neither.",
    )

    @functools.wraps(command)
    def with_level(*, log_level: str | None, output: Output, **others: object) -> Any:
        is_quiet = output.quiet or log_level in ("ERROR", "CRITICAL")
        return command(output=replace(output, quiet=is_quiet), **others)

    return option(with_level)


def _be_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    request = context.ensure_object(FaultRequest)
    if value and not request.verbose:
        request.verbose = True
        context.with_resource(logged())


def _take_level(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    _be_verbose(context, parameter, value in ("DEBUG", "INFO"))
    return value


def _check_quiet(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value and context.ensure_object(FaultRequest).verbose:
        message = "--quiet and --verbose exclude each other: leave one of them out"
        raise ConfigError(message)
    return value


_JSON = grouped_option(
    HelpGroup.GENERAL,
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON document: see docs/json.md.",
)
_VERBOSE = grouped_option(
    HelpGroup.GENERAL,
    "-v",
    "--verbose",
    is_flag=True,
    is_eager=True,  # before --quiet, which excludes it
    expose_value=False,
    callback=_be_verbose,
    help="Print details while the command runs, such as what each pass did; if irquant itself fails, print the "
    "traceback.",
)
_QUIET = grouped_option(
    HelpGroup.GENERAL,
    "-q",
    "--quiet",
    "--silent",
    "quiet",
    is_flag=True,
    callback=_check_quiet,
    help="Print only errors.",
)
