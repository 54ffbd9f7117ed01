"""The options of a quantization from Python, and the job that they define."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from ..ir.atomic_write import written_together
from ..targets import Target
from .accuracy.metric_goals import MetricGoals
from .accuracy.parse_metrics import GivenMetric, metrics_of
from .infra.base import Pass
from .measured_by import checked_passes, measured_by
from .model_place import ModelPlace
from .options.accuracy import DropType
from .options.config import QuantizationConfig
from .options.pot_config import ConfigFile, read_config_file
from .options.resolved import ResolvedOptions
from .options.strict import ConfigError
from .quantize_job import QuantizationResult, QuantizeJob
from .run_files import named
from .runtime.engine import Extension, check_extensions

_Model = TypeVar("_Model")


class QuantizeOptions(TypedDict, total=False):
    """The options of `quantize` and `quantize_model` besides model and data."""

    output: Path | str | None
    target: str | Target | None
    preset: str | None
    samples: int | None
    ignored: Sequence[str]
    keep_compressed: bool
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
    force: bool


def quantize_as_given(
    place: ModelPlace[_Model], data: Iterable[object] | None, given: QuantizeOptions
) -> QuantizationResult[_Model]:
    """Quantizes a model with the given options.

    Args:
        place: The source of the model, and the destination of the result.
        data: See `quantize_model`.
        given: The options.

    Raises:
        UserError: see `quantize_model`.
    """
    options = _resolved(given)
    goals = _goals(given, options, data)
    statistics, saved = given.get("statistics"), given.get("save_statistics")
    if data is None and statistics is None and options.settings.engine:
        message = "engine.data_source is read by the command line; here, give the data"
        raise ConfigError(message)
    check_extensions(given.get("extensions", ()))
    pipeline = given.get("passes")
    passes = None if pipeline is None else checked_passes(pipeline)
    measuring = measured_by(statistics, saved, given.get("cluster"), passes)
    config, target = _path(given.get("config")), _path(given.get("target"))
    reads = named(configuration=config, target=target, statistics=_path(statistics))
    writes = named(statistics=_path(saved), measurements=goals.resume)
    job = QuantizeJob(place, options, passes, reads, writes, force=given.get("force", False))
    graph = job.load()
    with written_together():
        return job.run(graph, data, measuring=measuring, goals=goals)


def refuse_unknown(given: Mapping[str, object]) -> None:
    """Refuses unknown options, which would otherwise be ignored.

    Raises:
        TypeError: an option is unknown.
    """
    for name in given:
        if name not in QuantizeOptions.__annotations__:
            message = f"quantize() got an unexpected keyword argument '{name}'"
            raise TypeError(message)


def _resolved(given: QuantizeOptions) -> ResolvedOptions:
    config, accuracy = given.get("config"), _accuracy(given)
    settings = (
        ConfigFile(config=config or QuantizationConfig())
        if config is None or isinstance(config, QuantizationConfig)
        else read_config_file(config)
    )
    if given.get("metric") is None and any(each is not None for each in (*accuracy.values(), given.get("resume"))):
        message = "max_drop, drop_type and resume are about a metric, and there is none: give metric"
        raise ConfigError(message)
    target, preset, samples = given.get("target"), given.get("preset"), given.get("samples")
    ignored, keep = given.get("ignored", ()), given.get("keep_compressed") or None
    return ResolvedOptions.of(
        settings, target, preset=preset, samples=samples, ignored=ignored, keep_compressed=keep, accuracy=accuracy
    )


def _accuracy(given: QuantizeOptions) -> Mapping[str, object]:
    return {"max_drop": given.get("max_drop"), "drop_type": given.get("drop_type")}


def _goals(given: QuantizeOptions, options: ResolvedOptions, data: Iterable[object] | None) -> MetricGoals:
    metrics = metrics_of(given.get("metric"), options.config, data)
    return MetricGoals(metrics, _path(given.get("resume") or None))


def _path(given: object) -> Path | None:
    """The path of a file, where something may be given by its path."""
    return Path(given) if isinstance(given, (str, Path)) else None
