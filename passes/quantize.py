"""The front door: a model and data in, the INT8 model out."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Unpack, overload

from .model_place import FilePlace, MemoryPlace
from .quantize_job import QuantizationResult
from .quantize_options import QuantizeOptions, quantize_as_given, refuse_unknown
from .report import Report
from .runtime.engine import RuntimeModel
from .runtime.load_model import result_path


class AccuracyWarning(UserWarning):
    """A metric loses more than it may."""


class QuantizationWarning(UserWarning):
    """Something that the user should know of a quantization."""


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
            force: Whether files that irquant did not make may be replaced (default: they may not).

    Returns:
        The new model, of the same kind as `model`, and what was done and found.

    Raises:
        UserError: model, data, target or options are wrong, or the output cannot be written; nothing was written then.
    """
    return _quantized(model, data, options)


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
    result = _quantized(model, data, options)
    done = result.report
    if report:
        report(done)
    for warning in () if report else done.warnings:
        warnings.warn(warning, QuantizationWarning, stacklevel=2)
    if done.accuracy and not done.accuracy.is_reached:
        warnings.warn(f"the metrics lose more than they may: {done.accuracy.stopped}", AccuracyWarning, stacklevel=2)
    return result.model


def _quantized(
    model: Path | str | RuntimeModel, data: Iterable[object] | None, given: QuantizeOptions
) -> QuantizationResult[Path] | QuantizationResult[RuntimeModel]:
    refuse_unknown(given)
    extensions = given.get("extensions", ())
    if not isinstance(model, (str, Path)):
        return quantize_as_given(MemoryPlace(model, extensions), data, given)
    path, output = Path(model), given.get("output")
    place = FilePlace(path, Path(output) if output else result_path(path), extensions=extensions)
    return quantize_as_given(place, data, given)
