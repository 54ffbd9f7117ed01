"""The distribution of activations, weighted by the layers that read them."""

import math
from collections.abc import Iterable

import numpy as np

from ...ir import DYNAMIC, InPort, Node, OutPort
from ...ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT, WeightAxes, data_channel_axis, weight_axes
from ..analysis.constants import SHAPE_READERS
from ..analysis.expected_error import Distribution
from ..analysis.known_numbers import KnownNumbers
from ..analysis.ranges import Floats
from ..analysis.standard_errors import error_of_least_error_range
from ..options.config import QuantizationConfig
from ..statistics.request import Reduction, Request, Statistics, request
from ..statistics.sampling import sampled_channels, sampled_count, spread_stride
from .plan import Site

#: The most measured values that are used.
_MOST = 1 << 16


def sample_request(site: Site, config: QuantizationConfig) -> Request | None:
    """The request for the elements that determine the range with the least expected error.

    None if the range is estimated otherwise: by the user's options, for a constant, per channel, or in a body.
    """
    named = config.range_estimator or config.activations.range_estimator
    if named or site.is_constant or site.is_per_channel or site.source.node.graph.scope or not site.source.shape:
        return None
    return request(site.source, Reduction.SAMPLE, _channel_axis(site))


def distribution(
    site: Site, wanted: Request, statistics: Statistics, extremes: Iterable[Request], known: KnownNumbers
) -> Distribution:
    """The measured values, each weighted by the weights that read it.

    Args:
        site: The FakeQuantize.
        wanted: The request for the elements.
        statistics: The measured numbers.
        extremes: The smallest and the largest value of each observation, which a sample of elements misses: they are
            added.
        known: The numbers that were computed before.
    """
    numbers = statistics[wanted]
    shape, axis, count = site.source.shape, wanted.channel_axis, numbers.shape[1]
    weights = _weights_of_elements(site, wanted, count, known)
    stride = spread_stride(numbers.size, count, _MOST)
    values = [numbers.reshape(-1)[::stride]]
    counts = [np.broadcast_to(weights, numbers.shape).reshape(-1)[::stride]]
    if (elements := _elements(shape, axis, count)) > count:
        outer = [statistics[each].reshape(-1) for each in extremes]
        values += outer
        counts += [np.full(len(each), count / elements / stride) for each in outer]
    return known.once(Distribution.of, np.concatenate(values), np.concatenate(counts))


def error_of_range(
    site: Site,
    wanted: Request,
    statistics: Statistics,
    extremes: Iterable[Request],
    known: KnownNumbers,
    *,
    asymmetric: bool,
) -> float:
    """The standard error of the range with the least expected error, as a share of its width.

    Args:
        site: The FakeQuantize.
        wanted: The request for the elements.
        statistics: The measured numbers.
        extremes: See `distribution`.
        known: The numbers that were computed before.
        asymmetric: Whether the two ends may lie at different distances from zero.
    """
    values = statistics[wanted]
    shape, axis, count = site.source.shape, wanted.channel_axis, values.shape[1]
    weights = _weights_of_elements(site, wanted, count, known)
    if (elements := _elements(shape, axis, count)) > count:
        outer = [statistics[each] for each in extremes]
        values = np.concatenate([values, *outer], axis=1)
        weights = np.concatenate([weights, np.full(len(outer), count / elements)])
    signed = site.spec.signed
    return error_of_least_error_range(values, weights, site.levels, signed=signed, asymmetric=asymmetric)


def _weights_of_elements(site: Site, wanted: Request, count: int, known: KnownNumbers) -> Floats:
    """The weight of each of the `count` elements of an observation: that of its channel."""
    shape, axis = site.source.shape, wanted.channel_axis
    energies = None if axis is None else _energies(site, shape[axis], known)
    if energies is None or axis is None:
        return np.ones(count)
    return energies[sampled_channels(shape, axis, count)]


def _elements(shape: tuple[int, ...], channel_axis: int | None, count: int) -> int:
    """The number of elements of an observation with `count` sampled ones; very large if a size is unknown."""
    is_row = count == sampled_count(shape, channel_axis, batched=True)
    sizes = shape[1:] if is_row else shape
    known = math.prod(size for size in sizes if size != DYNAMIC)
    return max(known, _MOST) if DYNAMIC in sizes else known


def _channel_axis(site: Site) -> int | None:
    """The channel axis of the readers, if its size is known."""
    shape = site.source.shape
    axes = {_axis_of(port, len(shape)) for port in _readers(site)}
    axis = axes.pop() if len(axes) == 1 else 1
    return axis if 0 < axis < len(shape) and shape[axis] != DYNAMIC else None


def _readers(site: Site) -> list[InPort]:
    """The input ports that read the values."""
    return [port for port in site.consumers if port.node.type not in SHAPE_READERS]


def _axis_of(port: InPort, rank: int) -> int:
    """The channel axis of a port: one of the last two axes for a matrix product, else axis 1."""
    return data_channel_axis(port.node) % rank


def _energies(site: Site, channels: int, known: KnownNumbers) -> Floats | None:
    """For each channel, the mean over the readers of the squared weights that read it, 1 on average.

    None if a reader is not a layer with weights.
    """
    found = [_energy(port, channels, known) for port in _readers(site)]
    energies = [each for each in found if each is not None]
    if len(energies) < len(found) or not energies:
        return None
    mean: Floats = np.mean(energies, axis=0)
    return mean


def _energy(port: InPort, channels: int, known: KnownNumbers) -> Floats | None:
    layer = port.node
    if layer.type not in WEIGHTED_TYPES or port.index != DATA_PORT:
        return None
    constant = _constant(layer.source(WEIGHTS_PORT))
    if constant is None:
        return None
    energy = known.once(_squares, constant, weight_axes(layer))
    return energy / energy.mean() if len(energy) == channels and energy.any() else None


def _squares(constant: Node, axes: WeightAxes) -> Floats:
    """The sum of the squared weights that read each channel."""
    values = constant.array
    kept = [axis % values.ndim for axis in (axes.group, axes.inputs) if axis is not None]
    others = tuple(axis for axis in range(values.ndim) if axis not in kept)
    squares: Floats = np.square(values, dtype=np.float64).sum(axis=others).reshape(-1)
    return squares


def _constant(tensor: OutPort) -> Node | None:
    """The weights before their FakeQuantize."""
    node: Node = tensor.node
    if node.type == "FakeQuantize":
        node = node.source().node
    return node if node.type == "Const" else None
