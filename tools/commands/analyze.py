"""`irquant analyze`: the sensitivity of layers to rounding, and what to do about the worst."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.options.extensions import extension_option
from irquant.tools.options.former_data import former_data_options
from irquant.tools.options.inputs import data_option, picture_options, samples_option
from irquant.tools.options.options import force_option, page_option, planning_options
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("analyze", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path), required=False)
@data_option("Nine samples or more: see `irquant quantize --help`.")
@planning_options
@samples_option
@grouped_option(
    HelpGroup.DATA,
    "--statistics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Saved statistics of the same data.",
)
@picture_options
@former_data_options
@extension_option
@page_option
@force_option
@grouped_option(
    HelpGroup.OUTPUT,
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Layers to list; --json lists all.",
)
@output_options
@fault_option()
def analyze_command(**given: Any) -> None:
    """Ranks the layers of MODEL by their sensitivity to INT8 rounding, the most sensitive first. Writes no model.

    The share of a layer is the part of the error at the outputs that rounding this layer alone causes.
    """
    with importing():
        from irquant.tools.runs.analyze import run_analyze

    run_analyze(**given)
