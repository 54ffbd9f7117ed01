"""Reports an internal error on the command line: two lines, an exit code, a reproduction on request."""

import shlex
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from irquant.ir import printable
from irquant.passes.infra.internal_errors import FaultFolderError, check_fault_folder, described, write_fault
from irquant.tools.terminal.fault_request import FaultRequest

#: EX_SOFTWARE of sysexits.h: an internal error.
INTERNAL_ERROR = 70


def _take_folder(context: click.Context, _: click.Parameter, folder: Path | None) -> Path | None:
    if folder is not None:
        check_fault_folder(folder)
        context.ensure_object(FaultRequest).folder = folder
    return folder


def fault_option(*, expose: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For commands that run passes.

    Args:
        expose: Whether the command gets the folder, as `report_fault`.
    """
    return click.option(
        "--report-fault",
        type=click.Path(path_type=Path),
        metavar="DIR",
        callback=_take_folder,
        expose_value=expose,
        help="If irquant itself fails (exit code 70), write a small reproduction to this new folder, without weights.",
    )


def tell_fault(error: Exception, request: FaultRequest) -> int:
    """Prints an internal error in two lines and returns the exit code."""
    if request.verbose:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(f"{click.style('internal error:', fg='red', bold=True)} {' '.join(described(error).split())}", err=True)
    click.echo(_what_to_do(error, request), err=True)
    return INTERNAL_ERROR


def _what_to_do(error: Exception, request: FaultRequest) -> str:
    if request.folder is None:
        return (
            "this is an error in irquant, not in your input: please run again with --report-fault DIR, and report "
            "what it writes (the layers around the error without weights, versions, options); -v shows the traceback"
        )
    try:
        write_fault(error, request.folder, {"command": shlex.join(["irquant", *request.arguments])})
    except FaultFolderError as failure:
        return printable(f"this is an error in irquant, not in your input; {failure}")
    return printable(
        f"this is an error in irquant, not in your input: please check the files in {request.folder}, and report "
        "it with them"
    )
