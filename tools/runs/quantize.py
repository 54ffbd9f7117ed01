"""The work of `irquant quantize`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from irquant.ir.atomic_write import written_together
from irquant.passes import load_model
from irquant.passes.files.model_place import FilePlace
from irquant.passes.files.run_files import named
from irquant.passes.jobs.measured_by import LOADING, measured_by
from irquant.passes.jobs.quantize_job import QuantizeJob
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.reporting.detail import Detail
from irquant.passes.runtime.samples import Sample
from irquant.passes.tuning.goals import TuningGoals
from irquant.tools.options.place import Place
from irquant.tools.options.planned import planned_by
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.report.values import report_values
from irquant.tools.sources.drops import Drop
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import model_paths, open_as, open_data, prepared_as, unused_preparation
from irquant.tools.terminal.console import measurement_lines
from irquant.tools.terminal.next_step import is_refused, next_step, verdict_line
from irquant.tools.terminal.output import Output
from irquant.tools.terminal.summary import report_lines

if TYPE_CHECKING:  # most runs have no metric
    from irquant.passes.accuracy.metric_goals import MetricGoals
    from irquant.passes.accuracy.metrics import Metric


def run_quantize(
    model: Path | None,
    weights: Path | None,
    place: Place,
    data: str | None,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    subset_size: int | None,
    save_statistics: Path | None,
    statistics: Path | None,
    cluster: str | None,
    extension: tuple[str, ...],
    pipeline: str | None,
    guard: str | None,
    no_guard: bool,
    keep_compressed: bool,
    metric: tuple[str, ...],
    max_drop: Drop | None,
    drop_type: str | None,
    metric_data: str | None,
    metric_samples: int | None,
    metric_seconds: float | None,
    resume: Path | None,
    tuning: TuningGoals | None,
    page: Path | None,
    report_detail: str | None,
    explorer: Path | None,
    dry_run: bool,
    pictures: ImageOptions,
    notes: tuple[str, ...],
    output: Output,
    *,
    strict: bool,
    force: bool,
) -> int:
    """Quantizes a model as the options of the command say, and shows the report; returns the exit code."""
    limits = {**_limit_of(max_drop, drop_type), "seconds": metric_seconds}
    _refuse_without_metric(metric, {**limits, "data": metric_data, "samples": metric_samples, "resume": resume})
    if guard and no_guard:
        message = f"--guard {guard} and --no-guard contradict each other: give one of them"
        raise ConfigError(message)
    detail = _detail_of(page, report_detail)
    aim = False if no_guard else guard
    planned = planned_by(
        config,
        target,
        preset,
        ignored,
        samples=subset_size,
        guard=aim,
        keep_compressed=keep_compressed or None,
        accuracy=limits,
        notes=notes,
    )
    options, settings = planned.config, planned.settings
    planned = planned.noting(
        chain(unused_preparation(data, settings, pictures), place.notes(is_configured=model is None))
    )
    path, weights = model_paths(model, settings, weights)
    result = place.of(path, settings.model.model_name)
    named_source = data or (settings.engine.data_source if settings.engine else None)
    selected = None
    if pipeline:
        from irquant.tools.sources.pass_source import passes_from

        selected = passes_from([pipeline], [], options)
    job = QuantizeJob(
        FilePlace(path, result, weights, open_extensions(extension)),
        planned,
        selected.passes if selected else None,
        reads=chain(
            code_files(selected.classes if selected else (), "the pass"),
            data_files(named_source),
            data_files(metric_data, "the metric's data"),
            code_files((each.partition("=")[0] for each in metric), "the metric"),
            code_files(extension, "the extension"),
            target_files(target or settings.target),
            named(
                configuration=config,
                statistics=statistics,
                pipeline=Path(pipeline) if pipeline else None,
                tuning=tuning.reads if tuning else None,
            ),
        ),
        writes=named(
            report=page,
            graph=explorer,
            statistics=save_statistics,
            measurements=resume,
            tuning=tuning.writes if tuning else None,
        ),
        force=force,
    )
    graph = job.load()
    for file, name in _tells(page, explorer):
        from irquant.tools.report.page import check_path  # here, as below: most runs write no page

        check_path(file, name)
        if dry_run:
            message = f"a dry run has nothing to report: leave out --{name} or --dry-run"
            raise ConfigError(message)
    measuring = measured_by(statistics, save_statistics, cluster, job.passes)
    if dry_run and selected:
        message = "a dry run shows the default passes only: leave out --pipeline or --dry-run"
        raise ConfigError(message)
    if dry_run:
        from irquant.passes.dry_run import plan_measurement

        plan = plan_measurement(graph, planned.target, options)
        output.show(lambda: asdict(plan), lambda: measurement_lines(plan))
        return 0
    source = open_data(data, graph, pictures, settings, is_needed=measuring.name != LOADING)
    prepared = prepared_as(data, pictures, settings)
    judged = open_as(metric_data, graph, prepared) if metric_data else None
    metrics = _open_metrics(metric, options, judged, metric_samples) if metric else []
    with place.prepared(result), output.progress() as progress, written_together():
        has_goals = bool(metrics or options.accuracy)
        goals = _goals(metrics, options, settings.where, resume, is_shown=not output.quiet) if has_goals else None
        report = job.run(
            graph, source, measuring=measuring, goals=goals, tuning=tuning, progress=progress, detail=detail
        ).report
        if page:
            from irquant.tools.report.quantization import Subject, write_quantization_page

            write_quantization_page(page, report, Subject(path, result, planned, typed=output.typed))
    if explorer:  # the result is in place now
        from irquant.tools.report.model_graph import write_model_graph

        write_model_graph(explorer, load_model(result, extensions=open_extensions(extension)), report)
    output.show(
        lambda: {**report_values(report, str(path), str(result)), "next": next_step(report, output.typed)},
        lambda: report_lines(report, str(result), output.typed),
    )
    is_reached = report.accuracy is None or report.accuracy.is_reached
    if is_reached and not (strict and is_refused(report)):
        return 0
    output.tell_failure([f"{result}: {verdict_line(report)}"])
    return 1


def _open_metrics(
    metric: tuple[str, ...], options: QuantizationConfig, judged: Iterable[Sample] | None, most: int | None
) -> "list[Metric]":
    """The metrics, with the samples that they judge."""
    from irquant.tools.sources.metric_function import MetricData, open_metrics  # here, as below: most runs have none

    return open_metrics(
        metric, options.accuracy or AccuracyOptions(), MetricData(judged, most) if judged is not None else None
    )


def _goals(
    metrics: "list[Metric]", options: QuantizationConfig, where: str, resume: Path | None, *, is_shown: bool
) -> "MetricGoals":
    """The metrics with their limits."""
    from irquant.passes.accuracy.metric_goals import MetricGoals
    from irquant.passes.accuracy.parse_metrics import metrics_of
    from irquant.tools.terminal.trial_table import TrialTable, no_rows

    return MetricGoals(metrics_of(metrics, options, where=where), resume, TrialTable().show if is_shown else no_rows)


def _tells(page: Path | None, explorer: Path | None) -> Iterator[tuple[Path, Literal["report", "graph"]]]:
    """The files that tell of a run, as far as they are wanted."""
    if page:
        yield page, "report"
    if explorer:
        yield explorer, "graph"


def _detail_of(page: Path | None, given: str | None) -> Detail | None:
    """How much to measure for a page; None: there is none."""
    if given and not page:
        message = "--report-detail says what a report holds: add --report FILE.html"
        raise ConfigError(message)
    return Detail(given or Detail.BRIEF) if page else None


def _limit_of(drop: Drop | None, drop_type: str | None) -> Mapping[str, object]:
    """The limit of a drop, and whether it is a share."""
    if drop and drop.is_share and drop_type == "absolute":
        message = f"--max-drop {100 * drop.value:g}% is a share, but --drop-type is absolute: leave one of them out"
        raise ConfigError(message)
    return {"max_drop": drop and drop.value, "drop_type": "relative" if drop and drop.is_share else drop_type}


def _refuse_without_metric(metric: tuple[str, ...], others: Mapping[str, object]) -> None:
    """Options about metrics need one."""
    names = {"max_drop": "--max-drop", "drop_type": "--drop-type", "resume": "--resume"}
    given = [names.get(name, f"--metric-{name}") for name, value in others.items() if value is not None]
    if given and not metric:
        message = f"{given[0]} needs a metric: add --metric module:function"
        raise ConfigError(message)
    if given and others["samples"] is not None and others["data"] is None:
        message = "--metric-samples needs samples: add --metric-data SOURCE"
        raise ConfigError(message)
