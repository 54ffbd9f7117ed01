"""The effective configuration: every option with its value and the origin of the value."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from ...targets import Granularity, Mode, QuantSpec, Target
from ..options.config import Preset, QuantizationConfig
from ..options.config_file import ConfigFile
from ..placement.range_estimators import End, ends_of
from ..placement.user_options import with_user_options
from ..transforms.plan_placement import chosen_mode


@dataclass(frozen=True)
class EffectiveOption:
    """An option.

    Attributes:
        path: Its name, after the names of the enclosing options.
        value: Its value.
        origin: The origin of the value.
    """

    path: str
    value: str
    origin: str


def effective_options(
    target: Target,
    config: QuantizationConfig,
    settings: ConfigFile,
    flags: Mapping[str, str],
    types: Collection[str] | None = None,
) -> Iterator[EffectiveOption]:
    """The options of a run, and their results for the inputs of each kind of layer.

    The preset is the one for a model without attention, unless the options say otherwise.

    Args:
        target: The device.
        config: The options.
        settings: The content of the configuration file.
        flags: Option -> the flag that set it.
        types: The op types of a model: others are left out; None: all that the target has rules for.
    """
    yield EffectiveOption("target", target.name, _origin("target", settings, flags))
    for name in QuantizationConfig.model_fields:
        for each in _leaves(name, getattr(config, name), _origin(name, settings, flags)):
            yield replace(each, origin=_origin_of_ignored(each, settings, flags)) if name == "ignored" else each
    preset = config.preset_for(attention=0)
    effective = with_user_options(target, config)
    for rule, effective_rule in zip(target.rules, effective.rules, strict=True):
        present = [each for each in rule.op if types is None or each in types]
        if not present:
            continue
        ops = ", ".join(present) + (f" ({', '.join(rule.when)})" if rule.when else "")
        for role, name in effective_rule.inputs.items():
            spec, own = effective.specs[name], target.specs[rule.inputs[role]]
            changed = "" if spec == own else f", {settings.where or 'options'} over it"
            origin = f"target {target.name}, spec {rule.inputs[role]}; preset {preset}{changed}"
            yield EffectiveOption(
                f"{ops}: {role}", _described(spec, preset, config, is_weights=role == "weights"), origin
            )


def _origin(name: str, settings: ConfigFile, flags: Mapping[str, str]) -> str:
    return flags.get(name) or (settings.where if name in settings.given else "default")


def _origin_of_ignored(part: EffectiveOption, settings: ConfigFile, flags: Mapping[str, str]) -> str:
    """The origin of ignored layers: the flag adds names to those of the file."""
    name = part.path.rpartition(".")[2]
    file = [settings.where] if name in settings.config.ignored.model_fields_set else []
    flag = [flags["ignored"]] if name == "scope" and "ignored" in flags else []
    return " and ".join([*file, *flag])


def _leaves(path: str, value: Any, origin: str) -> Iterator[EffectiveOption]:
    if not isinstance(value, BaseModel):
        yield EffectiveOption(path, "not set" if value is None else str(value), origin)
        return
    for name in type(value).model_fields:
        if name in value.model_fields_set:
            yield from _leaves(f"{path}.{name}", getattr(value, name), origin)


def _described(spec: QuantSpec, preset: Preset, config: QuantizationConfig, *, is_weights: bool) -> str:
    mode = chosen_mode(spec, preset, is_weights=is_weights)
    is_per_channel = spec.granularity is Granularity.PER_CHANNEL
    low, high = ends_of(mode, config, is_per_channel=is_per_channel, is_weights=is_weights)
    ends = [_estimated(high, "max", is_weights=is_weights)]
    if not is_weights or mode is Mode.ASYMMETRIC:
        ends.insert(0, _estimated(low, "min", is_weights=is_weights))
    beyond = f"; {spec.unsupported_reason}" if spec.unsupported_reason else ""
    return f"{spec.bits} bits, {spec.levels(mode)} levels, {mode}, {spec.granularity}, {', '.join(ends)}{beyond}"


def _estimated(end: End, name: str, *, is_weights: bool) -> str:
    level = "" if end.level is None else f" {end.level:g}"
    over = "" if is_weights else f" ({end.aggregator} of samples)"
    clipped = "" if end.clipping is None else f" clipped to {end.clipping:g}"
    return f"{name}: {end.reduction}{level}{over}{clipped}"
