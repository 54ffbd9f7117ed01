"""`irquant compare`: how close outputs and layers of two models are, and which one is faster."""

from pathlib import Path
from typing import Any

import click

from irquant.passes.evaluation.latency_seconds import SECONDS
from irquant.tools.options.extensions import extension_option
from irquant.tools.options.former_data import former_data_options, required_data
from irquant.tools.options.inputs import data_option, picture_options
from irquant.tools.options.options import force_option, strict_option
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("compare", cls=GroupedCommand)
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@data_option("Samples: see `irquant quantize --help`.  [required]")
@grouped_option(
    HelpGroup.DATA,
    "--samples",
    "subset_size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Subset size: how many samples to use at most.  [default: 32 from all over the data; with --held-out, 300]",
)
@grouped_option(
    HelpGroup.DATA,
    "--held-out",
    is_flag=True,
    help="Use only those of them that `irquant quantize` holds out of calibration: gives the same numbers.",
)
@picture_options
@former_data_options
@required_data
@extension_option
@strict_option("Exit code 1 also if the data look wrong, so that the comparison says nothing.")
@grouped_option(HelpGroup.ACCURACY, "--per-layer", is_flag=True, help="Also show the error of each layer.")
@grouped_option(HelpGroup.SPEED, "--no-latency", is_flag=True, help="Do not measure how long an inference takes.")
@grouped_option(
    HelpGroup.SPEED,
    "--latency-seconds",
    type=float,
    metavar="S",
    help="How long to measure latency in all modes together; compilation comes on top.  "
    f"[default: {SECONDS:g}, and a few inferences in each mode]",
)
@grouped_option(
    HelpGroup.OUTPUT,
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a page: one .html file.",
)
@force_option
@output_options
@fault_option()
def compare_command(**given: Any) -> int:
    """Runs two models on the same samples: FIRST is the reference, SECOND may come from any tool.

    Shows how close the outputs are and what that means, how many layers ran in int8, how long an inference takes, and
    how large the weights are. Layers are matched by name, type and shape.

    Exit code 0 if each output is good or fair, 1 if one is poor or cannot be compared (with --strict also if the data
    look wrong), 2 if the models differ in their inputs or in the number of outputs.
    """
    with importing():
        from irquant.tools.runs.compare import run_compare

    return run_compare(**given)
