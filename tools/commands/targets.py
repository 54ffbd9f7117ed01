"""`irquant targets`: the devices that irquant supports, and checks of your own target files."""

from pathlib import Path

import click

from irquant.passes.options.config_error import ConfigError
from irquant.tools.options.completion import targets
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import Output, output_options


@click.group("targets", cls=CommandGroup, invoke_without_command=True)
@output_options
@click.pass_context
def targets_command(context: click.Context, output: Output) -> None:
    """Lists the targets that ship with irquant."""
    if context.invoked_subcommand is None:
        with importing():
            from irquant.tools.runs.targets import run_list

        run_list(output)
    elif output.as_json or output.quiet:
        flag, command = "--json" if output.as_json else "--quiet", context.invoked_subcommand
        message = f"{flag} goes behind the subcommand: irquant targets {command} ... {flag}"
        raise ConfigError(message)


@targets_command.command("show")
@click.argument("name", shell_complete=targets)
@output_options
def show_command(name: str, output: Output) -> None:
    """Prints the file of target NAME: what it runs in int8, with which ranges, and why."""
    with importing():
        from irquant.tools.runs.targets import run_show

    run_show(name, output)


@targets_command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@output_options
def check_command(file: Path, output: Output) -> None:
    """Checks your own target FILE (.yaml)."""
    with importing():
        from irquant.tools.runs.targets import run_check

    run_check(file, output)
