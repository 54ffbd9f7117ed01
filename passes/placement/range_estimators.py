"""The estimators of the ends of a range: the published defaults, and the user's options.

Source: the published description (section "range_estimator"), and the table of defaults of its reference implementation
(POT 2023.3):

| tensor      | range per | mode       | lower end: of a sample, of all | upper end: of a sample, of all |
| ----------- | --------- | ---------- | ------------------------------ | ------------------------------ |
| activations | tensor    | symmetric  | min, min (tells the sign only) | abs_max, mean                  |
|             | tensor    | asymmetric | min, mean                      | max, mean                      |
|             | channel   | symmetric  | min, min (tells the sign only) | abs_max, max                   |
|             | channel   | asymmetric | min, min                       | max, max                       |
| weights     |           | symmetric  |                                | abs_max                        |
|             |           | asymmetric | min                            | max                            |

The preset `quantile` takes quantiles instead of extremes, but for the sign. Unlike the reference implementation, a
symmetric range is always estimated from magnitudes: there, `type: quantile` took the upper quantile of the signed
values and cut off what is negative.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np

from ...ir import DYNAMIC, Array
from ...targets import Mode
from ..analysis.ranges import Floats
from ..options.config import QuantizationConfig
from ..options.quantization import ActivationEndOptions, EndOptions, RangeEstimator, WeightRangeEstimator
from ..statistics.aggregators import Aggregator
from ..statistics.quantiles import is_measurable
from ..statistics.request import Reduction, Request, request
from .plan import Site

#: The replacement of a statistic of a lower (true) or upper end that cannot be measured.
_EXTREMES = {
    **{(each, is_low): each for each in (Reduction.MIN, Reduction.MAX, Reduction.ABS_MAX) for is_low in (True, False)},
    **dict.fromkeys([(Reduction.ABS_QUANTILE, True), (Reduction.ABS_QUANTILE, False)], Reduction.ABS_MAX),
    (Reduction.QUANTILE, True): Reduction.MIN,
    (Reduction.QUANTILE, False): Reduction.MAX,
}
#: The share of the values that quantiles leave beyond an end by default.
OUTLIER_PROBABILITY = 1e-4


@dataclass(frozen=True)
class End:
    """How one end of a range is estimated.

    Attributes:
        reduction: The statistic of each sample.
        level: The level of a quantile.
        sign: -1 if the end is the negative of the statistic.
        aggregator: The function that combines the samples' numbers.
        is_default: Whether the aggregator is the default one.
        per_channel: Whether the statistic is taken per channel.
        clipping: The end lies no farther from zero than this; None: anywhere.
    """

    reduction: Reduction
    level: float | None
    sign: int
    aggregator: Aggregator
    is_default: bool
    per_channel: bool
    clipping: float | None

    def request(self, site: Site) -> Request:
        """The request for the statistic."""
        return request(site.source, self.reduction, 1 if self.per_channel else None, self.level)

    def of(self, values: Array, axes: tuple[int, ...]) -> Floats:
        """The statistic of a constant, over some axes, which stay with size 1."""
        if self.level is not None:
            numbers = values.astype(np.float32)
            numbers = np.abs(numbers) if self.reduction is Reduction.ABS_QUANTILE else numbers
            return np.asarray(np.quantile(numbers, self.level, axis=axes, keepdims=True))
        numbers = values.astype(np.float32, copy=False)  # numpy compares halves one by one
        if self.reduction is Reduction.MIN:
            return np.asarray(numbers.min(axis=axes, keepdims=True))
        high = np.asarray(numbers.max(axis=axes, keepdims=True))
        if self.reduction is Reduction.ABS_MAX:
            return np.asarray(np.maximum(-numbers.min(axis=axes, keepdims=True), high))
        return high


def ends(site: Site, config: QuantizationConfig) -> tuple[End, End]:
    """How the lower and the upper end of a site's range are estimated."""
    low, high = ends_of(site.mode, config, is_per_channel=site.is_per_channel, is_weights=site.is_weights)
    if len(site.source.shape) < 2 or site.source.shape[1] == DYNAMIC:
        low, high = replace(low, per_channel=False), replace(high, per_channel=False)
    if needs_extremes(site, low) or needs_extremes(site, high):
        return replace(low, reduction=_EXTREMES[low.reduction, True], level=None), replace(
            high, reduction=_EXTREMES[high.reduction, False], level=None
        )
    return low, high


def needs_extremes(site: Site, end: End) -> bool:
    """Whether a quantile of an activation cannot be measured."""
    return end.level is not None and not site.is_constant and not is_measurable(end.request(site), site.source)


def ends_of(mode: Mode, config: QuantizationConfig, *, is_per_channel: bool, is_weights: bool) -> tuple[End, End]:
    """How the ends of ranges of one kind are estimated."""
    estimator = (config.weights if is_weights else config.activations).range_estimator or config.range_estimator
    # pyright does not see that a frozen model can be hashed
    return _ends_of(mode, estimator, is_per_channel=is_per_channel, is_weights=is_weights)  # pyright: ignore[reportArgumentType]


@functools.cache  # a run has few kinds, and asks for each site
def _ends_of(
    mode: Mode, estimator: RangeEstimator | WeightRangeEstimator | None, *, is_per_channel: bool, is_weights: bool
) -> tuple[End, End]:
    by_quantile, is_symmetric = estimator is not None and estimator.preset == "quantile", mode is Mode.SYMMETRIC
    low, high = (estimator.min, estimator.max) if estimator else (None, None)
    lower = _end(low or EndOptions(), is_low=True, by_quantile=by_quantile and not is_symmetric, of_magnitudes=False)
    upper = _end(high or EndOptions(), is_low=False, by_quantile=by_quantile, of_magnitudes=is_symmetric)
    if not is_per_channel:  # the lower end of a symmetric range tells the sign only: the extreme is wanted
        default: tuple[Aggregator, Aggregator] = ("min" if is_symmetric else "mean", "mean")
        lower, upper = (_by_default(each, name) for each, name in zip((lower, upper), default, strict=True))
    if is_weights:  # one sample, with the channels of the range
        return replace(lower, per_channel=False), replace(upper, per_channel=False)
    given = [each.granularity if each else None for each in (low, high)]
    lower, upper = (
        replace(end, per_channel=is_per_channel if name is None else name == "perchannel")
        for end, name in zip((lower, upper), given, strict=True)
    )
    return lower, upper


def _by_default(end: End, aggregator: Aggregator) -> End:
    return replace(end, aggregator=aggregator) if end.is_default else end


def _end(given: EndOptions, *, is_low: bool, by_quantile: bool, of_magnitudes: bool) -> End:
    kind = given.type or ("quantile" if by_quantile else "max")
    is_quantile, of_magnitudes = kind.endswith("quantile"), of_magnitudes or kind.startswith("abs_")
    if is_quantile:
        reduction = Reduction.ABS_QUANTILE if of_magnitudes else Reduction.QUANTILE
    elif of_magnitudes:
        reduction = Reduction.ABS_MAX
    else:
        reduction = Reduction.MIN if is_low else Reduction.MAX
    share = OUTLIER_PROBABILITY if given.outlier_prob is None else given.outlier_prob
    asked = given.aggregator if isinstance(given, ActivationEndOptions) else None
    extreme: Aggregator = "min" if is_low and not of_magnitudes else "max"
    return End(
        reduction,
        level=None if not is_quantile else share if is_low and not of_magnitudes else 1 - share,
        sign=-1 if is_low and of_magnitudes else 1,
        aggregator=asked or extreme,
        is_default=asked is None,
        per_channel=False,
        clipping=given.clipping_value,
    )
