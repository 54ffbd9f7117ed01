"""The parameters of NNCF's `AdvancedQuantizationParameters` and of its parts, and what to write instead of each.

Both `quantize` and `QuantizationConfig` answer from these tables; docs/migrate_from_nncf.md has them, too.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, cast

_FIXES = {"enable": "all", "first_layer": "first_layer", "first_layer_only": "first_layer", "disable": "no"}


@dataclass(frozen=True)
class Advice:
    """What to write instead of a parameter.

    Attributes:
        option: The option, as it is written where the parameter was; empty if there is none.
        words: What to do then.
    """

    option: str = ""
    words: str = "leave it out"

    @property
    def here(self) -> str:
        """The advice where the option itself is taken."""
        return f"write {self.option}" if self.option else self.words

    @property
    def in_config(self) -> str:
        """The advice where a `QuantizationConfig` is taken."""
        return f"write config=QuantizationConfig({self.option})" if self.option else self.words


Table = Mapping[str, Callable[[Any], Advice]]


def instead_of(table: Table, name: str, value: object) -> str:
    """The advice for a parameter where its option is taken; empty for names that are not in the table."""
    return table[name](value).here if name in table else ""


def about_advanced(given: Any) -> str:
    """What to write instead of an object of `AdvancedQuantizationParameters`, as far as it has no defaults."""
    advice = [OF_CONFIG[name](value) for name, value in _chosen(given) if name in OF_CONFIG]
    options = ", ".join(each.option for each in advice if each.option)
    return f"write config=QuantizationConfig({options or '...'}); docs/migrate_from_nncf.md has each of its parameters"


def _chosen(given: Any) -> Iterable[tuple[str, Any]]:
    """The fields of an object of NNCF that differ from their defaults, or the items of a mapping."""
    if isinstance(given, Mapping):
        return cast(Mapping[str, Any], given).items()
    if not is_dataclass(given) or isinstance(given, type):
        return ()
    default = type(given)()
    pairs = ((each.name, getattr(given, each.name), getattr(default, each.name)) for each in fields(given))
    return [(name, value) for name, value, usual in pairs if value != usual]


def about_tensors(given: object) -> str:
    """What to write instead of an object of `QuantizationParameters`; empty for other values."""
    return f"write {_dict(OF_TENSORS, given)}" if is_dataclass(given) and not isinstance(given, type) else ""


def word_of(value: Any) -> Any:
    """The value of an enumeration's member, in lower case; other values as they are."""
    found = value.value if isinstance(value, Enum) else value
    return found.lower() if isinstance(found, str) else found


def _nothing(words: str) -> Callable[[Any], Advice]:
    return lambda _: Advice(words=words)


def _if(wanted: object, option: str, words: str = "leave it out") -> Callable[[Any], Advice]:
    """The option for one value, and the words for all others."""
    return lambda value: Advice(option if value == wanted else "", words)


def _as(name: str) -> Callable[[Any], Advice]:
    """The same value under another name."""
    return lambda value: Advice(f"{name}={value!r}")


def _key(name: str) -> Callable[[Any], Advice]:
    """The same value under another key."""
    return lambda value: Advice(f'"{name}": {json.dumps(word_of(value), default=str)}')


def _dict(table: Table, given: Any) -> str:
    """An object of NNCF as a dict."""
    found = [table[name](value).option for name, value in _chosen(given) if name in table]
    return f"{{{', '.join(filter(None, found)) or '...'}}}"


def _overflow(value: Any) -> Advice:
    fix = _FIXES.get(word_of(value))
    return Advice(f'saturation_fix="{fix}"' if fix else "", 'write saturation_fix="no", "first_layer" or "all"')


def _smooth(value: Any) -> Advice:
    """One strength for all layers, or that of matrix products: -1 switches the method off."""
    given = cast(Mapping[str, Any], value).get("matmul") if isinstance(value, Mapping) else value
    is_off = getattr(given, "matmul", given) == -1
    return Advice("migrate_scales=False" if is_off else "", "leave it out: each group gets the strength of least error")


