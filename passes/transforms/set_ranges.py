"""Sets the ranges of FakeQuantizes: of weights from the constants, of activations from statistics."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Builder, Graph, Node
from ...targets import Mode
from ..analysis.expected_error import Distribution, least_error_range
from ..analysis.ranges import (
    LEAST,
    SMALLEST,
    Floats,
    Range,
    asymmetric_range,
    is_centred,
    symmetric_range,
    weight_range,
    with_whole_zero_point,
    with_zero_on_grid,
)
from ..analysis.signs import never_negative
from ..analysis.standard_errors import SETTLED, error_of_mean
from ..infra.base import Context, Fact, Pass
from ..options.config import QuantizationConfig
from ..placement.distributions import distribution, error_of_range, sample_request
from ..placement.overflow_fix import largest_pair_sum
from ..placement.plan import Plan, Site
from ..placement.range_estimators import End, ends
from ..statistics.aggregators import aggregated
from ..statistics.request import Numbers, Reduction, Request, Statistics, request

#: Values beyond the mean of the samples' extremes do not count if the range with the least expected error would be
#: more than so many times as wide, if at most that share of the values lies so far out, and if the tensor is known to
#: have so many elements or more. A few spikes have squares that outweigh all else, but functions and layers behind clip
#: what they cause. (Median dB of the worst output, on other pictures, without and with this limit: iris landmarks 27
#: and 34, a face detector 5 and 17, a face mesh 26 and 27; there, 0.00001 to 0.0002 of the values lay so far out. A
#: limit of 1.5 cost a face detector of small tensors 8 dB. In a network for sound with tensors of 512 elements, 36 dB
#: fell to 28.)
WIDEST, RARE, MANY = 2.0, 1e-3, 1024


@dataclass(frozen=True)
class SetRanges(Pass):
    """Closes the ranges of open FakeQuantizes (the published MinMaxQuantization).

    Given::                                          Result::

        fq = FakeQuantize(x) levels=256                  fq/low: f32[] = Const() [-1.0079]
                                                         fq/high: f32[] = Const() [1.0]
                                                         fq = FakeQuantize(x, fq/low, fq/high, fq/low, fq/high)

    1. `range_estimators` defines how both ends are estimated. By default, weights get the largest magnitude of each
       output channel, activations the mean over samples of their extremes, or, per channel, the extremes over all
       samples. A symmetric range begins at zero if no sample has a negative value.
    2. Ends are clipped to the values that the user names, and zero is put back on the grid.
    3. If products could overflow, the range of weights is wide enough to prevent that, against all options (see
       `overflow_fix`).
    4. Tensors that a unified operation joins share the union of their ranges, with zero on the grid; with a constant
       among them that is stored unsigned, zero is not the middle level.
    5. If the user names no estimator, activations with one range for the whole tensor, except in bodies, get the range
       with the least expected error instead (see `expected_error`). The range of 1 to 4 is kept if no other is better.
       A few values beyond it do not make it much wider (`WIDEST`).
       The range may be asymmetric if the plan says so, or if that costs nothing and the user names neither preset nor
       mode.
    """

    name: ClassVar[str] = "set-ranges"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED, Fact.MEASURED, Fact.PLANNED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.AS_MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The statistics from which the ends of all ranges are estimated."""
        return requests_for(context.plan, context)

    def why_all(self, graph: Graph, context: Context) -> str:
        """A range from extremes of all samples, or from anything else that is no mean."""
        for members in _groups([site for site in context.plan.sites if not site.is_weights]):
            if not all(sample_request(site, context.config) for site in members):
                for site in (each for each in members if not each.is_constant):
                    if others := {end.aggregator for end in _ends_of_width(site, context)} - {"mean"}:
                        return f"the range at '{site.source.node.name}' comes from the {min(others)} of all samples"
        return ""

    def why_more(self, graph: Graph, context: Context) -> str:
        """A range whose standard error is a larger share of its width than `SETTLED`."""
        for members in _groups([site for site in context.plan.sites if not site.is_weights]):
            has_values = all(sample_request(site, context.config) for site in members)
            for site in (each for each in members if not each.is_constant):
                if why := _why_unsettled(site, context, has_values=has_values):
                    return f"the range at '{site.source.node.name}' {why}"
        return ""

    def run(self, graph: Graph, context: Context) -> int:
        """Gives every open FakeQuantize its limits."""
        everywhere = (node for each in graph.walk() for node in each.nodes("FakeQuantize"))
        open_ = {node.name: node for node in everywhere if len(node.inputs) == 1}
        sites = [site for site in context.plan.sites if site.name in open_]
        ranges = ranges_of(sites, context)
        ranges |= {site.name: _distinct(ranges[site.name], site.twin) for site in sites if site.twin}
        for site in sites:
            close(open_[site.name], ranges[site.name])
        return len(sites)


