"""Compares ranges of activations with the observed values: clipped samples, and unused parts of ranges."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...ir import Graph, Node
from ..analysis.source_names import source_names
from ..infra.base import Context
from ..placement.plan import Site
from ..placement.range_estimators import End
from ..statistics.request import Numbers
from ..transforms.set_ranges import ends_used

_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Spread:
    """The distribution of one number over all samples.

    Attributes:
        of: The statistic of each sample: "min", "abs_max", "quantile 0.9999".
        least: The smallest.
        lower: The lower quartile.
        median: The median.
        upper: The upper quartile.
        most: The largest.
    """

    of: str
    least: float
    lower: float
    median: float
    upper: float
    most: float


@dataclass(frozen=True)
class ObservedRange:
    """The range of an activation, and the ends of its samples that the range was estimated from.

    Ranges per channel are given by their outermost ends.

    Attributes:
        name: The FakeQuantize.
        tensor: The layer whose output it quantizes.
        low: The lower end of the range.
        high: The upper end of the range.
        lows: The samples' lower ends; None if no value can be negative.
        highs: The samples' upper ends.
        clipped: The share of samples with an end that lies more than half a step outside the range.
        type: The op type of the layer.
        sources: The source framework's names for its output, where they differ.
    """

    name: str
    tensor: str
    low: float
    high: float
    lows: Spread | None
    highs: Spread
    clipped: float
    type: str
    sources: tuple[str, ...] = ()


def observed_ranges(graph: Graph, context: Context) -> Iterator[ObservedRange]:
    """The ranges of all activations whose ends were measured, in the order of the plan.

    Args:
        graph: The quantized model.
        context: The context with its plan and statistics.
    """
    nodes = {node.name: node for each in graph.walk() for node in each.nodes("FakeQuantize")}
    for site in context.plan.sites:
        node = nodes.get(site.name)
        if site.is_weights or node is None or len(node.inputs) == 1 or site.is_constant:
            continue  # the constants of weights are gone once they are compressed
        low, high = ends_used(site, context)
        if all(end is None or end.request(site) in context.statistics for end in (low, high)):
            yield _observed(site, node, low, high, context)


def _observed(site: Site, node: Node, low_end: End | None, high_end: End, context: Context) -> ObservedRange:
    low, high = (node.source(index).node.array.astype(np.float32).ravel() for index in (1, 2))
    lows = _numbers(low_end, site, context) if low_end else None
    highs = _numbers(high_end, site, context)
    margin = (high - low) / (site.levels - 1) / 2
    is_clipped = (highs > high + margin).any(axis=1)
    if lows is not None:
        is_clipped = is_clipped | (lows < low - margin).any(axis=1)
    return ObservedRange(
        name=site.name,
        tensor=site.source.node.name,
        low=float(low.min()),
        high=float(high.max()),
        lows=_spread(low_end, lows.min(axis=1)) if low_end and lows is not None else None,
        highs=_spread(high_end, highs.max(axis=1)),
        clipped=float(is_clipped.mean()),
        type=site.source.node.type,
        sources=source_names(site.source.node),
    )


def _numbers(end: End, site: Site, context: Context) -> Numbers:
    """One end of each sample: [observations, 1 or channels]."""
    return end.sign * context.statistics[end.request(site)]


def _spread(end: End, numbers: Numbers) -> Spread:
    level = "" if end.level is None else f" {end.level:g}"
    return Spread(f"{end.reduction}{level}", *(float(each) for each in np.quantile(numbers, _LEVELS)))
