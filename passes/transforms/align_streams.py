"""Aligns the channel ranges of whole streams before they are quantized: through sums, gates, pooling, concatenation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...ir import Graph, Node, OutPort
from ...ir.ops import DATA_PORT, WEIGHTS_PORT, is_depthwise, weight_axes
from ..analysis.channel_scales import DEVIATIONS, Matrix
from ..analysis.ranges import Floats
from ..analysis.stream_scales import Reader, Rounded, best_numbers
from ..analysis.streams import Stream, absorbs, streams
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Site
from ..statistics.aligned import Aligned, Place, Shift, place_of
from ..statistics.derivations import Derivations
from ..statistics.request import Reduction, Request, find_recipes, request
from ..statistics.sampling import Places, sampled_channels, spread_stride
from .set_ranges import requests_of

#: What is taken of each channel.
_EXTREMES = (Reduction.MIN, Reduction.MAX)
#: The most values of a tensor that are looked at.
_MOST = 1 << 12


@dataclass(frozen=True)
class AlignStreams(Pass):
    """Divides the channels of a stream, and multiplies the weights that read them by the same factors.

    Given::                                          Result::

        a = Add(Convolution(x, w1), b1)                  a = Add(Convolution(x, w1 / s), b1 / s)
        r = ReLU(a)                                      r = ReLU(a)
        y = Convolution(r, w2)                           y = Convolution(r, w2 * s)

    A stream is a set of tensors that positive factors tie (see `streams`): residual sums, joined channels, pooling.
    The layers at its ends take the factors; depthwise layers take those of both sides. Nagel et al.,
    "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, do this for pairs of layers. Here,
    the factors are chosen by the expected error instead (see `stream_scales`). The pass skips a stream that would gain
    little, that layers in `context.aligned` read, or that has a tensor whose range is estimated from quantiles.

    New statistics follow from the measured ones, v / s, so that there is no second run.
    """

    name: ClassVar[str] = "align-streams"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED, Fact.AS_MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The extremes of the channels, and some values with known channels."""
        sites = [site for stream in streams(graph) for site in _sites(stream, context)]
        return frozenset(each for site in sites for each in _requests(site.source))

    def run(self, graph: Graph, context: Context) -> int:
        """Aligns each stream that gains by it."""
        shifts: dict[Place, Shift] = {}
        changed = 0
        for stream in streams(graph, context.aligned):
            numbers = _best_numbers(stream, graph, context)
            context.aligned |= {node for node, _ in _readers(stream)}
            if numbers is not None:
                _divide(stream, numbers)
                shifts |= _shifts(stream, numbers)
                changed += 1
        if shifts:
            measured = Aligned(context.statistics.measured, shifts)
            context.statistics = replace(context.statistics, measured=measured)
        return changed


def _sites(stream: Stream, context: Context) -> list[Site]:
    """The FakeQuantizes that round tensors of a stream."""
    return [site for site in context.plan.sites if site.source in stream.channels]


def _requests(tensor: OutPort) -> list[Request]:
    return [request(tensor, each, 1) for each in (*_EXTREMES, Reduction.SAMPLE)]


def _readers(stream: Stream) -> Iterator[tuple[Node, OutPort]]:
    """The layers that take the factors of a tensor they read, and that tensor."""
    for tensor in stream.channels:
        for port in tensor.consumers:
            if absorbs(port.node) and port.index == DATA_PORT:
                yield port.node, tensor


def _best_numbers(stream: Stream, graph: Graph, context: Context) -> Floats | None:
    """The best factors for the channels; None if none are worth it."""
    sites = _sites(stream, context)
    if not sites or not all(_follows(site, graph, context) for site in sites):
        return None
    measured = {site.source: _Measured.of(site.source, context) for site in sites}
    extents = np.zeros(stream.size + 1)
    for tensor, found in measured.items():
        np.maximum.at(extents, stream.channels[tensor], found.extents)
    readers = {
        node: _reader(node, stream.channels[tensor], measured.get(tensor), extents, context)
        for node, tensor in _readers(stream)
    }
    whole = [site for site in sites if not site.is_per_channel]
    rounded = [_rounded(site, stream, measured[site.source], readers) for site in whole]
    return best_numbers(extents[:-1], [*readers.values()], rounded)


def _follows(site: Site, graph: Graph, context: Context) -> bool:
    """Whether the statistics that a range is estimated from follow from the extremes of the channels."""
    channels = {request(site.source, each, 1) for each in _EXTREMES}
    return find_recipes(requests_of(site, context), channels, Derivations(graph, {})) is not None


