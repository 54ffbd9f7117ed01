"""`irquant compress`: weights in 8 or 4 bits, activations in float."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.options.extensions import extension_option
from irquant.tools.options.former_data import former_data_options
from irquant.tools.options.former_options import Refusal, refuse
from irquant.tools.options.inputs import data_option, picture_options
from irquant.tools.options.nncf_options import nncf_options
from irquant.tools.options.options import force_option, output_option, page_option, target_option
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("compress", cls=GroupedCommand)
@click.argument("model", type=click.Path(path_type=Path))
@output_option("The new .xml.  [default: MODEL_weights_FORMAT.xml]")
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--weights",
    type=click.Choice(["int8", "int4", "nf4"]),
    default="int8",
    show_default=True,
    help="What weights are rounded to.",
)
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--group",
    type=click.IntRange(0),
    default=128,
    show_default=True,
    metavar="N",
    help="For int4 and nf4: the most neighbouring weights that share a scale; 0: those of a row.",
)
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--all-layers",
    is_flag=True,
    help="Round the first and last layers to 4 bits, too, instead of 8.",
)
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--ratio",
    type=float,
    metavar="R",
    help="The largest share of weights in 4 bits; the others have 8.",
)
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--max-mb",
    type=float,
    metavar="MB",
    help="The largest size: as many weights have 8 bits as fit.",
)
@grouped_option(
    HelpGroup.ACCURACY,
    "--min-db",
    type=float,
    metavar="DB",
    help="The least output SQNR, with data: as many weights have 8 bits as it needs.",
)
@data_option("Samples to fit the weights to: see `irquant quantize --help`.")
@grouped_option(
    HelpGroup.DATA,
    "--samples",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    metavar="N",
    help="How many samples to use at most.",
)
@target_option
@extension_option
@page_option
@force_option
@picture_options
@former_data_options
@nncf_options
@output_options
@fault_option()
def compress_command(*, notes: tuple[str, ...], refused: tuple[Refusal, ...], **given: Any) -> None:
    """Stores the weights of MODEL in 8 or 4 bits; activations stay floats.

    The device unpacks the weights inside matrix products and embeddings: less memory, and more speed where reading
    weights takes most of the time, as in language models. The report says which layers the device reads compressed,
    as its execution graph shows, and with data how close the outputs are.

    \b
    Examples:
      irquant compress model.xml
      irquant compress model.xml --weights int4 --data calibration.npz -o model_int4.xml
    """  # noqa: D301 - click reads \\b as a character: "do not wrap the next paragraph"
    assert not notes, "no option of NNCF is without effect"
    with importing():
        from irquant.tools.runs.compress import run_compress

    refuse(refused)
    run_compress(**given)
