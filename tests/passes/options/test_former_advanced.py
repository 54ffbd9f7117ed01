"""Parameters of NNCF's `AdvancedQuantizationParameters` and its parts: each says what to write instead."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import pytest

from irquant.passes import QuantizationConfig, quantize
from irquant.passes.options.config_error import ConfigError


class Word(Enum):
    """Members of the enumerations of NNCF."""

    DISABLE = "disable"
    ASYMMETRIC = "asymmetric"
    MAX = "max"


@dataclass
class QuantizationParameters:
    """`nncf.QuantizationParameters`."""

    num_bits: int | None = None
    mode: Word | None = None
    signedness_to_force: bool | None = None
    per_channel: bool | None = None
    narrow_range: bool | None = None


@dataclass
class StatisticsCollectorParameters:
    """`nncf.StatisticsCollectorParameters`."""

    statistics_type: Word | None = None
    quantile_outlier_prob: float = 1e-4


@dataclass
class RangeEstimatorParameters:
    """`nncf.RangeEstimatorParameters`."""

    min: StatisticsCollectorParameters | None = None
    max: StatisticsCollectorParameters | None = None


@dataclass
class SmoothQuant:
    """`nncf.AdvancedSmoothQuantParameters`."""

    convolution: float = -1
    matmul: float = 0.95


@dataclass
class AdvancedQuantizationParameters:
    """`nncf.AdvancedQuantizationParameters`, as far as it is used."""

    overflow_fix: Word | None = None
    disable_channel_alignment: bool = True
    activations_quantization_params: QuantizationParameters | None = None


#: A parameter, its value, and the advice of `QuantizationConfig`.
ADVICE: list[tuple[str, object, str]] = [
    ("overflow_fix", Word.DISABLE, 'write saturation_fix="no"'),
    ("overflow_fix", "first_layer_only", 'write saturation_fix="first_layer"'),
    ("overflow_fix", 3, 'write saturation_fix="no", "first_layer" or "all"'),
    ("quantize_outputs", True, "not supported: outputs stay exact"),
    ("quantize_outputs", False, "leave it out"),
    ("disable_channel_alignment", True, "write align=False"),
    ("disable_bias_correction", True, 'write correct_biases="no"'),
    ("disable_bias_correction", False, "leave it out"),
    ("fast_bias_correction", False, 'write correct_biases="sequential"'),
    ("activations_quantization_params", QuantizationParameters(8, Word.ASYMMETRIC), 'write activations={"bits": 8, '
     '"mode": "asymmetric"}'),
    ("weights_quantization_params", {"narrow_range": True}, 'write weights={"level_low": -127, "level_high": 127}'),
    ("activations_range_estimator_params", RangeEstimatorParameters(max=StatisticsCollectorParameters(Word.MAX)),
     'write activations={"range_estimator": {"max": {"type": "max"}}}'),
    ("bias_correction_params", {"apply_for_all_nodes": True}, 'write correct_biases="sequential", '
     "correct_float_layers=True"),
    ("smooth_quant_alpha", -1, "write migrate_scales=False"),
    ("smooth_quant_alphas", SmoothQuant(matmul=-1), "write migrate_scales=False"),
    ("smooth_quant_alphas", {"matmul": 0.5}, "leave it out: each group gets the strength of least error"),
    ("num_bits", 4, 'write activations={"bits": 4}, weights={"bits": 4}'),
    ("per_channel", False, 'write activations={"granularity": "pertensor"}, weights={"granularity": "pertensor"}'),
    ("signedness_to_force", False, "leave it out: data without negative values get unsigned levels"),
    ("statistics_type", Word.MAX, 'write activations={"range_estimator": {"max": {"type": "max"}}}'),
    ("aggregator_type", "mean", 'write activations={"range_estimator": {"max": {"aggregator": "mean"}}}'),
    ("subset_size", 100, "write samples=100"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "advice"), ADVICE)
def test_the_constructor_says_what_to_write(name: str, value: object, advice: str) -> None:
    with pytest.raises(ConfigError) as raised:
        QuantizationConfig(**cast(Any, {name: value}))
    assert str(raised.value) == f"unknown key '{name}': {advice}"


@pytest.mark.parametrize(("name", "value", "advice"), [each for each in ADVICE if each[0] != "subset_size"])
def test_the_keyword_gets_the_same_answer(name: str, value: object, advice: str) -> None:
    with pytest.raises(TypeError) as raised:
        quantize("model.xml", [], **cast(Any, {name: value}))
    hint = str(raised.value).partition(f"'{name}'; {name}: ")[2]
    assert hint.replace("config=QuantizationConfig(", "").rstrip(")") == advice.rstrip(")")


def test_an_object_is_answered_as_far_as_it_has_no_defaults() -> None:
    given = AdvancedQuantizationParameters(Word.DISABLE, True, QuantizationParameters(num_bits=8))
    with pytest.raises(TypeError) as raised:
        quantize("model.xml", [], **cast(Any, {"advanced_parameters": given}))
    assert str(raised.value) == (
        "quantize() got an unexpected keyword argument 'advanced_parameters'; advanced_parameters: write "
        'config=QuantizationConfig(saturation_fix="no", activations={"bits": 8}); docs/migrate_from_nncf.md has each of '
        "its parameters"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"saturation_fix": "ENABLE"}, "saturation_fix is 'ENABLE'; there are: no, first_layer, all"),
        ({"guard": "goood"}, "guard is 'goood'; did you mean 'good'? there are: floor, knee, good"),
        ({"guard": 1.5}, "guard is 1.5; should be true or false"),
        ({"preset": "mixd"}, "preset is 'mixd'; did you mean 'mixed'? there are: performance, mixed, accuracy"),
        ({"activations": {"num_bits": 8}}, "unknown key 'activations.num_bits': write \"bits\": 8"),
        (
            {"activations": {"range_estimator": {"max": {"statistics_type": "max"}}}},
            'unknown key \'activations.range_estimator.max.statistics_type\': write "type": "max"',
        ),
        ({"weights": QuantizationParameters(num_bits=4)}, 'weights: write {"bits": 4}'),
        ({"ignored": ["head"]}, 'ignored: names of layers go into "scope": write {"scope": [\'head\']}'),
    ],
)
def test_a_mistake_in_the_constructor_has_its_path(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        QuantizationConfig(**options)
    assert str(raised.value) == said
