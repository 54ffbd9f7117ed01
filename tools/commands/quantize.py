"""`irquant quantize`: the step after model conversion."""

from pathlib import Path
from typing import Any

import click

from irquant.passes.reporting.detail import Detail
from irquant.tools.options.completion import words, words_or_files
from irquant.tools.options.extensions import extension_option
from irquant.tools.options.inputs import data_option, picture_options, samples_option
from irquant.tools.options.mo_options import mo_options
from irquant.tools.options.options import (
    force_option,
    metric_options,
    output_option,
    page_option,
    planning_options,
    strict_option,
)
from irquant.tools.options.pot_options import PotCommand, pot_options
from irquant.tools.options.tuning import tuning_options
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import log_level_option, output_options

#: What MODEL, SOURCE and a metric are. click reads \b as: do not wrap the next paragraph.
ABOUT_ARGUMENTS = """MODEL is an OpenVINO .xml with its .bin; or .onnx, .pb, .tflite, .pdmodel, or the folder of a
SavedModel; these are converted first.

\b
SOURCE, of --data and --metric-data, is one of
  a folder, a glob, an image, or a .txt list of images; a video
  .npz or .npy files: one sample per file, or stacked; several inputs by name
  module:function or file.py:function, giving an iterable of samples

Pixels are 0 to 255 before mean and scale: 16-bit pixels are multiplied by 255/65535, float pixels, which must lie
in 0 to 1, by 255. Models with an integer input, or with their preprocessing inside, get pixels without mean and
scale.

\b
With --metric, layers return to float until your own metric drops by no more than --max-drop, and
the guard does not run. The function is called for each trial. It gets `predict`, which runs one
sample and gives the outputs by name, and returns one number; higher is better:
  def accuracy(predict):
      return np.mean([predict(x)["logits"].argmax() == label for x, label in my_data()])
If the metric still drops by more, the best model is written, and the exit code is 1."""
_HELP = f"""Quantizes MODEL to INT8. The configuration may also name model and data.

{ABOUT_ARGUMENTS}

\b
Examples:
  irquant quantize model.xml --data photos/ --mean 127 --scale 128
  irquant quantize model.onnx --data calibration.npz
  irquant quantize model.xml --data calibration.npz -o model_int8.xml --preset mixed
  irquant quantize model.xml --data photos/ --save-statistics model.npz
  irquant quantize model.xml --statistics model.npz --preset mixed
  irquant quantize -c pot_config.json
  irquant quantize model.xml --data photos/ --metric metrics.py:accuracy --max-drop 0.01
"""


@click.command("quantize", cls=PotCommand, help=_HELP)
@click.argument("model", type=click.Path(path_type=Path), required=False)
@data_option("Calibration data: see above.")
@output_option("The new .xml.  [default: MODEL_int8.xml]")
@planning_options
@samples_option
@grouped_option(
    HelpGroup.DATA,
    "--save-statistics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the measured statistics (.npz).",
)
@grouped_option(
    HelpGroup.DATA,
    "--statistics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use saved statistics: --data may be omitted.",
)
@grouped_option(
    HelpGroup.DATA,
    "--cluster",
    metavar="ADDRESS",
    shell_complete=words("local"),
    help="Calibrate on a Dask cluster; 'local': in processes on this machine.",
)
@extension_option
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--pipeline",
    metavar="FILE",
    shell_complete=words_or_files(),
    help="Run the passes of this .yaml file instead of the default ones; see `irquant opt`. Guard and check still run.",
)
@grouped_option(
    HelpGroup.ACCURACY,
    "--guard",
    type=click.Choice(["floor", "knee", "good"], case_sensitive=False),
    help="How far to look for a better model: until no output is poor; while layers in float bring much for little "
    "time; or until all outputs are good.  [default: knee]",
)
@grouped_option(
    HelpGroup.ACCURACY,
    "--no-guard",
    is_flag=True,
    help="Keep the result even if it is far from the float model; --metric implies this.",
)
@strict_option("Exit code 1 if the data look wrong, or if an output is poor or was not checked.")
@grouped_option(
    HelpGroup.QUANTIZATION,
    "--keep-compressed",
    is_flag=True,
    help="Leave layers whose weights are compressed already as they are.",
)
@page_option
@grouped_option(
    HelpGroup.OUTPUT,
    "--report-detail",
    type=click.Choice([*Detail], case_sensitive=False),
    help="brief: measure for about as long as the run itself took, the most sensitive layers first; full: all layers, "
    "and latency in all modes.  [default: brief]",
)
@grouped_option(
    HelpGroup.OUTPUT,
    "--graph",
    "explorer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the result as a graph for Model Explorer (.json), coloured by precision.",
)
@force_option
@metric_options
@tuning_options
@grouped_option(HelpGroup.GENERAL, "--dry-run", is_flag=True, help="Show what would be measured, and stop.")
@picture_options
@output_options
@fault_option()
@log_level_option
@mo_options
@pot_options
def quantize_command(**given: Any) -> int:
    """The command: see `_HELP`."""
    with importing():
        from irquant.tools.runs.quantize import run_quantize

    return run_quantize(**given)
