"""The published configuration format: what people wrote for the original tool, read as it stands.

A configuration is a .json file (comments and trailing commas allowed), a .yaml file, or the same as Python objects. It
may be the whole (sections `model`, `engine`, `compression`), the list of algorithms alone, or one of them. What cannot
apply any more gives one warning that names the replacement; what is misspelt is an error with its path.

Source: the published description of DefaultQuantization, and the schema of its reference implementation (POT 2023.3).
AccuracyAwareQuantization, which takes the same parameters and more, is described in `accuracy_aware`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BeforeValidator, Field

from .accuracy_aware import AccuracyParameters, accuracy_options, passed_over
from .config import Config, Preset, SaturationFix
from .ignored import Ignored
from .obsolete import without_obsolete
from .quantization import ActivationOptions, RangeEstimator, WeightOptions
from .strict import ConfigError, Strict

AlgorithmName = Literal[
    "DefaultQuantization",
    "AccuracyAwareQuantization",
    "ActivationChannelAlignment",
    "MinMaxQuantization",
    "FastBiasCorrection",
    "BiasCorrection",
]


#: What quantizes, aligns and corrects.
_WHOLE = frozenset({"DefaultQuantization", "AccuracyAwareQuantization"})
#: A JSON text that begins, comments aside, with a key.
_BARE = re.compile(r'(\s|//[^\n]*|(?>/\*.*?\*/))*"', re.DOTALL)


def _none(value: Any) -> Any:
    """The published tool takes the word for the thing."""
    return None if value == "None" else value


_ModelType = Annotated[Literal["transformer"] | None, BeforeValidator(_none)]


#: Parameters -> the options that they are.
_OPTIONS: Mapping[str, str] = {
    "preset": "preset",
    "shuffle_data": "shuffle",
    "seed": "seed",
    "ignored": "ignored",
    "model_type": "model_type",
    "saturation_fix": "saturation_fix",
    "weights": "weights",
    "activations": "activations",
    "range_estimator": "range_estimator",
    "align_across_activations": "align_across",
    "apply_for_all_nodes": "correct_float_layers",
    "dump_intermediate_model": "keep_intermediate",
}


class Parameters(Strict):
    """The parameters of an algorithm, as the published description calls them; see `Config` for what they mean.

    In a file the last four stand beside `algorithms`; as Python objects they stand here.
    """

    preset: Preset | None = None
    stat_subset_size: Annotated[int, Field(ge=1)] | None = None
    shuffle_data: bool = False
    seed: int = 0
    ignored: Ignored = Ignored()
    weights: WeightOptions = WeightOptions()
    activations: ActivationOptions = ActivationOptions()
    range_estimator: RangeEstimator | None = None
    saturation_fix: SaturationFix | None = None
    use_fast_bias: bool = True
    apply_for_all_nodes: bool = False
    align_across_activations: bool = False
    target_device: str | None = None
    model_type: _ModelType = None
    dump_intermediate_model: bool = False


class AccuracyAwareParameters(Parameters, AccuracyParameters):
    """The parameters of an algorithm that quantizes as far as a metric allows."""


_Params = TypeVar("_Params", bound=Parameters)


class Algorithm(Strict, Generic[_Params]):
    """An algorithm and its parameters."""

    name: AlgorithmName
    params: _Params = Field(default={}, validate_default=True)


class Compression(Strict, Generic[_Params]):
    """What to do with the model."""

    target_device: str = "ANY"
    model_type: _ModelType = None
    dump_intermediate_model: bool = False
    algorithms: Annotated[Sequence[Algorithm[_Params]], Field(min_length=1)]


class Model(Strict):
    """Which model."""

    model_name: str | None = None
    model: str | None = None
    weights: str | None = None


class Engine(Strict):
    """Where the data come from, and how a picture becomes an array: as it is read, blue first, 0 to 255."""

    type: Literal["simplified"] = "simplified"
    data_source: str
    layout: Literal["NCHW", "NHWC", "CHW", "HWC"] | None = None
    central_fraction: Annotated[float, Field(gt=0, le=1)] | None = None


class Document(Strict, Generic[_Params]):
    """A whole configuration."""

    model: Model = Model()
    engine: Engine | None = None
    compression: Compression[_Params]


@dataclass(frozen=True)
class Settings:
    """What a configuration says.

    Attributes:
        config: The options of the run.
        target: The name of the target.
        model: Which model it speaks of, and what that is called.
        engine: Where the data come from.
        warnings: What cannot apply any more, and what does instead.
        where: What messages call the configuration.
    """

    config: Config = field(default_factory=Config)
    target: str | None = None
    model: Model = field(default_factory=Model)
    engine: Engine | None = None
    warnings: tuple[str, ...] = ()
    where: str = ""


def read_settings(given: "Path | str | Mapping[str, Any] | list[Any]") -> Settings:
    """Reads a .json, .yaml or .yml configuration file, or the same as Python objects.

    Raises:
        ConfigError: it cannot be read, or holds mistakes; the message names the file and the path of the first.
    """
    where, content = ("", given) if isinstance(given, (Mapping, list)) else (f"{given}: ", _content(Path(given)))
    content, warnings = without_obsolete(_whole(content), where)
    kind: Any = Document[AccuracyAwareParameters] if _keeps_accuracy(content) else Document[Parameters]
    document: Document[Any] = kind.read(content, where)
    compression = document.compression
    params = _joined(compression, where)
    return Settings(
        config=_config(compression, params),
        target=_target(params.target_device or compression.target_device),
        model=document.model,
        engine=document.engine,
        warnings=(*warnings, *_pointless(params)),
        where=where.removesuffix(": "),
    )


def _content(path: Path) -> Any:
    import json5  # here: most runs read no configuration
    import yaml

    if path.suffix not in (".json", ".yaml", ".yml"):
        message = f"{path}: a configuration ends in .json, .yaml or .yml"
        raise ConfigError(message)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return yaml.safe_load(text)
        # The published description prints an algorithm without the braces around it.
        return json5.loads(f"{{{text}}}" if _BARE.match(text) else text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(message) from None


def _whole(content: Any) -> Any:
    """The document around an algorithm, or around a list of them."""
    if isinstance(content, Mapping) and "name" in content:
        content = [cast(object, content)]
    return (
        {"compression": {"algorithms": cast(object, content)}} if isinstance(content, list) else cast(object, content)
    )


def _keeps_accuracy(content: Any) -> bool:
    """Whether a document, valid or not, names the algorithm that has parameters of its own, even if misspelt."""
    compression = cast(dict[str, Any], content).get("compression") if isinstance(content, dict) else None
    algorithms = cast(dict[str, Any], compression).get("algorithms") if isinstance(compression, dict) else None
    listed = cast(list[object], algorithms) if isinstance(algorithms, list) else []
    names = [cast(dict[str, Any], each).get("name") for each in listed if isinstance(each, dict)]
    return any(str(name).startswith("AccuracyAware") for name in names)


def _joined(compression: Compression[Any], where: str) -> Parameters:
    """The parameters of all algorithms together, which must not contradict one another."""
    found: dict[str, tuple[int, Any]] = {}
    for index, algorithm in enumerate(compression.algorithms):
        for name in sorted(algorithm.params.model_fields_set):
            value = getattr(algorithm.params, name)
            first, other = found.setdefault(name, (index, value))
            if other != value:
                place = f"compression.algorithms[{index}].params.{name}"
                message = f"{where}{place} is {value!r}, but algorithms[{first}] has {other!r}: make them equal"
                raise ConfigError(message)
    of_any: Parameters = compression.algorithms[0].params
    return type(of_any).model_construct(None, **{name: value for name, (_, value) in found.items()})


def _config(compression: Compression[Any], params: Parameters) -> Config:
    names = {algorithm.name for algorithm in compression.algorithms}
    if not names & {*_WHOLE, "MinMaxQuantization"}:
        message = f"compression.algorithms: {', '.join(sorted(names))} quantizes nothing; add MinMaxQuantization"
        raise ConfigError(message)
    is_whole = bool(names & _WHOLE)
    is_sequential = "BiasCorrection" in names or (is_whole and not params.use_fast_bias)
    is_fast = is_whole or "FastBiasCorrection" in names
    options = {_OPTIONS[name]: getattr(params, name) for name in _OPTIONS if name in params.model_fields_set}
    options["samples"] = params.stat_subset_size  # all of them, if nothing is said
    if not is_whole:
        options["align"] = "ActivationChannelAlignment" in names
    if is_sequential or not is_whole:
        options["correct_biases"] = "sequential" if is_sequential else "fast" if is_fast else "no"
    if "model_type" not in options and compression.model_type:
        options["model_type"] = compression.model_type
    if compression.dump_intermediate_model:
        options["keep_intermediate"] = True
    if isinstance(params, AccuracyParameters):
        options["accuracy"] = accuracy_options(params)
    return Config(**options)


def _target(device: str) -> str:
    """The name of the target; ANY means the CPU, and all GNA are one."""
    return {"ANY": "cpu", "GNA3": "gna", "GNA3.5": "gna"}.get(device.upper(), device.lower())


def _pointless(params: Parameters) -> list[str]:
    """Warnings about what is given but changes nothing."""
    found = list(passed_over(params)) if isinstance(params, AccuracyParameters) else []
    if params.apply_for_all_nodes and params.use_fast_bias:
        found.append(
            "apply_for_all_nodes changes nothing with fast bias correction: weights that stay float have no rounding "
            "error; add use_fast_bias: false"
        )
    return found
