"""The front door: a model and data in, the INT8 model out."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from ..ir import Graph, UserError, read_model, write_model
from ..ir.writer import check_output, lay_out
from ..targets import Target, load_target, target_names
from .already_quantized import find_quantized
from .base import Context, Pass, Progress, Results, no_progress
from .calibration.calibrate import Calibrate
from .calibration.fingerprint import model_fingerprint
from .calibration.load_statistics import LoadStatistics
from .calibration.samples import DataError
from .configuration.config import Config, Preset
from .configuration.published import Settings, read_settings
from .configuration.quantization import RangeEstimator
from .configuration.strict import ConfigError
from .execution import Check
from .instruments import Instrument, WriteAfter
from .manager import PassManager
from .pipelines import default_quantization
from .plan import Decision
from .provenance import record_provenance
from .runtime import RuntimeModel, from_runtime, to_runtime
from .set_ranges import SetRanges
from .verify_execution import VerifyExecution

_NO_PLACE = "dump_intermediate_model changes nothing: it writes beside the result, which is in memory; give a path"


class AlreadyQuantizedError(UserError):
    """The model holds FakeQuantize operations or integer weights: quantizing it again would ruin it."""


class NothingToQuantizeError(UserError):
    """The target can run no layer of the model in int8."""


@dataclass(frozen=True)
class Layer:
    """What became of a layer that does arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        decision: What was planned, and why.
        fallen: Why the runtime executed it in float although it was planned for int8; empty if it did not.
    """

    name: str
    type: str
    decision: Decision
    fallen: str = ""


@dataclass(frozen=True)
class Report:
    """What a quantization did.

    Attributes:
        results: What each pass did.
        layers: All layers that do arithmetic, in topological order.
        samples: Samples that calibration saw.
        held_out: Samples kept out for the check.
        check: What running the result showed.
        device: What the target calls its device.
        preset: What decided whether activations are symmetric.
        corrected: Layers whose biases were corrected.
        uncorrected: Layers of which a correction would not have helped on other samples.
        warnings: What the user should know.
        bytes_before: Size of the float model's constants.
        bytes_after: Size of the quantized model's.
    """

    results: Results
    layers: tuple[Layer, ...]
    samples: int
    held_out: int
    check: Check
    device: str
    preset: Preset
    corrected: int
    uncorrected: int
    warnings: tuple[str, ...]
    bytes_before: int
    bytes_after: int


@overload
def quantize(
    model: Path | str,
    data: Iterable[object] | None = None,
    *,
    output: Path | str | None = None,
    target: str | Target | None = None,
    preset: str | None = None,
    samples: int | None = None,
    ignored: Sequence[str] = (),
    config: Config | Path | str | Mapping[str, Any] | Sequence[Any] | None = None,
    statistics: Path | str | None = None,
    save_statistics: Path | str | None = None,
    cluster: str | None = None,
    report: Callable[[Report], None] | None = None,
) -> Path: ...


@overload
def quantize(
    model: RuntimeModel,
    data: Iterable[object] | None = None,
    *,
    target: str | Target | None = None,
    preset: str | None = None,
    samples: int | None = None,
    ignored: Sequence[str] = (),
    config: Config | Path | str | Mapping[str, Any] | Sequence[Any] | None = None,
    statistics: Path | str | None = None,
    save_statistics: Path | str | None = None,
    cluster: str | None = None,
    report: Callable[[Report], None] | None = None,
) -> RuntimeModel: ...


def quantize(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | None = None,
    *,
    output: Path | str | None = None,
    target: str | Target | None = None,
    preset: str | None = None,
    samples: int | None = None,
    ignored: Sequence[str] = (),
    config: Config | Path | str | Mapping[str, Any] | Sequence[Any] | None = None,
    statistics: Path | str | None = None,
    save_statistics: Path | str | None = None,
    cluster: str | None = None,
    report: Callable[[Report], None] | None = None,
) -> Path | RuntimeModel:
    """Quantizes a model to int8 with the published DefaultQuantization.

    Args:
        model: The path of an IR, or an `openvino.Model`, which stays as it is.
        data: Calibration samples: dicts by input name, sequences in input order, or arrays of a one-input model. Any
            iterable, or a data set with a length and an index whose items are (data, annotation). Gone through once, in
            a thread of its own. May be left out if there are statistics; the outputs are not checked
            then.
        output: Where the new IR goes, for a model given by path; default: `<model>_int8.xml` next to it.
        target: The name of a target, the path of a target file, or a `Target`; default: what the configuration says,
            or "cpu".
        preset: "performance" (symmetric activations), "mixed" (asymmetric ones) or "accuracy" (asymmetric weights, too,
            where the device takes them); default: what suits the model.
        samples: How many samples to use at most (default: 300, or what the configuration says); a tenth of them is held
            out to check the result.
        ignored: Names of layers that stay float; globs, and regular expressions after "re:".
        config: All other options: a `Config`; or a configuration in the published format, as the path of a file, or as
            Python objects (the whole, or a list of algorithms). What is given beside it overrules it.
        statistics: A file of statistics to use instead of a run over the data. If there are data, too, they must be the
            same ones, and are used to check the result.
        save_statistics: Where to write the statistics (.npz): other presets and targets then need no run.
        cluster: The address of a Dask scheduler whose workers share the run; "local": processes on this machine.
        report: Called with what was done and found.

    Returns:
        The same kind as `model`: the path of the new IR, or a new `openvino.Model`.

    Raises:
        UserError: model, data, target or options are wrong, or the output cannot be written; nothing was written then.
    """
    settings = (
        Settings(config=config or Config()) if config is None or isinstance(config, Config) else read_settings(config)
    )
    options = settings.config.overruled(preset=preset, samples=samples, ignored=ignored)
    if data is None and statistics is None and settings.engine:
        message = "engine.data_source is read by the command line; here, give the data"
        raise ConfigError(message)
    device = target if isinstance(target, Target) else load_target(target or settings.target or "cpu")
    measuring = measured_by(statistics, save_statistics, cluster)
    if isinstance(model, (str, Path)):
        graph = read_model(model)
        path = Path(output or Path(model).with_name(f"{Path(model).stem}_int8.xml"))
        check_output(path, graph)
        watching = watching_for(path, options)
        done = quantize_graph(
            graph, data, device, options, measuring=measuring, instruments=watching, warnings=settings.warnings
        )
        write_model(graph, path, compact=True)
        for each in watching:
            each.write()
        result: Path | RuntimeModel = path
    else:
        graph = from_runtime(model)
        warnings = [*settings.warnings, *([_NO_PLACE] if options.keep_intermediate else [])]
        done = quantize_graph(graph, data, device, options, measuring=measuring, warnings=warnings)
        result = to_runtime(graph)
    if report:
        report(done)
    return result


def watching_for(output: Path, config: Config) -> list[WriteAfter]:
    """What keeps the model before its biases are corrected, to be written beside the result, if that is wanted."""
    if not config.keep_intermediate:
        return []
    return [WriteAfter(SetRanges.name, output.with_name(f"{output.stem}_before_bias_correction.xml"))]


def measured_by(
    statistics: Path | str | None, save_statistics: Path | str | None, cluster: str | None
) -> Calibrate | LoadStatistics:
    """Where statistics come from.

    Raises:
        ConfigError: the options contradict one another.
    """
    if statistics is None:
        return Calibrate(Path(save_statistics) if save_statistics else None, cluster)
    if save_statistics or cluster:
        message = "statistics from a file are not measured: leave out save_statistics and cluster"
        raise ConfigError(message)
    return LoadStatistics(Path(statistics))


def quantize_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: Config,
    *,
    measuring: Calibrate | LoadStatistics | None = None,
    passes: Sequence[Pass] | None = None,
    instruments: Sequence[Instrument] = (),
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
) -> Report:
    """Quantizes a graph in place and checks the result on the runtime.

    Args:
        graph: The float model.
        data: See `quantize`.
        target: The device.
        config: What the user wants.
        measuring: Where the default pipeline gets its statistics.
        passes: Another pipeline.
        instruments: What watches it.
        progress: Told about long work.
        warnings: What the user should know of the options; goes into the report.

    Raises:
        UserError: the model or the data are wrong.
    """
    _refuse_quantized(graph)
    measuring = measuring or Calibrate()
    if data is None and isinstance(measuring, Calibrate):
        message = "give calibration data, or statistics that were measured before"
        raise DataError(message)
    bytes_before = _constant_bytes(graph)
    context = Context(target, config, data, progress, operator.length_hint(data or ()) or None)
    context.model_fingerprint = model_fingerprint(graph)
    if isinstance(measuring, Calibrate) and measuring.save_to is not None:
        context.also_for = tuple(_alternatives(target, config))
    results = PassManager(passes or default_quantization(measuring, config), instruments).run(graph, context)
    if not context.plan.sites:
        message = f"nothing to quantize: {context.plan.why_nothing(target.name)}"
        raise NothingToQuantizeError(message)
    progress("checking the result", 0, None)
    VerifyExecution().run(graph, context)
    record_provenance(graph, context)
    return Report(
        results=results,
        layers=tuple(_layers(graph, context)),
        samples=context.statistics.samples,
        held_out=len(context.held_out),
        check=context.check,
        device=target.device,
        preset=context.preset,
        corrected=sum(each.is_accepted for each in context.corrections.values()),
        uncorrected=sum(not each.is_accepted for each in context.corrections.values()),
        warnings=(*warnings, *context.plan.warnings, *context.warnings),
        bytes_before=bytes_before,
        bytes_after=_constant_bytes(graph),
    )


def _alternatives(target: Target, config: Config) -> Iterable[tuple[Target, Config]]:
    """Other targets and options that statistics on file should do for, too."""
    for name in target_names():
        yield load_target(name) if name != target.name else target, config
    for preset in ("performance", "mixed"):
        for estimator in ("default", "quantile"):
            ranges = RangeEstimator(preset=estimator)
            yield target, config.model_copy(update={"preset": preset, "range_estimator": ranges})


def _layers(graph: Graph, context: Context) -> Iterable[Layer]:
    execution = context.check.execution
    fallen = {each.name: each.reason for each in execution.fallen} if execution else {}
    for node, decision in context.plan.decisions.items():
        name = context.plan.names[node]
        yield Layer(name, node.type, decision, fallen.get(name, ""))


def _constant_bytes(graph: Graph) -> int:
    layout = lay_out(graph, compact=True)
    return sum(stop - start for start, stop in layout.kept) + sum(array.nbytes for array in layout.new)


def _refuse_quantized(graph: Graph) -> None:
    if node := find_quantized(graph):
        message = f"the model is quantized already: it holds {node}; give the float model it was made from"
        raise AlreadyQuantizedError(message)
