"""`irquant explain`: the planned precision of each layer, and why."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.options.extensions import extension_option
from irquant.tools.options.options import planning_options
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("explain", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@planning_options
@extension_option
@grouped_option(HelpGroup.OUTPUT, "--node", metavar="NAME", help="Show all details of one layer or other operation.")
@output_options
@fault_option()
def explain_command(**given: Any) -> None:
    """Shows which layers of MODEL would run in int8, and why the others would not. Needs no data."""
    with importing():
        from irquant.tools.runs.explain import run_explain

    run_explain(**given)