def ranges_of(sites: Sequence[Site], context: Context) -> dict[str, Range]:
    """The ranges of FakeQuantizes, by name; the members of a group must all be there."""
    ranges = {site.name: estimated_range(site, context) for site in sites}
    ranges |= _unified(sites, ranges)
    ranges |= _with_least_error(sites, ranges, context)
    ranges |= _never_signed(sites, ranges)
    ranges |= _of_halves(sites, ranges)
    return ranges


def extremes(site: Site) -> list[Request]:
    """The requests for a tensor's extremes; an end at zero is not measured."""
    reductions = [Reduction.MAX] if never_negative(site.source.node) else [Reduction.MIN, Reduction.MAX]
    return [request(site.source, each) for each in reductions]


def requests_for(plan: Plan, context: Context) -> frozenset[Request]:
    """The statistics from which all ranges of a plan are estimated."""
    sites = [site for site in plan.sites if not site.is_constant]
    return frozenset(each for site in sites for each in (*requests_of(site, context), *_values(site, context)))


def _values(site: Site, context: Context) -> list[Request]:
    """The requests for the distribution of a tensor's values, if it is needed."""
    sample = sample_request(site, context.config)
    return [sample, *extremes(site)] if sample else []


def _with_least_error(
    sites: Sequence[Site], ranges: Mapping[str, Range], context: Context
) -> Iterator[tuple[str, Range]]:
    """The ranges with the least expected error, for tensors with known values; a group has one.

    The ranges of the published estimators are among the candidates, and values beyond them do not count if
    the range would be too wide (`WIDEST`).
    """
    for members in _groups(sites):
        known = [_distribution(site, context) for site in members]
        found = [each for each in known if each]
        if len(found) < len(members):
            continue
        limits = ranges[members[0].name]
        whole = found[0] if len(found) == 1 else Distribution.joined(found)
        best = _best(whole, limits, members, context)
        is_large = all(elements(site.source.shape) >= MANY for site in members)
        if is_large and _is_for_outliers(best, limits, found):
            best = _best(whole.clipped(limits), limits, members, context)
        yield from ((site.name, best.reshaped(limits.low.shape)) for site in members)


def _best(found: Distribution, start: Range, members: Sequence[Site], context: Context) -> Range:
    """The range of a group with the least expected error for some values."""
    return context.calibration.known.once(
        least_error_range,
        found,
        start.reshaped(()),
        members[0].levels,
        signed=any(site.spec.signed for site in members),
        asymmetric=all(_may_be_asymmetric(site, context.config) for site in members),
    )


def _is_for_outliers(best: Range, published: Range, found: Iterable[Distribution]) -> bool:
    """Whether a range is so wide because of few values."""
    width = (published.high - published.low).max()
    if (best.high - best.low).max() <= WIDEST * width:
        return False
    most = WIDEST * np.maximum(-published.low, published.high).max()
    return all(each.weights[np.abs(each.values) > most].sum() <= RARE * each.weights.sum() for each in found)


