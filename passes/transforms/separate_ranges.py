"""Readers that need another range than what operations join get a FakeQuantize of their own."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ...ir import Graph, InPort
from ..analysis.disjoint_sets import DisjointSets
from ..analysis.ranges import Range, asymmetric_range, symmetric_range
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Plan, Site
from ..placement.shared_ranges import bound_readers, divided, divisible
from ..statistics.request import Request
from .set_ranges import ranges_of, requests_for

#: How much coarser a shared range may be than the reader's own. At 8, three of eight bits are lost: 18 dB.
FACTOR = 8.0


@dataclass(frozen=True)
class SeparateRanges(Pass):
    """Divides FakeQuantizes in the plan whose readers need very different ranges.

    Given::                              Result::

        q = FakeQuantize(x)                  q = FakeQuantize(x)       # range +-5
        y = MatMul(q, k)                     y = MatMul(q, k)
        z = Concat(q, large)                 r = FakeQuantize(x)       # range +-300, as that of `large`
                                             z = Concat(r, large)

    `Concat` needs one range for all that it joins, as other operations do on some targets. Other readers of the same
    FakeQuantize would get it, too. A second FakeQuantize costs another rounding of a tensor, so that there is one only
    if the range of one reader is `FACTOR` times as wide as that of another. What the other readers lose by a shared
    range is its square.
    """

    name: ClassVar[str] = "separate-ranges"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """What the ranges are estimated from if all are separate."""
        sets = bound_readers(context.plan)
        if not divisible(context.plan, sets):
            return frozenset()
        return requests_for(divided(context.plan, sets), context)

    def why_all(self, graph: Graph, context: Context) -> str:
        """Nothing: a factor between ranges needs less precision than the ranges, which `set-ranges` waits for."""
        return ""

    def run(self, graph: Graph, context: Context) -> int:
        """Returns the number of FakeQuantizes that were divided.

        All sets of readers begin with a range of their own, and are joined where the ranges are alike.
        """
        plan, sets = context.plan, bound_readers(context.plan)
        if not (found := divisible(plan, sets)):
            return 0
        ranges = _ranges(plan, sets, {site.group for site, _ in found}, context)
        widest = {port: _width(limits) for port, (_, limits) in ranges.items()}
        least = {port: math.inf if _is_of_zeros(*each) else widest[port] for port, each in ranges.items()}
        _join_alike([readers for _, readers in found], sets, widest, least)
        if not (found := divisible(plan, sets)):
            return 0
        context.plan = divided(plan, sets)
        return len(found)


def _ranges(
    plan: Plan, sets: DisjointSets[InPort], groups: Collection[int | None], context: Context
) -> dict[InPort, tuple[Site, Range]]:
    """The FakeQuantizes of some groups and their ranges if all sets are separate."""
    edges = {port for site in plan.sites if site.group in groups for port in site.consumers}
    sites = [site for site in divided(plan, sets).sites if not edges.isdisjoint(site.consumers)]
    ranges = ranges_of(sites, context)
    return {port: (site, ranges[site.name]) for site in sites for port in site.consumers}


def _width(limits: Range) -> float:
    return (limits.high - limits.low).item()


def _is_of_zeros(site: Site, limits: Range) -> bool:
    """Whether a range is that of a tensor of zeros, which lose nothing in any other."""
    none = np.zeros(1)
    kinds = (
        symmetric_range(none, none, site.levels),
        symmetric_range(none, none, site.levels, signed=True),
        asymmetric_range(none, none, site.levels),
    )
    return any(math.isclose(_width(limits), _width(each), rel_tol=1e-6) for each in kinds)


def _join_alike(
    tensors: Sequence[Sequence[InPort]],
    sets: DisjointSets[InPort],
    widest: dict[InPort, float],
    least: dict[InPort, float],
) -> None:
    """Joins sets as long as no range gets `FACTOR` times as wide as that of a set that it began with.

    Args:
        tensors: For each tensor, a reader of each of its sets.
        sets: The sets.
        widest: The widths of their ranges; changed with the sets. That of joined ranges counts as the widest of them.
        least: The least width in each set that needs one; changed with the sets.
    """
    waiting = True
    while waiting:
        waiting = False
        for readers in tensors:
            roots = sorted(dict.fromkeys(map(sets.root, readers)), key=lambda root: widest[root])
            for pair in pairwise(roots):
                one, other = map(sets.root, pair)
                wide, narrow = max(widest[one], widest[other]), min(least[one], least[other])
                if one != other and wide < FACTOR * narrow:
                    sets.join([one, other])
                    widest[one], least[one] = wide, narrow
                    waiting = True
