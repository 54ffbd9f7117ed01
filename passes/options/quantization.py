"""The user's options for weights and activations, which override the target and the preset."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ...targets import Granularity, Mode
from ..statistics.aggregators import Aggregator
from .former_advanced import OF_END, OF_TENSORS, about_tensors, instead_of
from .strict import Strict

#: Zero and one level on either side: with fewer, there is no symmetric range.
FEWEST_LEVELS = 3
MOST_BITS = 16
EndType = Literal["min", "max", "abs_max", "quantile", "abs_quantile"]
#: The published spelling of a granularity.
GranularityName = Literal["pertensor", "perchannel"]
_GRANULARITIES = {"pertensor": Granularity.PER_TENSOR, "perchannel": Granularity.PER_CHANNEL}


class EndOptions(Strict):
    """How one end of a range is estimated; None: the published default (see `range_estimators`).

    Attributes:
        type: The statistic of each sample.
        outlier_prob: The share of the values that a quantile leaves beyond the end.
        clipping_value: The end lies no farther from zero than this.
        granularity: Whether the statistic is taken per tensor or per channel.
    """

    type: EndType | None = None
    outlier_prob: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    clipping_value: float | None = None
    granularity: GranularityName | None = None

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """What to write instead of a parameter of NNCF."""
        return instead_of(OF_END, name, value)


class ActivationEndOptions(EndOptions):
    """How one end of an activation's range is estimated, from many samples.

    Attributes:
        aggregator: The function that combines the numbers of all samples.
    """

    aggregator: Aggregator | None = None


def _check_clipping(low: EndOptions | None, high: EndOptions | None) -> None:
    if low and low.clipping_value is not None and low.clipping_value > 0:
        message = f"min.clipping_value is {low.clipping_value}: ranges hold zero, so it cannot be above"
        raise ValueError(message)
    if high and high.clipping_value is not None and high.clipping_value <= 0:
        message = f"max.clipping_value is {high.clipping_value}: ranges hold zero, so it must be above"
        raise ValueError(message)


class WeightRangeEstimator(Strict):
    """How the ranges of weights are estimated.

    Attributes:
        preset: The defaults of the other options; `quantile` leaves 1e-4 of the values beyond each end.
        min: The lower end; only for asymmetric ranges.
        max: The upper end.
    """

    preset: Literal["default", "quantile"] = "default"
    min: EndOptions | None = None
    max: EndOptions | None = None

    @model_validator(mode="after")
    def _holds_zero(self) -> Self:
        _check_clipping(self.min, self.max)
        return self


class RangeEstimator(Strict):
    """How the ranges of activations are estimated, or those of all tensors.

    Attributes:
        preset: The defaults of the other options, as for weights.
        min: The lower end. For symmetric ranges, it only shows whether there are negative values.
        max: The upper end.
    """

    preset: Literal["default", "quantile"] = "default"
    min: ActivationEndOptions | None = None
    max: ActivationEndOptions | None = None

    @model_validator(mode="after")
    def _holds_zero(self) -> Self:
        _check_clipping(self.min, self.max)
        return self


class _TensorOptions(Strict):
    """The common options of weights and activations.

    Attributes:
        bits: The width of a value.
        mode: Whether a range is symmetric around zero.
        level_low: The lowest integer. An activation with levels below zero has them even if no value is negative.
        level_high: The highest integer. The two give the number of levels.
        granularity: Whether channels have ranges of their own.
    """

    bits: Annotated[int, Field(ge=2, le=MOST_BITS)] | None = None
    mode: Annotated[Mode | None, Field(strict=False)] = None
    level_low: Annotated[int, Field(le=0)] | None = None
    level_high: Annotated[int, Field(ge=1)] | None = None
    granularity: GranularityName | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_of_nncf(cls, given: Any) -> Any:
        if advice := about_tensors(given):
            raise ValueError(advice)
        return given

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        if (self.level_low is None) != (self.level_high is None):
            message = "level_low and level_high go together: give both or neither"
            raise ValueError(message)
        if self.levels is not None and self.levels < FEWEST_LEVELS:
            message = f"levels {self.level_low} to {self.level_high} are {self.levels}, but it takes {FEWEST_LEVELS}"
            raise ValueError(message)
        bits = self.bits or MOST_BITS
        if self.levels is not None and self.levels > 2**bits:
            message = f"levels {self.level_low} to {self.level_high} are {self.levels}, but {bits} bits hold {2**bits}"
            raise ValueError(message)
        return self

    @classmethod
    def instead_of(cls, name: str, value: object) -> str:
        """What to write instead of a parameter of NNCF."""
        return instead_of(OF_TENSORS, name, value)

    @property
    def levels(self) -> int | None:
        """The number of levels, |low| + |high| + 1; None if it is not given."""
        if self.level_low is None or self.level_high is None:
            return None
        return -self.level_low + self.level_high + 1

    @property
    def range_granularity(self) -> Granularity | None:
        """The granularity as the enumeration of target specs."""
        return _GRANULARITIES[self.granularity] if self.granularity else None


class WeightOptions(_TensorOptions):
    """How weights are quantized; None: as the target and the preset define it.

    Attributes:
        range_estimator: How ranges are estimated.
    """

    range_estimator: WeightRangeEstimator | None = None


class ActivationOptions(_TensorOptions):
    """How activations are quantized; None: as the target and the preset define it.

    Attributes:
        range_estimator: How ranges are estimated.
    """

    range_estimator: RangeEstimator | None = None
