"""The charts of a close-up as paths of an SVG: histograms of activations, weights of each channel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from irquant.passes.evaluation.closeups import ChannelWeights, CloseUp, Histogram
from irquant.tools.report.scale import Scale

#: The height of a chart, in its own units; its width is the number of its columns.
HEIGHT = 40


@dataclass(frozen=True)
class HistogramChart:
    """A histogram with the range on it.

    Attributes:
        of: The histogram.
        bars: The outline of the bars; heights are logarithms of the counts.
        low: The place of the range's lower end, in columns.
        high: The place of its upper end.
        zero: The place of zero.
    """

    of: Histogram
    bars: str
    low: float
    high: float
    zero: float


@dataclass(frozen=True)
class WeightsChart:
    """The weights of each channel.

    Attributes:
        of: The weights.
        extremes: Rectangles from the smallest to the largest weight of each column.
        middles: Rectangles around the middle nine tenths.
        zero: The place of zero, from the top.
        low: The smallest weight of all.
        high: The largest weight of all.
    """

    of: ChannelWeights
    extremes: str
    middles: str
    zero: float
    low: float
    high: float


@dataclass(frozen=True)
class DrawnCloseUp:
    """A close-up with its charts."""

    of: CloseUp
    histograms: tuple[HistogramChart, ...]
    weights: WeightsChart | None


def drawn(close_up: CloseUp) -> DrawnCloseUp:
    """Draws a close-up."""
    weights = _weights(close_up.weights) if close_up.weights else None
    return DrawnCloseUp(close_up, tuple(map(_histogram, close_up.activations)), weights)


def _histogram(found: Histogram) -> HistogramChart:
    columns, most = len(found.counts), math.log1p(max(found.counts, default=0)) or 1.0
    heights = [HEIGHT * (1 - 0.95 * math.log1p(count) / most) for count in found.counts]
    bars = f"M0 {HEIGHT}" + "".join(f"V{height:.1f}h1" for height in heights) + f"V{HEIGHT}z"
    low, high, zero = (_place(Scale(found.first, found.last), end, columns) for end in (found.low, found.high, 0.0))
    return HistogramChart(found, bars, low, high, zero)


def _weights(found: ChannelWeights) -> WeightsChart:
    low, high = min(0.0, *(each.least for each in found.spreads)), max(0.0, *(each.most for each in found.spreads))
    scale = Scale(low, high)
    extremes = _rectangles([(each.least, each.most) for each in found.spreads], scale)
    middles = _rectangles([(each.lower, each.upper) for each in found.spreads], scale)
    return WeightsChart(found, extremes, middles, HEIGHT - _place(scale, 0.0, HEIGHT), low, high)


def _rectangles(ends: Sequence[tuple[float, float]], scale: Scale) -> str:
    """One rectangle for each column; the larger value is at the top."""
    found: list[str] = []
    for column, (low, high) in enumerate(ends):
        top, bottom = (HEIGHT - _place(scale, value, HEIGHT) for value in (high, low))
        found.append(f"M{column + 0.1:.1f} {top:.1f}h.8V{max(bottom, top + 0.2):.1f}h-.8z")
    return "".join(found)


def _place(scale: Scale, value: float, length: float) -> float:
    return round((scale.place(value) or 0.0) * length / 100, 2)
