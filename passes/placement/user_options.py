"""Applies the user's options for weights and activations to the specs of the target.

An option that the target supports narrows its specs. Another option replaces them, and the spec gives the reason
(`unsupported_reason`): the layer is rounded as the option says, and the device computes it in float. Where the device
would compute it in int8, but wrongly, the mode stays the target's (`keeps_mode`).
"""

from collections.abc import Iterator
from typing import Any

from ...targets import Granularity, Mode, QuantSpec, Rule, Target
from ..options.config import QuantizationConfig
from ..options.quantization import ActivationOptions, WeightOptions


def with_user_options(target: Target, config: QuantizationConfig) -> Target:
    """The target with the options applied to its specs, separately for weights and for activations."""
    if config.weights == WeightOptions() and config.activations == ActivationOptions():
        return target
    specs: dict[str, QuantSpec] = {}
    rules: list[Rule] = []
    for rule in target.rules:
        inputs: dict[Any, str] = {}
        for role, name in rule.inputs.items():
            is_weights = role == "weights"
            inputs[role] = f"weights {name}" if is_weights else name
            options = config.weights if is_weights else config.activations
            specs[inputs[role]] = _laid_over(
                target.specs[name], options, target.name, "weights" if is_weights else "data"
            )
        rules.append(rule.model_copy(update={"inputs": inputs}))
    return target.model_copy(update={"specs": specs, "rules": tuple(rules)})


def _laid_over(spec: QuantSpec, options: WeightOptions | ActivationOptions, target: str, what: str) -> QuantSpec:
    """A spec with the options applied to it."""
    changes: dict[str, Any] = {"unsupported_reason": "; ".join(_unsupported(spec, options, target, what))}
    if options.bits:
        changes["bits"] = options.bits
    if options.levels:
        changes["level_count"] = options.levels
        changes["bits"] = options.bits or max(spec.bits, (options.levels - 1).bit_length())
        changes["signed"] = spec.signed or bool(options.level_low)
    if options.mode and not spec.keeps_mode:
        changes["modes"] = (options.mode,)
        changes["zero_point"] = spec.zero_point or (options.mode is Mode.ASYMMETRIC and not spec.absorbs_zero_point)
    if options.range_granularity:
        changes["granularity"] = options.range_granularity
    return spec.model_copy(update=changes)


def _unsupported(spec: QuantSpec, options: WeightOptions | ActivationOptions, target: str, what: str) -> Iterator[str]:
    """The options that the device does not run in int8. Weights with fewer levels are stored as int8 anyway."""
    mode = spec.modes[0] if spec.keeps_mode else options.mode or spec.modes[0]
    levels, most = options.levels or 2 ** (options.bits or spec.bits), 2**spec.bits
    fits = levels <= most if what == "weights" else levels == most or levels in spec.also_levels
    if (options.levels or options.bits) and not fits:
        yield f"target '{target}' runs no {what} of {levels} levels"
    if mode not in spec.modes:
        yield f"target '{target}' runs no {mode} {what}"
    if options.range_granularity is Granularity.PER_CHANNEL and spec.granularity is Granularity.PER_TENSOR:
        yield f"target '{target}' runs no per-channel {what} there"
