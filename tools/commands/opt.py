"""`irquant opt`: any passes in any order on a model."""

from pathlib import Path
from typing import Any

import click

from irquant.passes.infra.registry import DEFAULT_PIPELINE, PASSES
from irquant.tools.options.completion import words, words_or_files
from irquant.tools.options.extensions import extension_option
from irquant.tools.options.former_data import former_data_options
from irquant.tools.options.inputs import data_option, picture_options, samples_option
from irquant.tools.options.options import force_option, output_option, planning_options
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


def _completed(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of -p: the names of passes, also after a comma."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in PASSES if name.startswith(last)]


@click.command("opt", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path), required=False)
@grouped_option(
    HelpGroup.PASSES,
    "-p",
    "--pass",
    "passes",
    multiple=True,
    metavar="PASS,..",
    shell_complete=_completed,
    help="Passes to run; may be repeated.",
)
@grouped_option(
    HelpGroup.PASSES,
    "--pipeline",
    multiple=True,
    metavar="FILE",
    shell_complete=words_or_files(DEFAULT_PIPELINE),
    help="A .yaml list of passes to run first; or `default-quantization`.",
)
@data_option("Samples for `calibrate`: see `irquant quantize --help`.")
@output_option("The new .xml.  [default: print the text form]")
@force_option
@planning_options
@samples_option
@picture_options
@former_data_options
@extension_option
@grouped_option(
    HelpGroup.OUTPUT, "--values", is_flag=True, help="Print constants in full, so that the text can be read back."
)
@grouped_option(
    HelpGroup.PASSES,
    "--print-after",
    multiple=True,
    metavar="PASS",
    shell_complete=words(*PASSES, "all"),
    help="Print the graph after that pass; all: after each.",
)
@grouped_option(
    HelpGroup.PASSES,
    "--dump-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write text and IR after each pass to a new folder.",
)
@grouped_option(
    HelpGroup.PASSES,
    "--time-passes",
    is_flag=True,
    help="Print how long each pass took and how many places it changed.",
)
@grouped_option(HelpGroup.PASSES, "--verify-each", is_flag=True, help="Check the graph after each pass.")
@grouped_option(
    HelpGroup.PASSES, "--verify-runtime", is_flag=True, help="The same, and compile the graph with the runtime."
)
@grouped_option(
    HelpGroup.INPUT,
    "--fill",
    is_flag=True,
    help="Fill constants that a .txt abbreviates with made-up values, the same each time.",
)
@output_options
@fault_option()
@grouped_option(HelpGroup.PASSES, "--list", "list_passes", is_flag=True, help="List all passes, and stop.")
def opt_command(**given: Any) -> None:
    """Runs passes on MODEL (an .xml, or a .txt in the text form) in the given order, and prints the result.

    \b
    PASS is one of
      a name, see --list
      name{option=value option=value}
      module:Class or file.py:Class, a pass of your own; options likewise

    Passes that need statistics need `calibrate` before them, and --data. Passes of --pipeline come first;
    `--pipeline default-quantization` is what `irquant quantize` runs.

    \b
    Examples:
      irquant opt model.xml
      irquant opt model.xml -p normalize,plan-placement --verify-each -o normal.xml
      irquant opt model.xml -p normalize -p mine.py:RemoveDropout --print-after all
      irquant opt model.xml --pipeline mine.yaml --data photos/ --dump-dir dump
    """  # noqa: D301 - click reads \\b as a character: "do not wrap the next paragraph"
    with importing():
        from irquant.tools.runs.opt import run_opt

    run_opt(**given)
