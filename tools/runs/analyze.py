"""The work of `irquant analyze`."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from irquant.passes import Report, analyze_graph
from irquant.passes.evaluation.sensitivity import Effect, share_of_the_rest
from irquant.passes.files.run_files import check_run_files, named
from irquant.passes.jobs.measured_by import measured_by
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.runtime.load_model import load_model, model_files
from irquant.tools.options.planned import planned_by
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.report.page import check_page
from irquant.tools.report.quantization import Subject, write_quantization_page
from irquant.tools.report.values import finite, output_values, run_values
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import model_paths, open_data, unused_preparation
from irquant.tools.terminal.advice import advice, advice_line
from irquant.tools.terminal.console import decibels, message_line, output_lines
from irquant.tools.terminal.output import Output


def run_analyze(
    model: Path | None,
    data: str | None,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    subset_size: int | None,
    statistics: Path | None,
    pictures: ImageOptions,
    extension: tuple[str, ...],
    page: Path | None,
    top: int,
    output: Output,
    *,
    force: bool,
) -> None:
    """Ranks layers as the options of the command say, and shows the ranking."""
    planned = planned_by(config, target, preset, ignored, samples=subset_size, keep_compressed=True)
    planned = planned.noting(unused_preparation(data, planned.settings, pictures))
    path, weights = model_paths(model, planned.settings)
    named_source = data or (planned.settings.engine.data_source if planned.settings.engine else None)
    check_run_files(
        chain(
            model_files(path, weights),
            data_files(named_source),
            code_files(extension, "the extension"),
            target_files(target or planned.settings.target),
            named(configuration=config, statistics=statistics),
        ),
        named(report=page),
        force=force,
    )
    graph = load_model(path, weights, open_extensions(extension))
    if page:
        check_page(page)
    measuring = measured_by(statistics, None, None)
    source = open_data(data, graph, pictures, planned.settings, is_needed=statistics is None)
    with output.progress() as progress:
        report = analyze_graph(
            graph,
            source,
            planned.target,
            planned.config,
            measuring=measuring,
            progress=progress,
            warnings=planned.settings.warnings,
            with_close_ups=page is not None,
        ).report
    if page:
        write_quantization_page(page, report, Subject(path, None, planned, advice_line(report, path)))
    output.show(lambda: analysis_values(report, str(path)), lambda: analysis_lines(report, path, top))


def analysis_lines(report: Report, path: Path, top: int) -> Iterable[str]:
    """The ranking as text.

    Args:
        report: The analysis.
        path: The model.
        top: How many layers to list.
    """
    yield from output_lines(report, is_guarded=False)
    yield from map(message_line, report.warnings)
    precisions = _precisions(report)
    yield "rank   share  output alone         own  runs   layer"
    for rank, each in enumerate(report.effects[:top], 1):
        share, output = (f"{each.share:.1%}", decibels(each.worst)) if each.outputs else ("-", "-")
        runs = precisions.get(each.name, "-")
        yield f"{rank:4}  {share:>6}  {output:>12}  {decibels(each.own):>10}  {runs:5}  {each.type} '{each.name}'"
    if len(report.effects) > top:
        yield f"and {len(report.effects) - top} more (--top)"
    if (rest := share_of_the_rest(report.effects)) is not None:
        yield f"the rest of the error, {rest:.1%}, comes from operations that were not measured one by one"
    yield advice_line(report, path)


def analysis_values(report: Report, model: str) -> dict[str, Any]:
    """The whole analysis for scripts: stable keys, ratios in dB, null for numbers that are not finite."""
    given, precisions = advice(report), _precisions(report)
    return {
        "model": model,
        **run_values(report),
        "outputs": [output_values(each) for each in report.check.outputs or ()],
        "layers": [_layer_values(rank, each, precisions.get(each.name)) for rank, each in enumerate(report.effects, 1)],
        "float": [
            {"name": each.name, "type": each.type, "reason": each.reason} for each in report.layers if not each.is_int8
        ],
        "advice": {"ignored": [each.name for each in given.layers], "predicted_sqnr": finite(given.predicted, 2)},
        "warnings": warnings_in(report.warnings),
        "notes": notes_in(report.warnings),
    }


def _layer_values(rank: int, each: Effect, runs: str | None) -> dict[str, Any]:
    return {
        "rank": rank,
        "name": each.name,
        "type": each.type,
        "share": finite(each.share, 6),
        "output_sqnr": finite(each.worst, 2),
        "own_sqnr": finite(each.own, 2),
        "runs": runs,
    }


def _precisions(report: Report) -> dict[str, str]:
    """The precision of each layer that does arithmetic; operations between layers have no entry."""
    return {layer.name: "int8" if layer.is_int8 else "float" for layer in report.layers}