def _biases(value: Any) -> Advice:
    wanted = dict(_chosen(value)).get("apply_for_all_nodes")
    option = 'correct_biases="sequential", correct_float_layers=True' if wanted else ""
    return Advice(option, "leave it out: a correction must help on samples that it was not computed from")


def _of_both(table: Table, name: str) -> Callable[[Any], Advice]:
    """A parameter of tensors, where weights and activations are beside each other."""

    def advice(value: Any) -> Advice:
        found = table[name](value)
        option = f"activations={{{found.option}}}, weights={{{found.option}}}" if found.option else ""
        return Advice(option, found.words)

    return advice


def _of_end(name: str) -> Callable[[Any], Advice]:
    """A parameter of an end of a range, where activations are an option."""

    def advice(value: Any) -> Advice:
        found = OF_END[name](value)
        option = f'activations={{"range_estimator": {{"max": {{{found.option}}}}}}}' if found.option else ""
        return Advice(option, found.words)

    return advice


def _forced(value: Any) -> Advice:
    words = "leave it out: data without negative values get unsigned levels"
    return Advice('"level_low": -128, "level_high": 127' if value is True else "", words)


#: The parameters of `QuantizationParameters`, for `activations` and `weights`.
OF_TENSORS: Table = {
    "num_bits": _key("bits"),
    "mode": _key("mode"),
    "per_channel": lambda value: Advice(f'"granularity": "{"perchannel" if value else "pertensor"}"'),
    "signedness_to_force": _forced,
    "narrow_range": _if(True, '"level_low": -127, "level_high": 127'),
}
#: The parameters of `StatisticsCollectorParameters`, for the ends of a range.
OF_END: Table = {
    "statistics_type": _key("type"),
    "aggregator_type": _key("aggregator"),
    "clipping_value": _key("clipping_value"),
    "quantile_outlier_prob": _key("outlier_prob"),
}
#: The parameters of `RangeEstimatorParameters`.
_OF_RANGES: Table = {
    "min": lambda value: Advice(f'"min": {_dict(OF_END, value)}'),
    "max": lambda value: Advice(f'"max": {_dict(OF_END, value)}'),
}


def _ranges_of(tensors: str) -> Callable[[Any], Advice]:
    return lambda value: Advice(f'{tensors}={{"range_estimator": {_dict(_OF_RANGES, value)}}}')


#: The parameters of `AdvancedQuantizationParameters`, and those of other objects that are one level too high.
OF_CONFIG: Table = {
    "overflow_fix": _overflow,
    "quantize_outputs": lambda value: Advice(words="not supported: outputs stay exact" if value else "leave it out"),
    "inplace_statistics": _nothing("leave it out: statistics are always measured inside the model"),
    "disable_channel_alignment": lambda value: Advice(f"align={not value}"),
    "disable_bias_correction": _if(True, 'correct_biases="no"'),
    "batchwise_statistics": _nothing("leave it out: statistics are those of single samples"),
    "activations_quantization_params": lambda value: Advice(f"activations={_dict(OF_TENSORS, value)}"),
    "weights_quantization_params": lambda value: Advice(f"weights={_dict(OF_TENSORS, value)}"),
    "quantizer_propagation_rule": _nothing("leave it out: readers of one tensor share a FakeQuantize if they agree"),
    "activations_range_estimator_params": _ranges_of("activations"),
    "weights_range_estimator_params": _ranges_of("weights"),
    "bias_correction_params": _biases,
    "smooth_quant_alphas": _smooth,
    "smooth_quant_alpha": _smooth,
    "backend_params": _nothing("leave it out: there is nothing of the kind"),
    "fast_bias_correction": _if(
        False, 'correct_biases="sequential"', "leave it out: the fast correction is the default"
    ),
    "subset_size": _as("samples"),
    **{name: _of_both(OF_TENSORS, name) for name in OF_TENSORS},
    **{name: _of_end(name) for name in OF_END},
}
