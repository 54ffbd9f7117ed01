"""Reads the published configuration format of the original tool, without changes to the files.

A configuration is a .json file (comments and trailing commas allowed), a .yaml file, or the same as Python objects. It
may be complete (sections `model`, `engine`, `compression`), the list of algorithms alone, or one of them. Options that
no longer apply give a warning with the replacement; a misspelt option is an error with its path.

Source: the published description of DefaultQuantization, and the schema of its reference implementation (POT 2023.3).
AccuracyAwareQuantization, which takes the same parameters and more, is described in `accuracy_aware`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BeforeValidator, Field

from ...ir.errors import quoted
from ...targets.load import target_name
from .accuracy_aware import AccuracyParameters, accuracy_options, passed_over
from .config import Preset, QuantizationConfig, SaturationFix
from .config_error import ConfigError
from .config_file import ConfigFile, Model
from .content import content_of, plain
from .deprecated_options import without_deprecated
from .engine import EngineSection, engine_of
from .former_keywords import OF_MODULE
from .ignored import Ignored
from .ineffective_options import ineffective_options
from .quantization import ActivationOptions, RangeEstimator, WeightOptions
from .strict import Strict

AlgorithmName = Literal[
    "DefaultQuantization",
    "AccuracyAwareQuantization",
    "ActivationChannelAlignment",
    "MinMaxQuantization",
    "FastBiasCorrection",
    "BiasCorrection",
]


#: The algorithms that quantize, align and correct.
_WHOLE = frozenset({"DefaultQuantization", "AccuracyAwareQuantization"})


def _none(value: Any) -> Any:
    """None for the word "None", as in the published tool."""
    return None if value == "None" else value


def _lower(value: Any) -> Any:
    """A word in lower case, as the command line takes it."""
    return value.lower() if isinstance(value, str) else value


def _only(value: Any) -> Any:
    """The number of a list of one: a search for parameters (`optimizer`) took lists."""
    listed = cast(list[object], value) if isinstance(value, list) else []
    return listed[0] if len(listed) == 1 else cast(object, value)


def _word(value: Any) -> Any:
    """The word `no`, which YAML reads as false if it is not quoted."""
    return "no" if value is False else value


def _target(device: Any) -> Any:
    """The name of the target; other texts are paths of target files."""
    return target_name(device) if isinstance(device, str) else device


_TargetDevice = Annotated[str | None, BeforeValidator(_target)]
_ModelType = Annotated[Literal["transformer"] | None, BeforeValidator(_none)]


#: Parameters -> the options that they become.
_OPTIONS: Mapping[str, str] = {
    "preset": "preset",
    "stat_subset_size": "samples",
    "shuffle_data": "shuffle",
    "seed": "seed",
    "ignored": "ignored",
    "model_type": "model_type",
    "saturation_fix": "saturation_fix",
    "weights": "weights",
    "activations": "activations",
    "range_estimator": "range_estimator",
    "align_across_activations": "align_across",
    "align_streams": "align_streams",
    "migrate_scales": "migrate_scales",
    "apply_for_all_nodes": "correct_float_layers",
    "dump_intermediate_model": "keep_intermediate",
}


class Parameters(Strict):
    """The parameters of an algorithm, with their published names; see `QuantizationConfig`.

    In a file, the last four are beside `algorithms`; in Python objects, they are here.
    """

    preset: Annotated[Preset | None, BeforeValidator(_lower)] = None
    stat_subset_size: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_only)] = None
    shuffle_data: bool = False
    seed: int = 0
    ignored: Ignored = Ignored()
    weights: WeightOptions = WeightOptions()
    activations: ActivationOptions = ActivationOptions()
    range_estimator: RangeEstimator | None = None
    saturation_fix: Annotated[SaturationFix | None, BeforeValidator(_word)] = None
    use_fast_bias: bool = True
    apply_for_all_nodes: bool = False
    align_across_activations: bool = False
    align_streams: bool = False
    migrate_scales: bool | None = None
    target_device: _TargetDevice = None
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
    """The section `compression`: the algorithms to run."""

    target_device: _TargetDevice = None
    model_type: _ModelType = None
    dump_intermediate_model: bool = False
    algorithms: Annotated[list[Algorithm[_Params]], Field(min_length=1)]


class Document(Strict, Generic[_Params]):
    """A complete configuration."""

    model: Model = Model()
    engine: EngineSection | None = None
    compression: Compression[_Params]

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """Where a key belongs that stands at the top."""
        if name in Compression.model_fields:
            return f'it belongs into "compression": {{"compression": {{"{name}": ...}}}}'
        if name in Parameters.model_fields:
            inside = f'{{"name": "DefaultQuantization", "params": {{"{name}": ...}}}}'
            python = f"; in Python, also QuantizationConfig({_OPTIONS[name]}=...)" if name in _OPTIONS else ""
            return f"it is a parameter of an algorithm: {inside}{python}"
        return ""


def read_config_file(given: object) -> ConfigFile:
    """Reads a configuration.

    Args:
        given: The path of a .json, .yaml or .yml file; or the same as Python objects: a mapping, a list or a tuple.

    Raises:
        ConfigError: it cannot be read, or is wrong; the message names the file and the path of the first mistake.
    """
    where = f"{given}: " if isinstance(given, (str, Path)) else ""
    content = content_of(Path(given)) if isinstance(given, (str, Path)) else _objects(given)
    whole = _whole(content)
    content, warnings = without_deprecated(whole, where)
    kind: Any = Document[AccuracyAwareParameters] if _keeps_accuracy(content) else Document[Parameters]
    document: Document[Any] = kind.read(content, where)
    compression = document.compression
    params = _joined(compression, where)
    options, target = _options(compression, params, where), params.target_device
    section: Any = whole.get("engine") or {}
    found = engine_of(section, document.engine, where.removesuffix(": "))
    config = QuantizationConfig.checked(**{"samples": None} | options)  # all samples by default
    return ConfigFile(
        config=config,
        target=target,
        given=frozenset({*options, *(["target"] if target else [])}),
        model=document.model,
        engine=found.engine,
        lacking=found.lacking,
        warnings=(
            *([found.lacking] if found.lacking else found.warnings),
            *warnings,
            *_of_accuracy(params),
            *_of_one_algorithm(compression),
            *ineffective_options(config),
        ),
        where=where.removesuffix(": "),
    )


def _objects(given: object) -> Any:
    if isinstance(given, (Mapping, list, tuple)):
        return plain(cast(object, given))
    message = f"config is {quoted(given)}; " + OF_MODULE.get(
        type(given).__name__,
        "give a QuantizationConfig, the path of a .json or .yaml file, a mapping (the whole configuration, or one "
        "algorithm), or a list of algorithms",
    )
    raise ConfigError(message)


def _whole(content: Any) -> Any:
    """The document around an algorithm, or around a list of them."""
    if isinstance(content, Mapping) and "name" in content:
        content = [cast(object, content)]
    return (
        {"compression": {"algorithms": cast(object, content)}} if isinstance(content, list) else cast(object, content)
    )


def _keeps_accuracy(content: Any) -> bool:
    """Whether a document, valid or not, names the algorithm with parameters of its own, even if misspelt."""
    compression = cast(dict[str, Any], content).get("compression") if isinstance(content, dict) else None
    algorithms = cast(dict[str, Any], compression).get("algorithms") if isinstance(compression, dict) else None
    listed = cast(list[object], algorithms) if isinstance(algorithms, list) else []
    names = [cast(dict[str, Any], each).get("name") for each in listed if isinstance(each, dict)]
    return any(str(name).startswith("AccuracyAware") for name in names)


def _joined(compression: Compression[Any], where: str) -> Parameters:
    """The parameters of all algorithms and of their section; contradictions are errors."""
    around = {name: getattr(compression, name) for name in compression.model_fields_set - {"algorithms"}}
    found = {name: ("compression", value) for name, value in around.items()}
    for index, algorithm in enumerate(compression.algorithms):
        for name in sorted(algorithm.params.model_fields_set):
            value = getattr(algorithm.params, name)
            first, other = found.setdefault(name, (f"algorithms[{index}]", value))
            if other != value:
                place = f"compression.algorithms[{index}].params.{name}"
                message = f"{where}{place} is {value!r}, but {first} has {other!r}: make them equal"
                raise ConfigError(message)
    of_any: Parameters = compression.algorithms[0].params
    return type(of_any).model_construct(None, **{name: value for name, (_, value) in found.items()})


def _options(compression: Compression[Any], params: Parameters, where: str) -> dict[str, Any]:
    """The given options, by their names in `QuantizationConfig`."""
    names = {algorithm.name for algorithm in compression.algorithms}
    if not names & {*_WHOLE, "MinMaxQuantization"}:
        message = f"{where}compression.algorithms: {', '.join(sorted(names))} quantizes nothing; add MinMaxQuantization"
        raise ConfigError(message)
    refused = "BiasCorrection" if params.use_fast_bias else "FastBiasCorrection"
    if "use_fast_bias" in params.model_fields_set and refused in names:
        message = f"{where}use_fast_bias is {params.use_fast_bias}, but {refused} is listed: leave one of them out"
        raise ConfigError(message)
    is_whole = bool(names & _WHOLE)
    is_sequential = "BiasCorrection" in names or (is_whole and not params.use_fast_bias)
    is_fast = is_whole or "FastBiasCorrection" in names
    options = {_OPTIONS[name]: getattr(params, name) for name in _OPTIONS if name in params.model_fields_set}
    if not is_whole:
        options["align"] = "ActivationChannelAlignment" in names
        options.setdefault("migrate_scales", False)
    if is_sequential or not is_whole:
        options["correct_biases"] = "sequential" if is_sequential else "fast" if is_fast else "no"
    if isinstance(params, AccuracyParameters):
        options["accuracy"] = accuracy_options(params)
    return options


def _of_accuracy(params: Parameters) -> list[str]:
    return list(passed_over(params)) if isinstance(params, AccuracyParameters) else []


def _of_one_algorithm(compression: Compression[Any]) -> list[str]:
    """A warning that `ignored` applies to all algorithms, unlike in the published tool."""
    having = [each.name for each in compression.algorithms if each.params.ignored != Ignored()]
    if not having or len(having) == len(compression.algorithms):
        return []
    return [f"ignored of {', '.join(having)} applies to all algorithms"]
