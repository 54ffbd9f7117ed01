"""FakeQuantizes get their ranges: those of weights from the constants, those of activations from statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import DYNAMIC, Graph, Node
from ..targets import Mode, QuantSpec
from .base import Context, Fact
from .calibration.statistics import Reduction, Request, Statistics, request
from .config import Preset
from .plan import Site
from .ranges import Floats, Range, asymmetric_range, symmetric_range, weight_range, with_zero_on_grid
from .saturation import largest_pair_sum
from .signs import never_negative


@dataclass(frozen=True)
class SetRanges:
    """Closes the ranges of open FakeQuantizes (the published MinMaxQuantization with its default estimators).

    Given::                                          Result::

        fq = FakeQuantize(x) levels=256                  fq/low: f32[] = Const() [-1.0079]
                                                         fq/high: f32[] = Const() [1.0]
                                                         fq = FakeQuantize(x, fq/low, fq/high, fq/low, fq/high)

    1. Weights: the largest magnitude of each output channel; more where products could overflow (see `saturation`).
    2. Activations, per tensor: the mean over samples of the largest magnitude (symmetric), or of the smallest and the
       largest value (asymmetric); a symmetric range begins at zero if no sample has a negative value.
    3. Activations, per channel: the extremes over all samples.
    4. Tensors that a unified operation joins share the union of their ranges, with zero put back on the grid.
    """

    name: ClassVar[str] = "set-ranges"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED, Fact.MEASURED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The extremes of every tensor that the plan quantizes."""
        return frozenset(each for site in context.plan.sites if not site.is_constant for each in _extremes(site))

    def run(self, graph: Graph, context: Context) -> int:
        """Gives every open FakeQuantize its limits."""
        everywhere = (node for each in graph.walk() for node in each.nodes("FakeQuantize"))
        open_ = {node.name: node for node in everywhere if len(node.inputs) == 1}
        sites = [site for site in context.plan.sites if site.name in open_]
        ranges = {site.name: _range(site, context) for site in sites}
        ranges |= _unified(sites, ranges)
        ranges |= {site.name: _distinct(ranges[site.name], site.twin) for site in sites if site.twin}
        for site in sites:
            close(open_[site.name], ranges[site.name])
        return len(sites)


def _extremes(site: Site) -> list[Request]:
    """Requests for the extremes of a tensor: lowest, then highest; the latter alone where nothing can be negative."""
    axis = site.channel_axes[0] if site.channel_axes else None
    wanted = (Reduction.MAX,) if never_negative(site.source.node) else (Reduction.MIN, Reduction.MAX)
    return [request(site.source, reduction, axis) for reduction in wanted]


def _range(site: Site, context: Context) -> Range:
    shape = _limits_shape(site)
    if site.is_weights:
        pairs = [largest_pair_sum(port.node) for port in site.consumers if port.node in context.plan.at_risk]
        return weight_range(np.maximum.reduce([_largest(site).reshape(shape), *pairs]))
    low, high = _measured(site, context.statistics)
    magnitude = np.maximum(-low, high)
    if chosen_mode(site.spec, context.preset) is Mode.SYMMETRIC:
        bound = _aggregated(magnitude, site)
        return symmetric_range(low.min(axis=0), bound, site.spec.levels, signed=site.spec.signed).reshaped(shape)
    lowest, highest = -_aggregated(-low, site), _aggregated(high, site)
    return asymmetric_range(lowest, highest, site.spec.levels).reshaped(shape)


def _aggregated(largest: Floats, site: Site) -> Floats:
    """One bound from those of all samples: their maximum per channel, else their mean, unless that clips too much."""
    widest: Floats = largest.max(axis=0)
    if site.channel_axes or clips_too_much(largest, elements(site.source.shape), site.spec.levels):
        return widest
    mean: Floats = largest.mean(axis=0, dtype=np.float64)
    return mean


def elements(shape: tuple[int, ...]) -> int:
    """Elements of a tensor in one sample; 0 if a dimension other than the batch is dynamic."""
    return max(0, int(np.prod([size for size in shape[1:] if size != DYNAMIC]))) if DYNAMIC not in shape[1:] else 0


