"""The entry point of weight-only quantization: takes a model, returns one with compressed weights."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack, overload

from ..ir import Graph
from ..ir.atomic_write import written_together
from ..targets import Target, load_target
from .files.model_place import FilePlace, MemoryPlace, ModelPlace
from .files.result_path import result_path
from .files.run_files import RunFile, check_run_files, named
from .infra.entry_point import entry_point
from .infra.progress import Progress, no_progress
from .jobs.compress_graph import CompressionReport, compress_graph
from .jobs.given_samples import given_samples, given_size
from .jobs.given_target import given_target
from .options.compression import CompressionConfig, WeightFormat
from .options.config import QuantizationConfig
from .options.former_keywords import OF_COMPRESS, refuse_unknown
from .reporting.front_end import shown
from .reporting.python_warnings import warn
from .reporting.shown_report import ShownResult
from .runtime.convert import RuntimeModel
from .runtime.core import Extension, check_extensions

_Model = TypeVar("_Model")


@dataclass(frozen=True, repr=False)
class CompressionResult(ShownResult, Generic[_Model]):
    """The result of a weight-only quantization.

    Attributes:
        model: The path of the new IR, or a new `openvino.Model`: the same kind as the float model.
        report: The report.
    """

    model: _Model
    report: CompressionReport


class CompressOptions(TypedDict, total=False):
    """The options of `compress` and `compress_model` besides model and data."""

    output: Path | str | None
    target: str | Target | Enum | None
    weights: WeightFormat
    group: int
    all_layers: bool
    ratio: float | None
    max_mb: float | None
    min_db: float | None
    samples: int | None
    subset_size: int | None
    transform: Callable[[Any], object] | None
    progress: bool | Progress | None
    extensions: Sequence[Extension]
    force: bool


@overload
def compress_model(
    model: Path | str, data: Iterable[object] | Path | None = None, **options: Unpack[CompressOptions]
) -> CompressionResult[Path]: ...


@overload
def compress_model(
    model: RuntimeModel, data: Iterable[object] | Path | None = None, **options: Unpack[CompressOptions]
) -> CompressionResult[RuntimeModel]: ...


@entry_point(CompressOptions)
def compress_model(
    model: Path | str | RuntimeModel, data: Iterable[object] | Path | None = None, **options: Unpack[CompressOptions]
) -> CompressionResult[Path] | CompressionResult[RuntimeModel]:
    """Stores the weights of a model in 8 or 4 bits; activations stay floats.

    Args:
        model: The path of an IR or of another model that `load_model` converts, or an `openvino.Model`, which stays
            unchanged.
        data: Samples as for `quantize_model`: the weights are fitted to them, and the outputs are compared on some that
            are held out. They may be left out.
        options: Keywords:

            output: The path of the new IR; default: `<model>_weights_<format>.xml` next to a model given by path, and
                none for an `openvino.Model`.
            target: The name of a target, the path of a target file, or a `Target`; default: "cpu".
            weights: "int8" (default), "int4" or "nf4".
            group: The most neighbouring weights that share a scale, for "int4" and "nf4" (default: 128; 0: a row).
            all_layers: Whether the first and the last layers get 4 bits, too, instead of 8 (default: no).
            ratio: The largest share of weights in 4 bits among those that may have them; the others have 8.
            max_mb: The largest size of all constants, in MB (10^6 bytes): as many weights have 8 bits as fit.
            min_db: The least output SQNR, in dB, with data: as many weights have 4 bits as it allows.
            samples: The most samples to use (default: 128); a tenth of them is held out to check the result.
            subset_size: Another name of `samples`.
            transform: A function that makes a sample of an item of the data; default: items are samples.
            progress: Whether to show progress (default: in terminals and notebooks), or a function: see
                `quantize_model`.
            extensions: See `quantize_model`.
            force: Whether files that irquant did not make may be replaced (default: no).

    Returns:
        The new model, of the same kind as `model`, and the report. Each of its warnings is a `QuantizationWarning`.

    Raises:
        UserError: model, data, target or options are wrong, the target makes floats of the requested weights, or the
            output cannot be written; then nothing was written.
    """
    return _compressed("compress_model", model, data, options)


@overload
def compress(
    model: Path | str,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[CompressionReport], None] | None = None,
    **options: Unpack[CompressOptions],
) -> Path: ...


@overload
def compress(
    model: RuntimeModel,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[CompressionReport], None] | None = None,
    **options: Unpack[CompressOptions],
) -> RuntimeModel: ...


@entry_point(CompressOptions)
def compress(
    model: Path | str | RuntimeModel,
    data: Iterable[object] | Path | None = None,
    *,
    report: Callable[[CompressionReport], None] | None = None,
    **options: Unpack[CompressOptions],
) -> Path | RuntimeModel:
    """Like `compress_model`, but returns the model only.

    Args:
        model: See `compress_model`.
        data: See `compress_model`.
        report: Called with the report; then no `QuantizationWarning` is issued.
        options: See `compress_model`.

    Returns:
        The same kind as `model`: the path of the new IR, or a new `openvino.Model`.

    Raises:
        UserError: see `compress_model`.
    """
    result = _compressed("compress", model, data, options, warns=report is None, gives_model=True)
    if report:
        report(result.report)
    return result.model


def _compressed(
    function: str,
    model: Path | str | RuntimeModel,
    data: Iterable[object] | Path | None,
    given: CompressOptions,
    *,
    warns: bool = True,
    gives_model: bool = False,
) -> CompressionResult[Path] | CompressionResult[RuntimeModel]:
    refuse_unknown(function, given, CompressOptions.__annotations__, OF_COMPRESS)
    result = _run(model, data, given)
    if warns:
        warn(result.report.warnings, result.model if gives_model else result)
    return result


def _run(
    model: Path | str | RuntimeModel, data: Iterable[object] | Path | None, given: CompressOptions
) -> CompressionResult[Path] | CompressionResult[RuntimeModel]:
    options = {name: value for name, value in given.items() if name in CompressionConfig.model_fields}
    if (size := given_size(given.get("samples"), given.get("subset_size"))) is not None:
        options["samples"] = size
    config = CompressionConfig.read(options, "")
    target, extensions, output = given_target(given.get("target")), given.get("extensions", ()), given.get("output")
    device = target if isinstance(target, Target) else load_target(target or "cpu")
    check_extensions(extensions)
    reads = named(target=Path(target) if isinstance(target, str) and target.endswith((".yaml", ".yml")) else None)
    job = CompressJob(config, device, reads, force=given.get("force", False))
    if not isinstance(model, (str, Path)):
        return _placed(job, MemoryPlace(model, extensions, Path(output) if output else None), data, given)
    path = Path(model)
    place = FilePlace(path, Path(output or compressed_path(path, config)), extensions=extensions)
    return _placed(job, place, data, given)


def _placed(
    job: "CompressJob", place: ModelPlace[_Model], data: Iterable[object] | Path | None, given: CompressOptions
) -> CompressionResult[_Model]:
    graph = job.load(place)
    samples = given_samples(data, graph, given.get("transform"))
    with shown(given.get("progress")) as progress, written_together():
        return job.run(graph, place, samples, progress=progress)


def compressed_path(model: Path, config: CompressionConfig) -> Path:
    """The default path of the compressed form of a model: beside it."""
    return result_path(model, form=f"weights_{config.weights}")


@dataclass(frozen=True)
class CompressJob:
    """A weight-only quantization with resolved options.

    Attributes:
        config: The options.
        target: The device.
        reads: Files that are read besides the model; only checked if a file is overwritten.
        writes: Files that are written besides the result.
        force: Whether files that irquant did not make may be replaced.
    """

    config: CompressionConfig
    target: Target
    reads: Iterable[RunFile] = ()
    writes: Iterable[RunFile] = ()
    force: bool = False

    def load(self, place: ModelPlace[_Model]) -> Graph:
        """Reads the model, for `run`.

        Raises:
            UserError: the model cannot be read, or the run would overwrite a file.
        """
        written = [*place.writes(QuantizationConfig()), *self.writes]
        check_run_files([*place.reads(), *self.reads], written, force=self.force)
        return place.load()

    def run(
        self,
        graph: Graph,
        place: ModelPlace[_Model],
        data: Iterable[object] | None,
        *,
        progress: Progress = no_progress,
    ) -> CompressionResult[_Model]:
        """Compresses, checks and writes a model.

        Args:
            graph: The model from `load`; it is consumed.
            place: The destination of the result.
            data: See `compress_model`.
            progress: Called during long work.

        Raises:
            UserError: see `compress_model`.
        """
        place.check(graph)
        graph, report = compress_graph(graph, data, self.target, self.config, progress=progress)
        origin, result = place.paths
        return CompressionResult(place.put(graph), replace(report, model=origin, result=result))
