"""Deprecated options of the published tool's configurations, and their replacements."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ...ir.suggestions import closest, did_you_mean
from ...targets.target import HERE
from .config_error import ConfigError
from .note import Note

_TUNING = "fine-tuning layers needs training; use_fast_bias: false is the closest replacement"
_INPLACE = "statistics are always computed inside the model, for each sample of a batch separately"
_REQUESTS = "the runtime chooses how many samples to run at once"

#: Parameters of algorithms -> why they are ignored.
PARAMETERS: Mapping[str, str] = {
    "threshold": "corrections of any size are judged by samples that they were not computed from",
    "inplace_statistics": _INPLACE,
    "stat_batch_size": "statistics do not depend on how samples are batched",
    "use_layerwise_tuning": _TUNING,
    "num_samples_for_tuning": _TUNING,
    "batch_size": _TUNING,
    "optimizer": _TUNING,
    "loss": _TUNING,
    "tuning_iterations": _TUNING,
    "random_seed": _TUNING,
    "use_ranking_subset": _TUNING,
    "calibration_indices_pool": _TUNING,
    "calculate_grads_on_loss_increase_only": _TUNING,
    "weight_decay": _TUNING,
}
#: Keys of the section `compression` -> why they are ignored; the published template misspells one.
COMPRESSION: Mapping[str, str] = {"inplace_statistics": _INPLACE, "inplase_statistics": _INPLACE}
#: Keys of the section `engine` -> why they are ignored.
ENGINE: Mapping[str, str] = {
    "device": "calibration runs on the CPU",
    "stat_requests_number": _REQUESTS,
    "eval_requests_number": _REQUESTS,
}
#: Types of engines that are no longer supported; the module `engine` replaces them.
ENGINES = ("accuracy_checker", "data_free")
#: Whole sections -> why they are ignored.
SECTIONS: Mapping[str, str] = {"optimizer": "the search for parameters is no longer supported: give the parameters"}
_SAME_AS_EVER: Mapping[str, object] = {
    **dict.fromkeys(COMPRESSION, True),
    "use_layerwise_tuning": False,
    "device": HERE,
}


def without_deprecated(content: Any, where: str) -> tuple[Any, list[str]]:
    """A document without deprecated options, and one message for each reason.

    Raises:
        ConfigError: the document asks for something that is not supported.
    """
    if not isinstance(content, dict):
        return content, []
    document = dict(cast(dict[str, Any], content))
    reasons: dict[str, list[str]] = {}
    document = _without(document, SECTIONS, "", reasons)
    if "cascade" in _mapping(document.get("model")):
        message = f"{where}model.cascade: models are quantized one by one: give each a configuration of its own"
        raise ConfigError(message)
    if engine := _mapping(document.get("engine")):
        document["engine"] = _engine(engine, where, reasons)
    if compression := _mapping(document.get("compression")):
        compression = _without(compression, COMPRESSION, "", reasons)
        document["compression"] = compression | dict(_algorithms(compression, reasons))
    return document, [
        _message(reason, f"{', '.join(dict.fromkeys(keys))}: {reason}") for reason, keys in reasons.items()
    ]


def _message(reason: str, text: str) -> str:
    """A warning if there is something to do instead, else a note."""
    return text if reason in (_TUNING, *SECTIONS.values()) else Note(text)


def _mapping(value: object) -> dict[str, Any]:
    """A copy of a mapping; for anything else, which validation refuses, an empty one."""
    return dict(cast(dict[str, Any], value)) if isinstance(value, dict) else {}


def engine_kind(engine: Mapping[str, Any]) -> Any:
    """The type of an engine, given or implied."""
    return engine.get("type") or ("simplified" if "data_source" in engine else "accuracy_checker")


def names_data(engine: Mapping[str, Any]) -> bool:
    """Whether an engine is about data, too, and not only about how the model runs: in Python, data came by a loader."""
    return bool({*engine} - {*ENGINE})


def _engine(engine: dict[str, Any], where: str, reasons: dict[str, list[str]]) -> dict[str, Any] | None:
    if not names_data(engine):
        _without(engine, ENGINE, "engine.", reasons)
        return None
    kind = engine_kind(engine)
    if kind in ENGINES:
        return None
    if kind != "simplified":
        known = ["simplified", *ENGINES]
        there = f"there are: {', '.join(known)}"
        raise ConfigError(did_you_mean(f"{where}engine.type is '{kind}'", closest(str(kind), known), there))
    return _without(engine, ENGINE, "engine.", reasons)


def _algorithms(compression: dict[str, Any], reasons: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    algorithms = compression.get("algorithms")
    if isinstance(algorithms, list):
        yield "algorithms", [_algorithm(each, reasons) for each in cast(Iterable[Any], algorithms)]


def _algorithm(algorithm: Any, reasons: dict[str, list[str]]) -> Any:
    found = _mapping(algorithm)
    params = _mapping(found.get("params"))
    return found | {"params": _without(params, PARAMETERS, "", reasons)} if params else cast(object, algorithm)


def _without(
    section: dict[str, Any], obsolete: Mapping[str, str], prefix: str, reasons: dict[str, list[str]]
) -> dict[str, Any]:
    for name, value in section.items():
        if name in obsolete and not (name in _SAME_AS_EVER and value == _SAME_AS_EVER[name]):
            reasons.setdefault(obsolete[name], []).append(f"{prefix}{name}")
    return {name: value for name, value in section.items() if name not in obsolete}
