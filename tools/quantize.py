"""`irquant quantize`: the step after model conversion."""

import json
from pathlib import Path

import click

from irquant.ir import write_model
from irquant.passes import ConfigError, measured_by, plan_measurement, quantize_graph, watching_for
from irquant.tools.console import print_measurement, print_report
from irquant.tools.image_source import ImageOptions
from irquant.tools.inputs import open_data, open_model, picture_options
from irquant.tools.options import page_option, planned_by, planning_options
from irquant.tools.pot_options import Place, pot_options
from irquant.tools.report.page import check_page
from irquant.tools.report.quantization import Subject, write_quantization_page
from irquant.tools.values import report_values
from irquant.tools.verbosity import progress_shown, verbosity_options


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--data", "--data-source", "data", metavar="SOURCE", help="Calibration data: see below.")
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
@page_option
@click.option("--dry-run", is_flag=True, help="Show what would be measured, and stop.")
@picture_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@verbosity_options
@pot_options
def quantize_command(
    model: Path | None,
    weights: Path | None,
    place: Place,
    data: str | None,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    samples: int | None,
    save_statistics: Path | None,
    statistics: Path | None,
    cluster: str | None,
    no_guard: bool,
    page: Path | None,
    dry_run: bool,
    pictures: ImageOptions,
    *,
    as_json: bool,
    quiet: bool,
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
    path, graph = open_model(model, settings, weights)
    result = place.of(path, settings.model.model_name)
    if page:
        check_page(page)
        if dry_run:
            message = "a dry run has nothing to report: leave out --report or --dry-run"
            raise ConfigError(message)
    measuring = measured_by(statistics, save_statistics, cluster)
    if dry_run:
        print_measurement(plan_measurement(graph, device, options), as_json=as_json)
        return
    source = open_data(data, graph, pictures, settings)
    watching = watching_for(result, options)
    with place.prepared(result, path, graph), progress_shown(quiet=quiet) as progress:
        graph, report = quantize_graph(
            graph,
            source,
            device,
            options,
            measuring=measuring,
            instruments=watching,
            progress=progress,
            warnings=settings.warnings,
            with_effects=page is not None,
        )
        write_model(graph, result, compact=True)
        for each in watching:
            each.write()
    if as_json:
        click.echo(json.dumps(report_values(report, str(path), str(result)), indent=2, allow_nan=False))
    elif not quiet:
        print_report(report, str(result))
    if page:
        write_quantization_page(page, report, Subject(path, result, planned))
