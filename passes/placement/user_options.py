"""What the user wants of weights and activations, laid over what the target says.

A wish that the target can meet narrows its specs; one that it cannot meet replaces them, and the spec says so
(`unsupported_reason`): the layer is rounded as the user wishes, and the device computes it in float.
"""

from collections.abc import Iterator
from typing import Any

from ...targets import Granularity, Mode, QuantSpec, Rule, Target
from ..options.config import QuantizationConfig
from ..options.quantization import ActivationOptions, WeightOptions


def with_user_options(target: Target, config: QuantizationConfig) -> Target:
    """The target with the wishes laid over its specs, separately for weights and for activations."""
    if config.weights == WeightOptions() and config.activations == ActivationOptions():
        return target
    specs: dict[str, QuantSpec] = {}
    rules: list[Rule] = []
    for rule in target.rules:
        inputs: dict[Any, str] = {}
        for role, name in rule.inputs.items():
            is_weights = role == "weights"
            inputs[role] = f"weights {name}" if is_weights else name
            wish = config.weights if is_weights else config.activations
            specs[inputs[role]] = _laid_over(target.specs[name], wish, target.name, "weights" if is_weights else "data")
        rules.append(rule.model_copy(update={"inputs": inputs}))
    return target.model_copy(update={"specs": specs, "rules": tuple(rules)})


def _laid_over(spec: QuantSpec, wish: WeightOptions | ActivationOptions, target: str, what: str) -> QuantSpec:
    """A spec as the user wishes it."""
    changes: dict[str, Any] = {"unsupported_reason": "; ".join(_unsupported(spec, wish, target, what))}
    if wish.bits:
        changes["bits"] = wish.bits
    if wish.levels:
        changes["level_count"] = wish.levels
        changes["bits"] = wish.bits or max(spec.bits, (wish.levels - 1).bit_length())
        changes["signed"] = spec.signed or bool(wish.level_low)
    if wish.mode:
        changes["modes"] = (wish.mode,)
        changes["zero_point"] = spec.zero_point or wish.mode is Mode.ASYMMETRIC
    if wish.range_granularity:
        changes["granularity"] = wish.range_granularity
    return spec.model_copy(update=changes)


def _unsupported(spec: QuantSpec, wish: WeightOptions | ActivationOptions, target: str, what: str) -> Iterator[str]:
    """What the device does not run in int8. Weights of fewer levels are stored as int8 all the same."""
    mode = wish.mode or spec.modes[0]
    wished, most = wish.levels or 2 ** (wish.bits or spec.bits), 2**spec.bits
    fits = wished <= most if what == "weights" else wished == most or wished in spec.also_levels
    if (wish.levels or wish.bits) and not fits:
        yield f"target '{target}' runs no {what} of {wished} levels"
    if mode not in spec.modes:
        yield f"target '{target}' runs no {mode} {what}"
    if wish.range_granularity is Granularity.PER_CHANNEL and spec.granularity is Granularity.PER_TENSOR:
        yield f"target '{target}' runs no per-channel {what} there"
