"""`irquant inspect`: the contents of a model."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.options.extensions import extension_option
from irquant.tools.terminal.help_groups import GroupedCommand
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("inspect", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@extension_option
@output_options
def inspect_command(**given: Any) -> None:
    """Shows the contents of MODEL: inputs and outputs, operations, constants by type, and its origin."""
    with importing():
        from irquant.tools.runs.inspect import run_inspect

    run_inspect(**given)
