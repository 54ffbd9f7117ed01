"""The parameters of the published AccuracyAwareQuantization, and the options that they become.

Source: the published description of AccuracyAwareQuantization, and the schema of its reference implementation (POT
2023.3). Its metrics were measured by the engine of the original tool; here they are functions that the user names.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from .accuracy import AccuracyOptions, DropType
from .note import Note
from .strict import Strict


class MetricEntry(Strict):
    """A metric, and the known value of the float model."""

    name: str
    baseline_value: float | None = None


class AccuracyParameters(Strict):
    """The parameters of AccuracyAwareQuantization that DefaultQuantization does not have."""

    maximal_drop: Annotated[float, Field(ge=0)] = 0.01
    drop_type: DropType = "absolute"
    max_iter_num: Annotated[int, Field(ge=0)] | None = None
    metrics: Sequence[MetricEntry] = ()
    convert_to_mixed_preset: bool = False
    base_algorithm: Literal["DefaultQuantization"] = "DefaultQuantization"
    annotation_free: bool = False
    annotation_conf_threshold: Annotated[float, Field(ge=0, le=1)] = 0.6
    metric_subset_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    ranking_subset_size: Annotated[int, Field(ge=1)] = 300
    tune_hyperparams: bool = False
    use_prev_if_drop_increase: bool = True


def accuracy_options(params: AccuracyParameters) -> AccuracyOptions:
    """The parameters as options."""
    listed = params.metrics
    return AccuracyOptions(
        max_drop=params.maximal_drop,
        drop_type=params.drop_type,
        max_layers=params.max_iter_num,
        try_mixed=params.convert_to_mixed_preset,
        baselines={each.name: each.baseline_value for each in listed if each.baseline_value is not None},
        is_required=not params.annotation_free,
    )


def passed_over(params: AccuracyParameters) -> Iterator[str]:
    """Notes about parameters without effect."""
    given = params.model_fields_set
    if params.annotation_free:
        yield Note(
            "annotation_free: without labels there is no metric; the guard keeps outputs close to the float model's"
        )
    if subsets := [name for name in ("metric_subset_ratio", "ranking_subset_size") if name in given]:
        why = "layers are ranked by their effect on the outputs, and the metric uses all its data"
        yield Note(f"{', '.join(subsets)}: {why}")
    if params.tune_hyperparams:
        yield Note(
            "tune_hyperparams: wider ranges and asymmetric activations are always tried before layers return to float"
        )
    if not params.use_prev_if_drop_increase:
        yield Note("use_prev_if_drop_increase: the result is always the best measured model")
