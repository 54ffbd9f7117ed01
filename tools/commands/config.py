"""`irquant config`: checks a configuration, and shows its effective options."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.options.options import planning_options
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import Output, output_options


@click.group("config", cls=CommandGroup)
def config_command() -> None:
    """Checks and shows configurations."""


@config_command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@output_options
def check_command(file: Path, output: Output) -> None:
    """Lists all mistakes in FILE, and options that have no effect any more."""
    with importing():
        from irquant.tools.runs.config import run_check

    run_check(file, output)


@config_command.command("show")
@planning_options
@output_options
def show_command(**given: Any) -> None:
    """Shows every option with its value and its origin."""
    with importing():
        from irquant.tools.runs.config import run_show

    run_show(**given)