def clips_too_much(largest: Floats, count: int, levels: int) -> bool:
    """Whether the mean of the samples' maxima is too narrow a range.

    Cut to the mean r, a sample with maximum M > r has a squared error of (M - r)^2 or more. In the range up to the
    largest M, rounding costs count * step^2 / 12. If the first, on average over the samples, exceeds the second
    tenfold, clipping cannot be worth its while. That is so for small tensors, whose maxima are no outliers: the
    features in front of a classifier, say.

    Args:
        largest: One maximum a sample.
        count: Elements of the tensor, 0 if unknown.
        levels: Levels of the FakeQuantize.
    """
    clipped = np.square(np.maximum(largest - largest.mean(), 0), dtype=np.float64).mean()
    step = 2 * float(largest.max()) / (levels - 2)
    return count > 0 and bool(clipped > 10 * count * step**2 / 12)


def _limits_shape(site: Site) -> tuple[int, ...]:
    """Scalar limits per tensor; per channel, ones but for the channel axes."""
    if not site.channel_axes:
        return ()
    return tuple(size if axis in site.channel_axes else 1 for axis, size in enumerate(site.source.shape))


def _largest(site: Site) -> Floats:
    """The largest magnitude of each channel of a weights constant."""
    weights = site.source.node.array
    others = tuple(axis for axis in range(weights.ndim) if axis not in site.channel_axes)
    low, high = weights.min(axis=others, initial=0), weights.max(axis=others, initial=0)
    largest: Floats = np.maximum(-low.astype(np.float32), high.astype(np.float32))
    return largest


def _measured(site: Site, statistics: Statistics) -> tuple[Floats, Floats]:
    """The smallest and the largest values, a sample a row; a constant is one sample."""
    if site.is_constant:
        values = site.source.node.array.astype(np.float32)
        others = tuple(axis for axis in range(values.ndim) if axis not in site.channel_axes)
        return values.min(axis=others).reshape(1, -1), values.max(axis=others).reshape(1, -1)
    *lowest, high = (statistics[each] for each in _extremes(site))
    return (lowest[0] if lowest else np.zeros_like(high)), high


def chosen_mode(spec: QuantSpec, preset: Preset) -> Mode:
    """What the preset picks from the modes that the device can run."""
    wished = Mode.ASYMMETRIC if preset == "mixed" else Mode.SYMMETRIC
    return wished if wished in spec.modes else spec.modes[0]


def _distinct(limits: Range, twin: int) -> Range:
    """The range a trifle wider: the runtime would make one of two equal FakeQuantizes, which suits one reader only."""
    wider = 1 + twin * 2.0**-16
    return Range(np.asarray(limits.low * wider, np.float32), np.asarray(limits.high * wider, np.float32))


def _unified(sites: list[Site], ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The common range of each group.

    The reference implementation takes the union as it is, which leaves zero off the grid; here zero is put back on it.
    """
    groups: dict[int, list[Site]] = {}
    for site in sites:
        if site.group is not None:
            groups.setdefault(site.group, []).append(site)
    result: dict[str, Range] = {}
    for members in groups.values():
        low = np.minimum.reduce([ranges[site.name].low for site in members])
        high = np.maximum.reduce([ranges[site.name].high for site in members])
        levels = members[0].spec.levels
        if all(Mode.ASYMMETRIC in site.spec.modes for site in members):
            union = with_zero_on_grid(low.astype(np.float64), high.astype(np.float64), levels)
        else:
            union = symmetric_range(low, np.maximum(high, -low * (levels - 2) / levels), levels)
        result |= {site.name: union for site in members}
    return result


def close(fake_quantize: Node, limits: Range) -> None:
    """Replaces an open FakeQuantize by one with limits, which take the tensor's own element type."""
    graph, name, source = fake_quantize.graph, fake_quantize.name, fake_quantize.source()
    dtype = source.element_type.dtype
    consumers = fake_quantize.output().consumers
    near = consumers[0].node
    graph.rename(fake_quantize, f"{name}/open")
    low, high = (
        graph.add_constant(f"{name}/{side}", np.asarray(value, dtype), near=near).output()
        for side, value in (("low", limits.low), ("high", limits.high))
    )
    closed = graph.add(
        "FakeQuantize",
        name,
        [source, low, high, low, high],
        [(source.element_type, source.shape)],
        attributes=fake_quantize.attributes,
        near=near,
    )
    fake_quantize.replace_with(closed.output())
