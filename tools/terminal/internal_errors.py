"""Reports an internal error on the command line: two lines, an exit code, a reproduction on request."""

import shlex
import traceback

import click

from irquant.ir import printable
from irquant.passes.infra.internal_errors import FaultFolderError, described, write_fault
from irquant.tools.terminal.colours import wants_colour
from irquant.tools.terminal.fault_request import FaultRequest

#: EX_SOFTWARE of sysexits.h: an internal error.
INTERNAL_ERROR = 70


def tell_fault(error: Exception, request: FaultRequest) -> int:
    """Prints an internal error in two lines and returns the exit code."""
    if request.verbose:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    said = f"{click.style('internal error:', fg='red', bold=True)} {' '.join(described(error).split())}"
    click.echo(said, err=True, color=wants_colour())
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