def _never_signed(sites: Sequence[Site], ranges: Mapping[str, Range]) -> Iterator[tuple[str, Range]]:
    """Ranges that the device would store signed, which a reader does not support, moved by a step."""
    for members in _groups(sites):
        if any(site.spec.never_signed for site in members):
            yield from ((site.name, _off_centre(ranges[site.name], site.levels)) for site in members)


def _of_halves(sites: Sequence[Site], ranges: Mapping[str, Range]) -> Iterator[tuple[str, Range]]:
    """Ranges that are stored in f16, at least as wide as the least published one, which is a normal number there."""
    for site in sites:
        if site.source.element_type.name == "f16":
            low, high = ranges[site.name].low, ranges[site.name].high
            factor = np.maximum(1, SMALLEST / np.maximum(-low, high))
            yield site.name, Range(low * factor, high * factor)


def _groups(sites: Iterable[Site]) -> Iterable[list[Site]]:
    """The FakeQuantizes that share a range."""
    groups: dict[object, list[Site]] = {}
    for site in sites:
        groups.setdefault(site.name if site.group is None else site.group, []).append(site)
    return groups.values()


def _why_unsettled(site: Site, context: Context, *, has_values: bool) -> str:
    """Why the range of an activation may still move; empty if it has settled."""
    statistics = context.statistics
    if has_values:
        sample = sample_request(site, context.config)
        assert sample, "the values of all members are known"
        is_open = _may_be_asymmetric(site, context.config)
        known = context.calibration.known
        share = error_of_range(site, sample, statistics, extremes(site), known, asymmetric=is_open)
        return "" if share <= SETTLED else _how_unsettled(share)
    low, _ = ends_used(site, context)
    if low and site.mode is Mode.SYMMETRIC and not (statistics[low.request(site)] < 0).any():
        return "has no negative values so far, and one would double it"
    for end in _ends_of_width(site, context):
        numbers = statistics[end.request(site)]
        if not len(numbers):
            return "was not reached so far"
        if _needs_extremes(end, numbers, site):
            return "comes from extremes, since their mean would clip too much"
        limits = estimated_range(site, context)
        share = float((error_of_mean(numbers) / (limits.high - limits.low).max()).max())
        if share > SETTLED:
            return _how_unsettled(share)
    return ""


def _how_unsettled(share: float) -> str:
    return f"has a standard error of {share:.1%}" if math.isfinite(share) else "depends on the extremes of few samples"


def _ends_of_width(site: Site, context: Context) -> list[End]:
    """The estimators of an activation's ends; the lower end of a symmetric range tells only the sign."""
    low, high = ends_used(site, context)
    return [high] if low is None or site.mode is Mode.SYMMETRIC else [low, high]


def _distribution(site: Site, context: Context) -> Distribution | None:
    sample = sample_request(site, context.config)
    if sample is None or sample not in context.statistics:
        return None
    outer = [each for each in extremes(site) if each in context.statistics]
    return distribution(site, sample, context.statistics, outer, context.calibration.known)


def _may_be_asymmetric(site: Site, config: QuantizationConfig) -> bool:
    """Whether a range may be asymmetric: the plan says so, or it is free and the user has no preference."""
    is_open = config.preset is None and config.activations.mode is None
    is_free = site.spec.free_zero_point and Mode.ASYMMETRIC in site.spec.modes
    is_free = is_free and (config.slow_zero_points or not site.spec.slow_zero_point)
    return site.mode is Mode.ASYMMETRIC or (is_open and is_free)


def requests_of(site: Site, context: Context) -> frozenset[Request]:
    """The statistics from which the ends of an activation's range are estimated."""
    return frozenset(end.request(site) for end in ends_used(site, context) if end)


def ends_used(site: Site, context: Context) -> tuple[End | None, End]:
    """The estimators of both ends; the lower end is zero if no value can be negative."""
    low, high = ends(site, context.config)
    if site.is_constant or not never_negative(site.source.node):
        return low, high
    signed = {Reduction.ABS_MAX: Reduction.MAX, Reduction.ABS_QUANTILE: Reduction.QUANTILE}
    return None, replace(high, reduction=signed.get(high.reduction, high.reduction))


