"""Warnings about options that have no effect together with the others."""

from collections.abc import Iterator

from ...targets import Mode
from .config import QuantizationConfig
from .quantization import EndOptions, RangeEstimator, WeightRangeEstimator


def ineffective_options(config: QuantizationConfig) -> Iterator[str]:
    """One warning for each option without effect, with its name in a configuration file."""
    if config.correct_float_layers and config.correct_biases != "sequential":
        yield (
            "apply_for_all_nodes has no effect without sequential bias correction (use_fast_bias: false): weights "
            "that stay float have no rounding error"
        )
    yield from _outliers("range_estimator", config.range_estimator)
    yield from _outliers("weights.range_estimator", config.weights.range_estimator)
    yield from _outliers("activations.range_estimator", config.activations.range_estimator)
    yield from _lower_end_of_weights(config)


def _outliers(path: str, estimator: WeightRangeEstimator | RangeEstimator | None) -> Iterator[str]:
    if estimator is None:
        return
    ends: dict[str, EndOptions | None] = {"min": estimator.min, "max": estimator.max}
    for name, end in ends.items():
        kind = (end and end.type) or estimator.preset
        if end and end.outlier_prob is not None and "quantile" not in kind:
            yield f"{path}.{name}.outlier_prob has no effect: only quantiles use it; also give type: quantile"


def _lower_end_of_weights(config: QuantizationConfig) -> Iterator[str]:
    """Options for the lower end of symmetric weights; both ends follow from the upper one, except clipping values."""
    estimator = config.weights.range_estimator
    low = estimator.min if estimator else None
    mode = config.weights.mode or (Mode.ASYMMETRIC if config.preset == "accuracy" else Mode.SYMMETRIC)
    if low and mode is Mode.SYMMETRIC and (low.type or low.outlier_prob is not None or low.granularity):
        yield "weights.range_estimator.min affects only clipping: weights are symmetric, and max sets both ends"
