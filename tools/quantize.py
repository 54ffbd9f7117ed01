"""`irquant quantize`: the step after model conversion."""

from dataclasses import replace
from pathlib import Path

import click

from irquant.ir import write_model
from irquant.ir.writer import check_output
from irquant.passes import (
    ConfigError,
    Settings,
    load_model,
    measured_by,
    plan_measurement,
    quantize_graph,
    watching_for,
)
from irquant.passes.calibration.samples import model_inputs
from irquant.passes.configuration.published import Engine as EngineSection
from irquant.passes.load_model import result_path
from irquant.tools.console import print_measurement, print_report, progress_bar
from irquant.tools.image_source import ImageOptions, image_options_from_metadata
from irquant.tools.options import planned_by, planning_options
from irquant.tools.sources import open_source


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        message = f"'{text}' is no comma-separated list of numbers"
        raise click.BadParameter(message, context, parameter) from None


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        message = f"'{text}' is no size; write HEIGHTxWIDTH, e.g. 224x224"
        raise click.BadParameter(message, context, parameter)
    return int(height), int(width)


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--data", metavar="SOURCE", help="Calibration data: see below.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The new .xml.  [default: MODEL_int8.xml]")
@planning_options
@click.option("--samples", type=int, help="Most samples to use.  [default: 300; with -c, all]")
@click.option(
    "--save-statistics", type=click.Path(path_type=Path), metavar="FILE", help="Keep what was measured (.npz)."
)
@click.option(
    "--statistics", type=click.Path(path_type=Path), metavar="FILE", help="Use it again: --data may be left out."
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Calibrate on a Dask cluster; 'local': in processes on this machine."
)
@click.option("--no-guard", is_flag=True, help="Take the result as it comes, however far it is from the float model.")
@click.option("--dry-run", is_flag=True, help="Show what would be measured, and stop.")
@click.option("--size", callback=_size, metavar="HxW", help="Pictures: height and width to scale to.")
@click.option("--layout", help="Pictures: the model's layout, e.g. NCHW.")
@click.option("--mean", callback=_numbers, metavar="M,..", help="Pictures: what to subtract from each channel.")
@click.option("--scale", callback=_numbers, metavar="S,..", help="Pictures: what to divide each channel by, then.")
@click.option("--colour-order", "--color-order", type=click.Choice(["rgb", "bgr"]), help="Pictures: order of channels.")
def quantize_command(
    model: Path | None,
    data: str | None,
    output: Path | None,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    samples: int | None,
    save_statistics: Path | None,
    statistics: Path | None,
    cluster: str | None,
    no_guard: bool,
    dry_run: bool,
    size: tuple[int, int] | None,
    layout: str | None,
    mean: tuple[float, ...],
    scale: tuple[float, ...],
    colour_order: str | None,
) -> None:
    """Quantizes MODEL to INT8. Model and data may also stand in the configuration.

    MODEL is an OpenVINO .xml with its .bin; or .onnx, .pb, .tflite, .pdmodel, or the folder of a SavedModel, which is
    converted first.

    \b
    SOURCE is one of
      a folder, a glob, an image, or a .txt list of images
      .npz or .npy files: one sample a file, or stacked; several inputs by name
      module:function or file.py:function, giving an iterable of samples

    \b
    Examples:
      irquant quantize model.xml --data photos/ --mean 127 --scale 128
      irquant quantize model.onnx --data calibration.npz
      irquant quantize model.xml --data calibration.npz -o model_int8.xml --preset mixed
      irquant quantize model.xml --data photos/ --save-statistics model.npz
      irquant quantize model.xml --statistics model.npz --preset mixed
      irquant quantize -c pot_config.json
    """  # noqa: D301 - click reads \\b as a character: "leave the next paragraph as it is"
    planned = planned_by(config, target, preset, ignored, samples=samples, guard=False if no_guard else None)
    options, device, settings = planned.config, planned.target, planned.settings
    path = _model_path(model, settings)
    graph = load_model(path)
    result = output or result_path(path, settings.model.model_name)
    check_output(result, graph)
    measuring = measured_by(statistics, save_statistics, cluster)
    if dry_run:
        print_measurement(plan_measurement(graph, device, options))
        return
    given = ImageOptions(size=size, layout=layout, mean=mean, scale=scale, colour_order=colour_order)
    images, engine = given, settings.engine
    if data is None and engine:
        data, images = engine.data_source, _as_published(given, engine)
    source = None
    if data is not None:
        images = image_options_from_metadata(graph.metadata("model_info"), images)
        source = open_source(data, model_inputs(graph), images)
    watching = watching_for(result, options)
    with progress_bar() as progress:
        graph, report = quantize_graph(
            graph,
            source,
            device,
            options,
            measuring=measuring,
            instruments=watching,
            progress=progress,
            warnings=settings.warnings,
        )
    write_model(graph, result, compact=True)
    for each in watching:
        each.write()
    print_report(report, str(result))


def _model_path(model: Path | None, settings: Settings) -> Path:
    """The model that the command line names, or else the configuration."""
    if model:
        return model
    if not settings.model.model:
        message = "which model? Give the path of an .xml, or a configuration with model.model"
        raise ConfigError(message)
    path = Path(settings.model.model)
    weights = settings.model.weights
    if weights and Path(weights) != path.with_suffix(".bin"):
        message = f"model.weights is {weights}, but weights are read from {path.with_suffix('.bin')}: rename them"
        raise ConfigError(message)
    return path


def _as_published(given: ImageOptions, engine: EngineSection) -> ImageOptions:
    """Pictures as the published tool's own loader gave them: blue first; what the command line says stands."""
    return replace(
        given,
        layout=given.layout or engine.layout,
        colour_order=given.colour_order or "bgr",
        central_fraction=engine.central_fraction,
    )
