"""`irquant compress`: weights in 8 or 4 bits, activations in float."""

from itertools import chain
from pathlib import Path

import click

from irquant.passes.compress import CompressJob, compressed_path
from irquant.passes.files.model_place import FilePlace
from irquant.passes.options.compression import CompressionConfig
from irquant.passes.options.pot_config import ConfigFile
from irquant.targets import load_target
from irquant.tools.options.extensions import extension_option
from irquant.tools.options.inputs import data_option, picture_options
from irquant.tools.options.options import force_option, output_option, target_option
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.report.compression import compression_values
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import open_data
from irquant.tools.terminal.compression import compression_lines
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.output import Output, output_options


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
@force_option
@picture_options
@output_options
@fault_option()
def compress_command(
    model: Path,
    path: Path | None,
    weights: str,
    group: int,
    ratio: float | None,
    max_mb: float | None,
    min_db: float | None,
    data: str | None,
    samples: int,
    target: str | None,
    extension: tuple[str, ...],
    pictures: ImageOptions,
    output: Output,
    *,
    all_layers: bool,
    force: bool,
) -> None:
    """Stores the weights of MODEL in 8 or 4 bits; activations stay floats.

    The device unpacks the weights inside matrix products and embeddings: less memory, and more speed where reading
    weights takes most of the time, as in language models. The report says which layers the device reads compressed,
    as its execution graph shows, and with data how close the outputs are.

    \b
    Examples:
      irquant compress model.xml
      irquant compress model.xml --weights int4 --data calibration.npz -o model_int4.xml
    """  # noqa: D301 - click reads \\b as a character: "do not wrap the next paragraph"
    options = {"weights": weights, "group": group, "all_layers": all_layers, "samples": samples}
    options |= {"ratio": ratio, "max_mb": max_mb, "min_db": min_db}
    config = CompressionConfig.read(options, "")
    result = path or compressed_path(model, config)
    reads = chain(data_files(data), code_files(extension, "the extension"), target_files(target))
    job = CompressJob(config, load_target(target or "cpu"), reads, force=force)
    place = FilePlace(model, result, extensions=open_extensions(extension))
    graph = job.load(place)
    source = open_data(data, graph, pictures, ConfigFile())
    with output.progress() as progress:
        report = job.run(graph, place, source, progress=progress).report
    output.show(
        lambda: compression_values(report, str(model), str(result)), lambda: compression_lines(report, str(result))
    )
