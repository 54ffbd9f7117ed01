"""The options of a quantization from Python, and the job that they define."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from ...ir.atomic_write import written_together
from ...targets import Target
from ..accuracy.metric_goals import MetricGoals
from ..accuracy.parse_metrics import GivenMetric, metrics_of
from ..files.model_place import ModelPlace
from ..files.run_files import named
from ..infra.base import Pass
from ..infra.checked_passes import checked_passes
from ..infra.progress import Progress
from ..options.accuracy import DropType
from ..options.config import GuardAim, QuantizationConfig
from ..options.config_error import ConfigError
from ..options.config_file import ConfigFile
from ..options.former_keywords import about_scope
from ..options.resolved import ResolvedOptions
from ..reporting.front_end import shown
from ..runtime.core import Extension, check_extensions
from ..tuning.goals import TuningGoals
from .given_samples import given_samples, given_size
from .given_target import given_target
from .measured_by import measured_by
from .pipelines import selecting_options
from .quantize_job import QuantizationResult, QuantizeJob

_Model = TypeVar("_Model")


class QuantizeOptions(TypedDict, total=False):
    """The options of `quantize` and `quantize_model` besides model and data."""

    output: Path | str | None
    target: str | Target | Enum | None
    preset: str | Enum | None
    transform: Callable[[Any], object] | None
    samples: int | None
    keep_compressed: bool
    subset_size: int | None
    ignored: str | Sequence[str] | Mapping[str, Any]
    guard: bool | GuardAim | None
    progress: bool | Progress | None
    config: QuantizationConfig | Path | str | Mapping[str, Any] | Sequence[Any] | None
    passes: Sequence[Pass] | None
    statistics: Path | str | None
    save_statistics: Path | str | None
    cluster: str | None
    metric: GivenMetric | Sequence[GivenMetric] | None
    max_drop: float | None
    drop_type: DropType | Enum | None
    resume: Path | str | None
    tune: bool
    tuning: Path | str | None
    tune_seconds: float | None
    extensions: Sequence[Extension]
    force: bool


def resolved_options(given: QuantizeOptions) -> ResolvedOptions:
    """The given options together with the configuration.

    Raises:
        UserError: an option is wrong, or there is no such target.
    """
    config, accuracy = given.get("config"), _accuracy(given)
    if config is None or isinstance(config, QuantizationConfig):
        settings = ConfigFile(config=config or QuantizationConfig())
    else:
        from ..options.pot_config import read_config_file  # here: most calls have no configuration file

        settings = read_config_file(config)
    if given.get("metric") is None and any(each is not None for each in (*accuracy.values(), given.get("resume"))):
        message = "max_drop, drop_type and resume are about a metric, and there is none: give metric"
        raise ConfigError(message)
    return ResolvedOptions.of(
        settings,
        given_target(given.get("target")),
        preset=_lower(_word(given.get("preset"))),
        samples=given_size(given.get("samples"), given.get("subset_size")),
        guard=given.get("guard"),
        ignored=_ignored(given.get("ignored")),
        keep_compressed=given.get("keep_compressed") or None,
        accuracy=accuracy,
    )


def quantize_as_given(
    place: ModelPlace[_Model],
    data: Iterable[object] | Path | None,
    given: QuantizeOptions,
    options: ResolvedOptions,
) -> QuantizationResult[_Model]:
    """Quantizes a model with the given options.

    Args:
        place: The source of the model, and the destination of the result.
        data: See `quantize_model`.
        given: The options.
        options: Those of them that `resolved_options` reads.

    Raises:
        UserError: see `quantize_model`.
    """
    goals = _goals(given, options, data)
    tuning = TuningGoals.of(
        tune=given.get("tune", False), file=_path(given.get("tuning") or None), seconds=given.get("tune_seconds")
    )
    statistics, saved = given.get("statistics"), given.get("save_statistics")
    if data is None and statistics is None and options.settings.engine:
        message = "engine.data_source is read by the command line; here, give the data"
        raise ConfigError(message)
    check_extensions(given.get("extensions", ()))
    pipeline = given.get("passes")
    passes = None if pipeline is None else checked_passes(pipeline)
    if passes is not None and (idle := selecting_options(options.config)):
        message = f"passes says which passes run: {', '.join(idle)} would have no effect; leave it out"
        raise ConfigError(message)
    measuring = measured_by(statistics, saved, given.get("cluster"), passes)
    config, target = _path(given.get("config")), _path(given.get("target"))
    reads = named(
        configuration=config, target=target, statistics=_path(statistics), tuning=tuning.reads if tuning else None
    )
    writes = named(statistics=_path(saved), measurements=goals.resume, tuning=tuning.writes if tuning else None)
    job = QuantizeJob(place, options, passes, reads, writes, force=given.get("force", False))
    graph = job.load()
    samples = given_samples(data, graph, given.get("transform"))
    with shown(given.get("progress")) as progress, written_together():
        return job.run(graph, samples, measuring=measuring, goals=goals, tuning=tuning, progress=progress)


def _ignored(given: Any) -> Sequence[str] | Mapping[str, Any]:
    """The layers that stay float: a name, names, or a section `ignored` of a configuration."""
    if given is None:
        return ()
    if isinstance(given, (str, Mapping)):
        return [given] if isinstance(given, str) else cast(Mapping[str, Any], given)
    if not isinstance(given, Iterable):
        message = f"ignored is {type(given).__name__}, expected names of layers; {about_scope(given)}"
        raise ConfigError(message)
    listed: list[Any] = [*given]
    types: list[Any] = [each for each in listed if isinstance(each, Mapping)]
    if types:
        message = f"ignored holds {types[0]!r}, expected names of layers; write ignored={{'operations': {types!r}}}"
        raise ConfigError(message)
    return listed


def _word(given: Any) -> Any:
    """The value of an enumeration's member: NNCF has some for presets and devices."""
    return given.value if isinstance(given, Enum) else given


def _lower(given: Any) -> Any:
    return given.lower() if isinstance(given, str) else given


def _accuracy(given: QuantizeOptions) -> Mapping[str, object]:
    return {"max_drop": given.get("max_drop"), "drop_type": _lower(_word(given.get("drop_type")))}


def _goals(given: QuantizeOptions, options: ResolvedOptions, data: Iterable[object] | Path | None) -> MetricGoals:
    metrics = metrics_of(given.get("metric"), options.config, data, where=options.settings.where)
    return MetricGoals(metrics, _path(given.get("resume") or None))


def _path(given: object) -> Path | None:
    """The path of a file, where something may be given by its path."""
    return Path(given) if isinstance(given, (str, Path)) else None