@dataclass(frozen=True)
class _Measured:
    """The known statistics of a tensor.

    Attributes:
        low: The smallest value of each channel: [channels].
        high: The largest one.
        extents: The range of each, zero included, in the median of the samples.
        mean_square: Of each.
        values: Some values: [n].
        places: The channel of each.
    """

    low: Floats
    high: Floats
    extents: Floats
    mean_square: Floats
    values: Floats
    places: Places

    @classmethod
    def of(cls, tensor: OutPort, context: Context) -> "_Measured":
        low, high, numbers = (context.statistics[each].astype(np.float64) for each in _requests(tensor))
        extents = np.maximum(np.median(high, axis=0), 0) - np.minimum(np.median(low, axis=0), 0)
        count = numbers.shape[1]
        places = sampled_channels(tensor.shape, 1, count)
        means = np.square(numbers).mean(axis=0)
        per_channel = np.bincount(places, minlength=tensor.shape[1])
        squares = np.bincount(places, means, minlength=tensor.shape[1]) / np.maximum(per_channel, 1)
        mean_square = np.where(per_channel > 0, squares, np.square(extents / DEVIATIONS))
        stride = spread_stride(numbers.size, count, _MOST)
        values = numbers.reshape(-1)[::stride]
        chosen = np.arange(0, numbers.size, stride) % count
        return cls(low.min(axis=0), high.max(axis=0), extents, mean_square, values, places[chosen])


def _reader(node: Node, channels: Places, found: _Measured | None, extents: Floats, context: Context) -> Reader:
    square = found.mean_square if found else np.square(extents[channels] / DEVIATIONS)
    weights = _by_group(node)
    columns = np.square(weights).sum(axis=(1, 3)).reshape(-1)
    site = next((each for each in context.plan.sites if each.source == node.source(WEIGHTS_PORT)), None)
    if site is None or is_depthwise(node):
        return Reader(channels, square, columns)
    largest = np.abs(weights).max(axis=3).astype(np.float32)
    matrices = tuple(Matrix(each, site.levels, is_per_channel=site.is_per_channel) for each in largest)
    return Reader(channels, square, columns, matrices, weights.shape[3])


def _by_group(node: Node) -> Floats:
    """The weights of a layer: [groups, output channels, input channels, taps]."""
    values, axes = node.source(WEIGHTS_PORT).node.array.astype(np.float64), weight_axes(node)
    if axes.group is None:
        values, roles = values[None], (0, axes.outputs[0] + 1, axes.inputs + 1)
    else:
        roles = (axes.group, axes.outputs[1], axes.inputs)
    moved = np.moveaxis(values, roles, (0, 1, 2))
    return moved.reshape(*moved.shape[:3], -1)


def _rounded(site: Site, stream: Stream, found: _Measured, readers: Mapping[Node, Reader]) -> Rounded:
    channels = stream.channels[site.source]
    importance = np.zeros(len(channels))
    for port in site.consumers:
        importance += readers[port.node].importance if port.node in readers else _of_all(readers, stream)[channels]
    return Rounded(
        channels, found.values, found.places, found.low, found.high, importance, site.levels, site.spec.signed
    )


def _of_all(readers: Mapping[Node, Reader], stream: Stream) -> Floats:
    """The weight of the errors of the channels that each factor divides, in all layers that read the stream."""
    found = np.zeros(stream.size + 1)
    for reader in readers.values():
        np.add.at(found, reader.channels, reader.importance)
    return found


def _divide(stream: Stream, numbers: Floats) -> None:
    """Edits the constants at the ends of a stream, and those that are added on the way."""
    for tensor in stream.channels:
        node, divisors = tensor.node, stream.of(tensor, numbers)
        if absorbs(node):
            _multiply(node, 1 / divisors, weight_axes(node).outputs)
        elif node.type in ("Add", "Subtract"):
            _divide_constant(node, divisors)
    for node, tensor in _readers(stream):
        axes = weight_axes(node)
        _multiply(node, stream.of(tensor, numbers), [axes.inputs] if axes.group is None else [axes.group, axes.inputs])


def _multiply(node: Node, factors: Floats, axes: Sequence[int]) -> None:
    """Multiplies the weights of a layer by a factor for each channel; some axes number the channels together."""
    constant = node.source(WEIGHTS_PORT).node
    values = constant.array
    shape = [size if axis in axes else 1 for axis, size in enumerate(values.shape)]
    by_role = factors.reshape([values.shape[axis] for axis in axes]).transpose(np.argsort(axes))
    constant.set_array((values * by_role.reshape(shape)).astype(values.dtype))


def _divide_constant(node: Node, divisors: Floats) -> None:
    shape = [1, -1, *[1] * (len(node.output().shape) - 2)]
    for port in node.inputs:
        old = port.source.node
        if old.type == "Const" and (divisors != 1).any():
            value = (old.array / divisors.reshape(shape)).astype(old.array.dtype)
            constant = node.graph.add_constant(f"{old.name}/aligned", value, near=node)
            port.connect(constant.output())
            node.graph.prune(old)


def _shifts(stream: Stream, numbers: Floats) -> dict[Place, Shift]:
    """The changes of the tensors of a stream."""
    found = {tensor: stream.of(tensor, numbers) for tensor in stream.channels}
    return {
        place_of(request(tensor, Reduction.MIN)): Shift(np.zeros(len(divisors)), divisors, tensor.shape)
        for tensor, divisors in found.items()
    }
