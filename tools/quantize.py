"""`irquant quantize`: the step after model conversion."""

from pathlib import Path

import click

from irquant.ir import read_model, write_model
from irquant.ir.writer import check_output
from irquant.passes import (
    measured_by,
    plan_measurement,
    quantize_graph,
    watching_for,
)
from irquant.tools.console import print_measurement, print_report, progress_bar
from irquant.tools.image_source import ImageOptions
from irquant.tools.inputs import model_path, open_data, picture_options
from irquant.tools.options import planned_by, planning_options


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
@picture_options
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
    pictures: ImageOptions,
) -> None:
    """Quantizes MODEL (an OpenVINO .xml with its .bin) to INT8. Model and data may also stand in the configuration.

    \b
    SOURCE is one of
      a folder, a glob, an image, or a .txt list of images
      .npz or .npy files: one sample a file, or stacked; several inputs by name
      module:function or file.py:function, giving an iterable of samples

    \b
    Examples:
      irquant quantize model.xml --data photos/ --mean 127 --scale 128
      irquant quantize model.xml --data calibration.npz -o model_int8.xml --preset mixed
      irquant quantize model.xml --data photos/ --save-statistics model.npz
      irquant quantize model.xml --statistics model.npz --preset mixed
      irquant quantize -c pot_config.json
    """  # noqa: D301 - click reads \\b as a character: "leave the next paragraph as it is"
    planned = planned_by(config, target, preset, ignored, samples=samples, guard=False if no_guard else None)
    options, device, settings = planned.config, planned.target, planned.settings
    path = model_path(model, settings)
    graph = read_model(path)
    result = output or path.with_name(f"{settings.model.model_name or path.stem}_int8.xml")
    check_output(result, graph)
    measuring = measured_by(statistics, save_statistics, cluster)
    if dry_run:
        print_measurement(plan_measurement(graph, device, options))
        return
    source = open_data(data, graph, pictures, settings)
    with progress_bar() as progress:
        graph, report = quantize_graph(
            graph,
            source,
            device,
            options,
            measuring=measuring,
            instruments=watching_for(result, options),
            progress=progress,
            warnings=settings.warnings,
        )
    write_model(graph, result, compact=True)
    print_report(report, str(result))
