"""Close-ups of layers: the values in front of their FakeQuantizes, and the weights of each output channel."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...ir import DYNAMIC, Array, Graph, Node
from ...ir.ops import WEIGHTED_TYPES, weight_axes
from ..infra.base import Context
from ..placement.plan import Site
from ..runtime.engine import Engine
from ..runtime.modes import EMULATION
from ..runtime.samples import ValidationSample
from ..runtime.taps import tap
from .sensitivity import Effect

#: The bars of a histogram, and the most columns of a chart of channels.
_BARS, _COLUMNS = 64, 128
#: The most values of a tensor that are counted for each sample, and the most bytes of tensors to hold at once.
_COUNTED, _MOST_BYTES = 1 << 16, 1 << 28
_NAME = "irquant/closeup"
#: The quantiles of a channel's weights that are shown: extremes, and the middle nine tenths.
_LEVELS = (0.0, 0.05, 0.95, 1.0)


@dataclass(frozen=True)
class Histogram:
    """The values that a FakeQuantize reads, in the quantized model on some held-out samples.

    Ranges per channel are given by their outermost ends.

    Attributes:
        name: The FakeQuantize.
        tensor: The layer whose output it quantizes.
        low: The lower end of the range.
        high: The upper end of the range.
        first: The lower end of the first bar.
        last: The upper end of the last bar.
        counts: The number of values in each bar, of a random part of the tensor and its extremes.
        outside: The share of values more than half a step outside the range.
    """

    name: str
    tensor: str
    low: float
    high: float
    first: float
    last: float
    counts: tuple[int, ...]
    outside: float


class ChannelSpread(NamedTuple):
    """The weights of some channels.

    Attributes:
        least: The smallest.
        lower: The 5 % quantile.
        upper: The 95 % quantile.
        most: The largest.
    """

    least: float
    lower: float
    upper: float
    most: float


@dataclass(frozen=True)
class ChannelWeights:
    """The weights of a layer by output channel.

    Attributes:
        channels: The number of channels.
        spreads: The weights of each column of a chart: a channel, or several neighbours if there are many.
    """

    channels: int
    spreads: tuple[ChannelSpread, ...]


@dataclass(frozen=True)
class CloseUp:
    """A rounded operation in detail.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        activations: The histograms of its activations.
        weights: Its weights; None if they are no constants.
    """

    name: str
    type: str
    activations: tuple[Histogram, ...]
    weights: ChannelWeights | None


def close_ups(
    graph: Graph, context: Context, effects: Iterable[Effect], samples: Sequence[ValidationSample]
) -> list[CloseUp]:
    """The close-ups of some rounded operations.

    Args:
        graph: A model with FakeQuantizes that have their ranges, also on weights; stays unchanged.
        context: The context with its plan.
        effects: The operations.
        samples: The samples to run it on.

    Raises:
        DataError: the model cannot run a sample.
    """
    quantizers = {node.name: node for node in graph.nodes("FakeQuantize")}
    chosen = [Node(graph, each.node) for each in effects]
    feeding = {
        node: [site for site in context.plan.feeding(*node.inputs) if site.name in quantizers] for node in chosen
    }
    variable = {
        site.name: site
        for sites in feeding.values()
        for site in sites
        if not site.is_weights and quantizers[site.name].source().node.type != "Const"
    }
    found = {
        name: histogram
        for group in _groups([quantizers[name] for name in variable])
        for name, histogram in _histograms(graph, group, variable, samples)
    }
    return [
        CloseUp(
            name=context.plan.names.get(node, node.name),
            type=node.type,
            activations=tuple(found[site.name] for site in sites if site.name in found),
            weights=next((_weights(node, quantizers[site.name]) for site in sites if site.is_weights), None),
        )
        for node, sites in feeding.items()
    ]


def _groups(quantizers: Sequence[Node]) -> Iterator[list[Node]]:
    """Groups whose tensors fit into memory, by the sizes that the model states."""
    group, held = list[Node](), 0
    for node in quantizers:
        size = 4 * math.prod(1 if each == DYNAMIC else each for each in node.source().shape)
        if group and held + size > _MOST_BYTES:
            yield group
            group, held = [], 0
        group.append(node)
        held += size
    if group:
        yield group


def _histograms(
    graph: Graph, quantizers: Sequence[Node], sites: dict[str, Site], samples: Sequence[ValidationSample]
) -> Iterator[tuple[str, Histogram]]:
    """The histograms of a group, by name."""
    tapped = graph.copy()
    for node in quantizers:
        tap(Node(tapped, node.id).source(), name=_NAME)
    counters = [_Counter(node, sites[node.name].levels) for node in quantizers]

    def take(_: object, outputs: list[Array]) -> None:
        for counter, array in zip(counters, outputs[-len(counters) :], strict=True):
            counter.add(array)

    Engine(tapped, EMULATION).run(samples, take)
    yield from ((each.quantizer.name, each.histogram()) for each in counters if each.values)


class _Counter:
    """Gathers the values that a FakeQuantize reads.

    Args:
        quantizer: The FakeQuantize.
        levels: Its levels.
    """

    def __init__(self, quantizer: Node, levels: int) -> None:
        self.quantizer, self.values, self._outside = quantizer, list[Array](), list[Array]()
        self._low, self._high = (quantizer.source(index).node.array.astype(np.float32) for index in (1, 2))
        self._margin, self._rng = (self._high - self._low) / (levels - 1) / 2, np.random.default_rng(0)

    def add(self, array: Array) -> None:
        """Adds the values of a sample: a random part of them, and the extremes."""
        if not array.size:
            return
        is_many = array.size > _COUNTED
        picked = self._rng.integers(0, array.size, _COUNTED) if is_many else np.arange(array.size)
        some, ends = array.reshape(-1)[picked].astype(np.float32), (self._low - self._margin, self._high + self._margin)
        least, most = (np.broadcast_to(end, array.shape).flat[picked] for end in ends)
        self._outside.append((some < least) | (some > most))
        self.values.append(np.append(some, (array.min(), array.max())))

    def histogram(self) -> Histogram:
        """The histogram of all values."""
        values = np.concatenate(self.values)
        values = values[np.isfinite(values)]
        low, high = float(self._low.min()), float(self._high.max())
        first, last = min(low, float(values.min(initial=0.0))), max(high, float(values.max(initial=0.0)))
        counts, _ = np.histogram(values, _BARS, (first, last if last > first else first + 1.0))
        return Histogram(
            name=self.quantizer.name,
            tensor=self.quantizer.source().node.name,
            low=low,
            high=high,
            first=first,
            last=last,
            counts=tuple(int(each) for each in counts),
            outside=float(np.concatenate(self._outside).mean()),
        )


def _weights(node: Node, quantizer: Node) -> ChannelWeights | None:
    """The weights of an operation in columns of channels; None if they are computed."""
    source = quantizer.source().node
    constant = source.source().node if source.type == "Convert" else source
    if node.type not in WEIGHTED_TYPES or constant.type != "Const":
        return None
    weights, axes = constant.array.astype(np.float32), weight_axes(node).outputs
    channels = math.prod(weights.shape[axis] for axis in axes)
    rows = np.moveaxis(weights, axes, range(len(axes))).reshape(channels, -1)
    columns = np.array_split(rows, min(channels, _COLUMNS))
    return ChannelWeights(channels, tuple(ChannelSpread(*map(float, np.quantile(each, _LEVELS))) for each in columns))