def estimated_range(site: Site, context: Context) -> Range:
    """The range of a FakeQuantize by itself, before ranges are shared."""
    shape = _limits_shape(site)
    low_end, high_end = ends_used(site, context)
    high = _estimated(high_end, site, context.statistics, is_low=False)
    low = np.zeros_like(high)
    if low_end and (site.mode is Mode.ASYMMETRIC or not site.is_weights):  # symmetric weights have no lower end
        low = _estimated(low_end, site, context.statistics, is_low=True)
    if site.mode is Mode.ASYMMETRIC:
        found = asymmetric_range(low, high, site.levels)
    elif site.is_weights:
        found = weight_range(high, site.levels)
    else:
        found = symmetric_range(low, high, site.levels, signed=site.spec.signed)
    return _without_overflow(_clipped(found, low_end, high_end, site), site, context).reshaped(shape)


def _estimated(end: End, site: Site, statistics: Statistics, *, is_low: bool) -> Floats:
    """One end of the range: one number, or one per channel."""
    if site.is_constant:
        values = site.source.node.array
        others = tuple(axis for axis in range(values.ndim) if axis not in site.channel_axes)
        found = end.sign * end.of(values, others).ravel()
    else:
        found = end.sign * _aggregated(end, statistics[end.request(site)], site)
    if not site.channel_axes:
        return np.asarray(found.min() if is_low else found.max()).reshape(1)
    return np.broadcast_to(found, _limits_size(site))


def _aggregated(end: End, numbers: Numbers, site: Site) -> Floats:
    """The aggregate over all samples; the mean only if it does not clip too much, or if the user asks for it."""
    if _needs_extremes(end, numbers, site):
        return aggregated(numbers, "min" if end.reduction is Reduction.MIN else "max")
    return aggregated(numbers, end.aggregator)


def _needs_extremes(end: End, numbers: Numbers, site: Site) -> bool:
    """Whether the default mean would clip too much."""
    if not end.is_default or end.aggregator != "mean" or end.level is not None or end.per_channel:
        return False
    magnitudes = -numbers if end.reduction is Reduction.MIN else numbers
    return clips_too_much(magnitudes, elements(site.source.shape), site.levels)


def _without_overflow(limits: Range, site: Site, context: Context) -> Range:
    """The range of weights, wide enough in each output channel that products do not overflow."""
    layers = [port.node for port in site.consumers if port.node in context.plan.at_risk and site.is_weights]
    if not layers or site.mode is Mode.ASYMMETRIC:
        return limits
    largest: Floats = np.maximum.reduce([largest_pair_sum(layer).ravel() for layer in layers])
    smallest = largest if site.channel_axes else largest.max(keepdims=True)
    return weight_range(np.maximum(limits.high, smallest), site.levels)


def _clipped(limits: Range, low_end: End | None, high_end: End, site: Site) -> Range:
    """The range clipped to the values that the user names, with zero on the grid.

    The reference implementation clips the ends and does not put zero back on the grid.
    """
    low, high, levels = limits.low.astype(np.float64), limits.high.astype(np.float64), site.levels
    lowest = -np.inf if low_end is None or low_end.clipping is None else low_end.clipping
    highest = np.inf if high_end.clipping is None else high_end.clipping
    if (low >= lowest).all() and (high <= highest).all():
        return limits
    low, high = np.maximum(low, lowest), np.minimum(high, highest)
    is_empty = high < low + LEAST  # if all values lie below a lower end of zero
    high = np.where(is_empty, low + SMALLEST, high)
    if Mode.ASYMMETRIC in site.spec.modes:
        return with_zero_on_grid(low, high, levels)
    bound = np.minimum(high, np.where(low < 0, -low, np.inf))
    return weight_range(bound, levels) if site.is_weights else symmetric_range(low, bound, levels)


def elements(shape: tuple[int, ...]) -> int:
    """The number of elements of a tensor in one sample; 0 if a dimension other than the batch is dynamic."""
    return max(0, int(np.prod([size for size in shape[1:] if size != DYNAMIC]))) if DYNAMIC not in shape[1:] else 0


