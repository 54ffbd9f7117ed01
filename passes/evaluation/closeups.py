"""Close-ups of layers: the values in front of their FakeQuantizes, and the weights of each output channel."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import DYNAMIC, Array, Graph, Node
from ...ir.ops import WEIGHTED_TYPES, weight_axes
from ..infra.base import Context
from ..placement.plan import Site
from ..runtime.engine import EMULATION, Engine
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


@dataclass(frozen=True)
class ChannelWeights:
    """The weights of a layer by output channel; neighbours are joined if there are many.

    Attributes:
        channels: The number of channels.
        spreads: For each column of channels: smallest weight, 5 % quantile, 95 % quantile, largest weight.
    """

    channels: int
    spreads: tuple[tuple[float, float, float, float], ...]


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
    feeding = {node: [site for site in context.plan.feeding(*node.inputs) if site.name in quantizers] for node in chosen}
    variable = {site.name: site for sites in feeding.values() for site in sites if not site.is_constant}
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
    tapped, rng = graph.copy(), np.random.default_rng(0)
    for node in quantizers:
        tap(Node(tapped, node.id).source(), name=_NAME)
    ranges = [_range(node) for node in quantizers]
    values: list[list[Array]] = [[] for _ in quantizers]
    outside: list[list[Array]] = [[] for _ in quantizers]

    def take(_: object, outputs: list[Array]) -> None:
        for index, array in enumerate(outputs[-len(quantizers) :]):
            if array.size:
                low, high = ranges[index]
                margin = (high - low) / (sites[quantizers[index].name].levels - 1) / 2
                picked = rng.integers(0, array.size, _COUNTED) if array.size > _COUNTED else np.arange(array.size)
                some = array.reshape(-1)[picked].astype(np.float32)
                least, most = (np.broadcast_to(end, array.shape).flat[picked] for end in (low - margin, high + margin))
                outside[index].append((some < least) | (some > most))
                values[index].append(np.append(some, (array.min(), array.max())))

    Engine(tapped, EMULATION).run(samples, take)
    for index, node in enumerate(quantizers):
        if values[index]:
            site, (low, high) = sites[node.name], ranges[index]
            share = float(np.concatenate(outside[index]).mean())
            yield node.name, _histogram(site, low, high, np.concatenate(values[index]), share)


def _histogram(site: Site, low: Array, high: Array, values: Array, outside: float) -> Histogram:
    values = values[np.isfinite(values)]
    ends = (float(low.min()), float(high.max()))
    first, last = min(ends[0], *values[:1], values.min(initial=0.0)), max(ends[1], values.max(initial=0.0))
    counts, _ = np.histogram(values, _BARS, (first, last if last > first else first + 1.0))
    return Histogram(
        site.name, site.source.node.name, *ends, float(first), float(last), tuple(int(each) for each in counts), outside
    )


def _range(quantizer: Node) -> tuple[Array, Array]:
    """The lower and upper ends of a FakeQuantize."""
    low, high = (quantizer.source(index).node.array.astype(np.float32) for index in (1, 2))
    return low, high


def _weights(node: Node, quantizer: Node) -> ChannelWeights | None:
    """The weights of an operation in columns of channels."""
    if node.type not in WEIGHTED_TYPES or quantizer.source().node.type != "Const":
        return None
    weights, axes = quantizer.source().node.array.astype(np.float32), weight_axes(node).outputs
    if len(axes) > weights.ndim:
        return None
    channels = math.prod(weights.shape[axis] for axis in axes)
    rows = np.moveaxis(weights, axes, range(len(axes))).reshape(channels, -1)
    columns = np.array_split(rows, min(channels, _COLUMNS))
    spreads = tuple(tuple(float(each) for each in np.quantile(column, _LEVELS)) for column in columns)
    graph = node.graph
    graph.weights.release()
    return ChannelWeights(channels, spreads)  # type: ignore[arg-type]
