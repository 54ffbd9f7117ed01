"""The main entry point: takes a model and data, returns the INT8 model."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Unpack, overload

from .files.model_place import FilePlace, MemoryPlace
from .files.result_path import result_path
from .infra.entry_point import entry_point
from .jobs.quantize_job import QuantizationResult
from .jobs.quantize_options import QuantizeOptions, quantize_as_given, resolved_options
from .options.former_keywords import OF_QUANTIZE, refuse_unknown
from .options.resolved import ResolvedOptions
from .reporting.python_warnings import messages_of, warn, warn_of_accuracy
from .reporting.report import Report
from .runtime.convert import RuntimeModel


@overload
def quantize_model(
    model: Path | str, data: Iterable[object] | Path | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[Path]: ...


@overload
def quantize_model(
    model: RuntimeModel, data: Iterable[object] | Path | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[RuntimeModel]: ...


@entry_point(QuantizeOptions)
def quantize_model(
    model: Path | str | RuntimeModel, data: Iterable[object] | Path | None = None, **options: Unpack[QuantizeOptions]
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    """Quantizes a model to int8 with the published DefaultQuantization.

    Args:
        model: The path of an IR or of another model that `load_model` converts, or an `openvino.Model`, which stays
            unchanged.
        data: Calibration samples: dicts by input name, sequences in input order, or arrays of a one-input model. Any
            iterable, an array or a table with a sample a row, a loader with labels, which are left out, or a data set
            with a length and an index whose items are (data, annotation). Or the path of data, as the command line
            takes it: .npz or .npy files, a folder or a glob of pictures, which the model's metadata say how to prepare.
            Batches are split if the model takes one sample, or any number. The data are read once, in a separate
            thread. They may be left out if there are statistics; then the outputs are not checked. If the model has
            states, a sample may be a sequence: a list or tuple of steps, which are dicts by input name, or lists with
            an array for each input. States carry over from step to step, and are reset between samples. A list of
            arrays is a single step in input order.
        options: Keywords:

            output: The path of the new IR; default: `<model>_int8.xml` next to a model given by path, and none for an
                `openvino.Model`.
            target: The name of a target, the path of a target file, or a `Target`; default: the target of the
                configuration, or "cpu".
            transform: A function that makes a sample of an item of the data (of a path, of each sample there); default:
                items are samples.
            preset: "performance" (symmetric activations), "mixed" (asymmetric ones) or "accuracy" (asymmetric weights,
                too, if the device supports them); default: the preset that suits the model.
            samples: The subset size: the most samples to use (default: the number in the configuration, or as many as
                it takes until the ranges settle, up to 300); a tenth of them is held out to check the result. A
                sequence is one sample; all are measured, and of fewer than nine, the last tenth of the steps of each
                is held out.
            keep_compressed: Whether layers whose weights are compressed already may stay as they are (default: no).
            subset_size: Another name of `samples`.
            ignored: A name, or names, of layers that stay float; globs, and regular expressions after "re:". Or a
                dict as in a configuration: {"scope": [names], "operations": [{"type": "MatMul"}]}.
            guard: How far to look for a better model: "floor", "knee" (default; also True) or "good" (see
                `QuantizationConfig`); False: keep the result even if it is far from the float model's.
            progress: Whether to show progress (default: in terminals and notebooks); or a function that is called with
                the task, the number of finished steps, and their total or None.
            config: All other options: a `QuantizationConfig`; or a configuration in the published format, as the path
                of a file, or as Python objects (the whole, or a list of algorithms). Other keywords override it.
            passes: Another pipeline than the default one (see `default_quantization`). One of them must measure.
                Options that passes read (preset, ignored layers, ranges) still apply; those that select passes are
                refused.
            statistics: A file of statistics to use instead of a run over the data. If there are data, too, they must be
                the same ones, and are used to check the result.
            save_statistics: The file to write the statistics to (.npz): other presets and targets then need no run.
            cluster: The address of a Dask scheduler whose workers share the run; "local": processes on this machine.
            metric: A function of `predict`, or several: see `passes/accuracy/metrics.py`; or a `Metric` object of the
                published tool, which is measured on `data`. Layers are left float until no metric loses more than
                `max_drop`; then the agreement of the outputs does not matter. A `Metric` has its own limit. If the
                limit cannot be kept, the result is the best model that was found.
            max_drop: The most that a metric may lose (default: 0.01).
            drop_type: "absolute" (default), or "relative" to the float model's value.
            resume: A file that keeps the measurements, so that an interrupted run can resume.
            tune: Whether to measure latency here, and to leave layers in float that are faster so (default: no).
            tuning: With `tune`, the file to write the choice to (.json); without, the file to read it from (.json or
                .yaml): a run with it measures nothing, and gives the same bytes on any machine.
            tune_seconds: The seconds to measure (default: 20); compilation of up to six models comes on top.
            extensions: The runtime extensions with the model's custom operations: paths of libraries,
                `openvino.Extension` objects, or classes of operations. The extensions of the `Core` of an
                `openvino.Model` cannot be read from it.
            force: Whether files that irquant did not make may be replaced (default: no).

    Returns:
        The new model, of the same kind as `model`, and the report. Each warning of the report and each poor output is a
        `QuantizationWarning`; if metrics lose more than allowed, an `AccuracyWarning` is issued. Those about options
        are issued before the run.

    Raises:
        UserError: model, data, target or options are wrong, or the output cannot be written; then nothing was written.
            Its cause is the exception of the user's own data, function or metric, if there is one.
    """
    result = _quantized("quantize_model", model, data, options)
    warn_of_accuracy(result.report, result)
    return result


@overload
def quantize(
    model: Path | str,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> Path: ...


@overload
def quantize(
    model: RuntimeModel,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> RuntimeModel: ...


@entry_point(QuantizeOptions)
def quantize(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[Report], None] | None = None,
    **options: Unpack[QuantizeOptions],
) -> Path | RuntimeModel:
    """Like `quantize_model`, but returns the model only.

    Args:
        model: See `quantize_model`.
        data: See `quantize_model`.
        report: Called with the report; then no `QuantizationWarning` is issued.
        options: See `quantize_model`.

    Returns:
        The same kind as `model`: the path of the new IR, or a new `openvino.Model`.

    Raises:
        UserError: see `quantize_model`.
    """
    result = _quantized("quantize", model, data, options, warns=report is None, gives_model=True)
    if report:
        report(result.report)
    warn_of_accuracy(result.report, result.model)
    return result.model


def _quantized(
    function: str,
    model: Path | str | RuntimeModel,
    data: Iterable[object] | Path | None,
    given: QuantizeOptions,
    *,
    warns: bool = True,
    gives_model: bool = False,
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    refuse_unknown(function, given, QuantizeOptions.__annotations__, OF_QUANTIZE)
    options = resolved_options(given)
    early = options.settings.warnings
    if warns:
        warn(early)
    result = _run(model, data, given, options)
    if warns:
        returned = result.model if gives_model else result
        warn((each for each in messages_of(result.report) if each not in early), returned)
    return result


def _run(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | Path | None,
    given: QuantizeOptions,
    options: ResolvedOptions,
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    extensions, output = given.get("extensions", ()), given.get("output")
    named = Path(output) if output else None
    if not isinstance(model, (str, Path)):
        return quantize_as_given(MemoryPlace(model, extensions, named), data, given, options)
    path = Path(model)
    return quantize_as_given(FilePlace(path, named or result_path(path), extensions=extensions), data, given, options)