def clips_too_much(largest: Floats, count: int, levels: int) -> bool:
    """Whether the mean of the samples' maxima is too narrow a range.

    Clipped to the mean r, a sample with maximum M > r has a squared error of (M - r)^2 or more. In the range up to the
    largest M, rounding costs count * step^2 / 12. If the first, on average over the samples, exceeds the second
    tenfold, clipping cannot pay off. This happens for small tensors, whose maxima are no outliers, for example the
    features in front of a classifier.

    Args:
        largest: One maximum per sample.
        count: The number of elements of the tensor; 0 if unknown.
        levels: Levels of the FakeQuantize.
    """
    clipped = np.square(np.maximum(largest - largest.mean(), 0), dtype=np.float64).mean()
    step = 2 * float(largest.max()) / (levels - 2)
    return count > 0 and bool(clipped > 10 * count * step**2 / 12)


def _limits_shape(site: Site) -> tuple[int, ...]:
    """The shape of limits: scalar for the whole tensor; per channel, 1 along all axes except the channel axes."""
    if not site.channel_axes:
        return ()
    return tuple(size if axis in site.channel_axes else 1 for axis, size in enumerate(site.source.shape))


def _limits_size(site: Site) -> tuple[int]:
    return (math.prod(_limits_shape(site)),)


def _distinct(limits: Range, twin: int) -> Range:
    """The range, slightly wider: the runtime would merge equal FakeQuantizes into one that suits one reader only."""
    wider = 1 + twin * 2.0**-16
    return Range(np.asarray(limits.low * wider, np.float32), np.asarray(limits.high * wider, np.float32))


def _unified(sites: Sequence[Site], ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The common range of each group.

    The reference implementation takes the plain union, which leaves zero off the grid; here zero is put back on it.
    """
    groups: dict[int, list[Site]] = {}
    for site in sites:
        if site.group is not None:
            groups.setdefault(site.group, []).append(site)
    result: dict[str, Range] = {}
    for members in groups.values():
        low = np.minimum.reduce([ranges[site.name].low for site in members])
        high = np.maximum.reduce([ranges[site.name].high for site in members])
        levels = members[0].levels
        if all(Mode.ASYMMETRIC in site.spec.modes for site in members):
            union = with_zero_on_grid(low.astype(np.float64), high.astype(np.float64), levels)
        else:
            union = symmetric_range(low, np.maximum(high, -low * (levels - 2) / levels), levels)
        if any(site.is_constant and site.spec.unsigned for site in members):
            union = with_whole_zero_point(_off_centre(union, levels), levels)
        result |= {site.name: union for site in members}
    return result


def _off_centre(limits: Range, levels: int) -> Range:
    """The range; if zero is the upper of the two middle levels, widened so that it is the lower one.

    Zero at the upper one may mean signed or unsigned numbers. A constant is stored as one of the two; some devices,
    depending on their instructions, take the tensors that it is joined with for the other, and join both as floats.
    """
    if not is_centred(limits, levels):
        return limits
    below = levels // 2 - 1
    step = -limits.low / below
    return Range(limits.low, np.asarray(step * (levels - 1 - below), limits.high.dtype))


def close(fake_quantize: Node, limits: Range) -> None:
    """Replaces an open FakeQuantize with one that has limits, in the tensor's own element type."""
    graph, name, source = fake_quantize.graph, fake_quantize.name, fake_quantize.source()
    dtype = source.element_type.dtype
    build = Builder(graph, fake_quantize.output().consumers[0].node)
    graph.rename(fake_quantize, f"{name}/open")
    low, high = (
        build.constant(np.asarray(value, dtype), name=f"{name}/{side}")
        for side, value in (("low", limits.low), ("high", limits.high))
    )
    levels = int(fake_quantize.attributes["levels"])
    fake_quantize.replace_with(build.fake_quantize(source, low, high, low, high, levels=levels, name=name))
