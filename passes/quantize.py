"""The front door: a model and data in, the INT8 model out."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack, overload

from ..ir import Graph, write_model
from ..ir.writer import check_output
from ..targets import Target, load_target
from .accuracy.bisect import costliest
from .accuracy.control import keep_accuracy
from .accuracy.evaluations import Judge, Watch, unwatched
from .accuracy.guard import GuardResult, guard
from .accuracy.journal import Journal
from .accuracy.kernel_mismatch import checked
from .accuracy.metrics import Metric
from .accuracy.parse_metrics import GivenMetric, metrics_of
from .accuracy.requantize import Attempt, CalibratedModel
from .analyze import COMPARED, MOST_INFERENCES
from .calibration.calibrate import Calibrate
from .calibration.load_statistics import LoadStatistics
from .evaluation.latency import Latencies, measure_gain
from .infra.base import Fact, Pass
from .infra.instruments import Instrument, WriteAfter
from .infra.run_inputs import Progress, no_progress
from .options.accuracy import AccuracyOptions, DropType
from .options.config import QuantizationConfig
from .options.pot_config import ConfigFile, read_config_file
from .options.strict import ConfigError
from .provenance import record_provenance
from .quantize_once import quantize_once
from .report import Report, constant_bytes, report_of
from .run_files import files_of_passes, named, refuse_overlaps, result_files, watching_for
from .runtime.engine import HERE, Extension, RuntimeModel, check_extensions, from_runtime, to_runtime
from .runtime.load_model import load_model, model_files, result_path

#: On how many of the held-out samples latency is measured, and for how many seconds if a report wants it.
TIMED, TIMED_FOR = 8, 5.0
#: For what share of the run, if it was not asked for, but the result may be no faster than the float model.
_GLANCE = 0.03
_NO_PLACE = "dump_intermediate_model changes nothing: it writes beside the result, which is in memory; give a path"


class QuantizeOptions(TypedDict, total=False):
    """What `quantize` and `quantize_model` take besides model and data."""

    output: Path | str | None
    target: str | Target | None
    preset: str | None
    samples: int | None
    ignored: Sequence[str]
    config: QuantizationConfig | Path | str | Mapping[str, Any] | Sequence[Any] | None
    passes: Sequence[Pass] | None
    statistics: Path | str | None
    save_statistics: Path | str | None
    cluster: str | None
    metric: GivenMetric | Sequence[GivenMetric] | None
    max_drop: float | None
    drop_type: DropType | None
    resume: Path | str | None
    extensions: Sequence[Extension]


_Model = TypeVar("_Model", Path, RuntimeModel)


@dataclass(frozen=True)
class QuantizationResult(Generic[_Model]):
    """What came of a quantization.

    Attributes:
        model: The path of the new IR, or a new `openvino.Model`: as the float model was given.
        report: What was done and found.
    """

    model: _Model
    report: Report


@overload
def quantize_model(
    model: Path | str, data: Iterable[object] | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[Path]: ...


@overload
def quantize_model(
    model: RuntimeModel, data: Iterable[object] | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[RuntimeModel]: ...


def quantize_model(
    model: Path | str | RuntimeModel, data: Iterable[object] | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    """Quantizes a model to int8 with the published DefaultQuantization.

    Args:
        model: The path of an IR or of what `load_model` converts, or an `openvino.Model`, which stays as it is.
        data: Calibration samples: dicts by input name, sequences in input order, or arrays of a one-input model. Any
            iterable, an array whose rows they are, or a data set with a length and an index whose items are (data,
            annotation). Gone through once, in a thread of its own. May be left out if there are statistics; the outputs
            are not checked then.
        options: Keywords:

            output: Where the new IR goes, for a model given by path; default: `<model>_int8.xml` next to it.
            target: The name of a target, the path of a target file, or a `Target`; default: what the configuration
                says, or "cpu".
            preset: "performance" (symmetric activations), "mixed" (asymmetric ones) or "accuracy" (asymmetric weights,
                too, where the device takes them); default: what suits the model.
            samples: How many samples to use at most (default: 300, or what the configuration says); a tenth of them is
                held out to check the result.
            ignored: Names of layers that stay float; globs, and regular expressions after "re:".
            config: All other options: a `QuantizationConfig`; or a configuration in the published format, as the path
                of a file, or as Python objects (the whole, or a list of algorithms). What is given beside it overrules
                it.
            passes: Another pipeline than the default one (see `default_quantization`). One of them must measure.
            statistics: A file of statistics to use instead of a run over the data. If there are data, too, they must be
                the same ones, and are used to check the result.
            save_statistics: Where to write the statistics (.npz): other presets and targets then need no run.
            cluster: The address of a Dask scheduler whose workers share the run; "local": processes on this machine.
            metric: A function of `predict`, or several: see `passes/accuracy/metrics.py`; or a `Metric` object of the
                published tool, which is measured on `data`. Layers are left float until none loses more than
                `max_drop`; how close the outputs are does not matter then. A `Metric` has a limit of its own. If the
                limit cannot be kept, the result is the best model that was found.
            max_drop: The most that a metric may lose (default: 0.01).
            drop_type: "absolute" (default), or "relative" to the float model's value.
            resume: A file that keeps what was measured: a run that was stopped goes on where it was.
            extensions: What the runtime needs to know the model's operations: paths of libraries, `openvino.Extension`
                objects, or classes of operations. Those that the `Core` of an `openvino.Model` has cannot be asked for.

    Returns:
        The new model, of the same kind as `model`, and what was done and found.

    Raises:
        UserError: model, data, target or options are wrong, or the output cannot be written; nothing was written then.
    """
    return _quantized(model, data, **options)


@overload
def quantize(
    model: Path | str,
    data: Iterable[object] | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> Path: ...


@overload
def quantize(
    model: RuntimeModel,
    data: Iterable[object] | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> RuntimeModel: ...


def quantize(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> Path | RuntimeModel:
    """`quantize_model` for those who want the model only; what the user should know is warned of.

    Args:
        model: As there.
        data: As there.
        report: Called with what was done and found; without it, each of its warnings is a `QuantizationWarning`.
        options: As there. If metrics lose more than they may, an `AccuracyWarning` is given.

    Returns:
        The same kind as `model`: the path of the new IR, or a new `openvino.Model`.

    Raises:
        UserError: as there.
    """
    result = _quantized(model, data, **options)
    done = result.report
    if report:
        report(done)
    for warning in () if report else done.warnings:
        warnings.warn(warning, QuantizationWarning, stacklevel=2)
    if done.accuracy and not done.accuracy.is_reached:
        warnings.warn(f"the metrics lose more than they may: {done.accuracy.stopped}", AccuracyWarning, stacklevel=2)
    return result.model


def _quantized(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | None,
    *,
    output: Path | str | None = None,
    target: str | Target | None = None,
    preset: str | None = None,
    samples: int | None = None,
    ignored: Sequence[str] = (),
    config: QuantizationConfig | Path | str | Mapping[str, Any] | Sequence[Any] | None = None,
    passes: Sequence[Pass] | None = None,
    statistics: Path | str | None = None,
    save_statistics: Path | str | None = None,
    cluster: str | None = None,
    metric: GivenMetric | Sequence[GivenMetric] | None = None,
    max_drop: float | None = None,
    drop_type: DropType | None = None,
    resume: Path | str | None = None,
    extensions: Sequence[Extension] = (),
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    settings = (
        ConfigFile(config=config or QuantizationConfig())
        if config is None or isinstance(config, QuantizationConfig)
        else read_config_file(config)
    )
    accuracy = {"max_drop": max_drop, "drop_type": drop_type}
    if metric is None and any(each is not None for each in (max_drop, drop_type, resume)):
        message = "max_drop, drop_type and resume are about a metric, and there is none: give metric"
        raise ConfigError(message)
    options = settings.config.overruled(preset=preset, samples=samples, ignored=ignored, accuracy=accuracy)
    wanted = MetricGoals(metrics_of(metric, options, data), Path(resume) if resume else None)
    if data is None and statistics is None and settings.engine:
        message = "engine.data_source is read by the command line; here, give the data"
        raise ConfigError(message)
    device = target if isinstance(target, Target) else load_target(target or settings.target or "cpu")
    check_extensions(extensions)
    passes = None if passes is None else _checked_passes(passes)
    measuring = measured_by(statistics, save_statistics, cluster, passes)
    reads, writes = files_of_passes(passes or ())
    given = [*named(configuration=_path(config), target=_path(target), statistics=_path(statistics)), *reads]
    written = [*named(statistics=_path(save_statistics), measurements=wanted.resume), *writes]
    path, told, watching = None, settings.warnings, list[WriteAfter]()
    if isinstance(model, (str, Path)):
        path = Path(output) if output else result_path(Path(model))
        refuse_overlaps(chain(model_files(Path(model)), given), [*result_files(path, options), *written])
        graph = load_model(model, extensions=extensions)
        check_output(path, graph)
        watching = watching_for(path, options)
    else:
        refuse_overlaps(given, written)
        graph = from_runtime(model, extensions)
        told = (*told, *([_NO_PLACE] if options.keep_intermediate else []))
    graph, done = quantize_graph(
        graph,
        data,
        device,
        options,
        measuring=measuring,
        wanted=wanted,
        passes=passes,
        instruments=watching,
        warnings=told,
    )
    if path is None:
        return QuantizationResult(to_runtime(graph), done)
    write_model(graph, path, compact=True)
    for each in watching:
        each.write()
    return QuantizationResult(path, done)


@dataclass(frozen=True)
class MetricGoals:
    """The metrics that a run is to keep.

    Attributes:
        metrics: They; none: nothing is measured.
        resume: The file that keeps what was measured.
        watch: Told of each model that was measured.
    """

    metrics: tuple[Metric, ...] = ()
    resume: Path | None = None
    watch: Watch = unwatched

    def judge(self, graph: Graph, target: Target, config: QuantizationConfig, progress: Progress) -> Judge:
        """Measures the float model."""
        options, journal = config.accuracy or AccuracyOptions(), Journal.read(self.resume)
        is_here = target.device == HERE
        return Judge.of(graph, self.metrics, options, journal, is_here=is_here, watch=self.watch, progress=progress)


class AccuracyWarning(UserWarning):
    """A metric loses more than it may."""


class QuantizationWarning(UserWarning):
    """Something that the user should know of a quantization."""


def _path(given: object) -> Path | None:
    """The path of a file, where something may be given by its path."""
    return Path(given) if isinstance(given, (str, Path)) else None


def measured_by(
    statistics: Path | str | None,
    save_statistics: Path | str | None,
    cluster: str | None,
    passes: Sequence[Pass] | None = None,
) -> Pass:
    """The pass that the statistics come from.

    Args:
        statistics: A file of them.
        save_statistics: Where to write them.
        cluster: Who measures them.
        passes: A pipeline that has a pass for it.

    Raises:
        ConfigError: the options contradict one another, or the pipeline has none.
    """
    if passes is not None:
        if statistics or save_statistics or cluster:
            message = "a pipeline says where statistics come from: leave out statistics, save_statistics and cluster"
            raise ConfigError(message)
        return _measuring(passes)
    if statistics is None:
        return Calibrate(Path(save_statistics) if save_statistics else None, cluster)
    if save_statistics or cluster:
        message = "statistics from a file are not measured: leave out save_statistics and cluster"
        raise ConfigError(message)
    return LoadStatistics(Path(statistics))


def _checked_passes(passes: Iterable[object]) -> Sequence[Pass]:
    found: list[Pass] = []
    for each in passes:
        if not isinstance(each, Pass):
            message = f"passes holds {each!r}, expected objects of classes that are derived from irquant.passes.Pass"
            raise ConfigError(message)
        found.append(each)
    return found


def _measuring(passes: Sequence[Pass]) -> Pass:
    established = frozenset[Fact]().union(*(each.establishes for each in passes))
    for fact, names in ((Fact.MEASURED, "'calibrate' or 'load-statistics'"), (Fact.RANGES_SET, "'set-ranges'")):
        if fact not in established:
            message = f"the pipeline quantizes nothing: none of its passes establishes {fact}; {names} does"
            raise ConfigError(message)
    return next(each for each in passes if Fact.MEASURED in each.establishes)


def quantize_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: QuantizationConfig,
    *,
    measuring: Pass | None = None,
    wanted: MetricGoals | None = None,
    passes: Sequence[Pass] | None = None,
    instruments: Sequence[Instrument] = (),
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
    with_effects: bool = False,
) -> tuple[Graph, Report]:
    """Quantizes a graph and checks the result on the runtime.

    Args:
        graph: The float model; it is used up.
        data: See `quantize`.
        target: The device.
        config: What the user wants.
        measuring: The pass that the default pipeline gets its statistics from, or the one in `passes`.
        wanted: The metrics to keep.
        passes: Another pipeline.
        instruments: What watches it.
        progress: Told about long work.
        warnings: What the user should know of the options; goes into the report.
        with_effects: Whether the report says what rounding each operation costs; takes as many inferences
            as an analysis.

    Returns:
        The quantized model, and what was done.

    Raises:
        UserError: the model or the data are wrong.
    """
    bytes_before, began = constant_bytes(graph), time.perf_counter()
    judge = wanted.judge(graph, target, config, progress) if wanted and wanted.metrics else None
    results, first, calibrated = quantize_once(
        graph, data, target, config, measuring=measuring, passes=passes, instruments=instruments, progress=progress
    )
    guarded, kept = GuardResult(first), None
    if judge:  # instead of the guard, who knows no labels
        attempt, kept = keep_accuracy(first, calibrated, judge)
        guarded = GuardResult(attempt)
    elif config.guard:
        guarded = guard(first, calibrated)
    attempt = guarded.attempt
    if attempt is not first:
        attempt = checked(attempt, calibrated)
        guarded = replace(guarded, attempt=attempt)
    if instruments and attempt is not first:  # what watches the passes is to see those that the result comes from
        calibrated.rounded(attempt.config, attempt.floats, hiding=False, instruments=instruments)
    latencies = None
    if with_effects:
        effects = costliest(calibrated, attempt.config, attempt.floats, COMPARED, MOST_INFERENCES)
        guarded = replace(guarded, effects=tuple(effects))
    asked = attempt.context.check.asked
    if with_effects or (asked and asked.looks_slow):
        progress("measuring latency", 0, None)
        seconds = None if with_effects else _GLANCE * (time.perf_counter() - began)
        latencies = _latencies(attempt, calibrated, seconds)
    record_provenance(attempt.graph, attempt.context)
    return attempt.graph, report_of(results, guarded, bytes_before, warnings, kept, latencies)


def _latencies(attempt: Attempt, calibrated: CalibratedModel, glance: float | None) -> Latencies | None:
    """How long an inference of the float model takes, and of the quantized one; None without the device or samples.

    Args:
        attempt: The quantized model.
        calibrated: Holds the float one.
        glance: For how many seconds, if that was not asked for: then without the selections at their ends, which take
            long to compile and are alike in both.
    """
    context = attempt.context
    feeds = [(each.feed, each.feed) for each in context.calibration.compared[:TIMED]]
    if not feeds or context.check.execution is None or calibrated.graph is None:
        return None
    if glance is None:
        return measure_gain(calibrated.float_model(), attempt.graph, feeds, seconds=TIMED_FOR)
    models = [context.outputs.tapped(graph) for graph in (calibrated.float_model(), attempt.graph)]
    return measure_gain(models[0], models[1], feeds, seconds=glance)
