"""Residual sums whose operands 8 bits spoil stay float."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...ir import Graph, Node
from ..analysis.ranges import fake_quantize
from ..infra.base import Context, Fact, Pass
from ..placement.distributions import distribution, sample_request
from ..placement.plan import Plan, Site
from ..statistics.request import Request
from .plan_placement import planned
from .set_ranges import extremes, ranges_of, requests_for

_REASON = "8 bits may leave too little of its operands"


@dataclass(frozen=True)
class KeepSumsFloat(Pass):
    """Takes the rounding of a sum of two activations out of the plan if it loses too much.

    Only where the target says how many decibels 8 bits must leave (`sum_sqnr`). The sum itself is cheap in float, and
    what it loses reaches the outputs, since the stream goes on behind it.

    If both operands and their errors are independent, their powers add up (Bienayme's identity): the ratio of the sum
    is the sum of the powers over the sum of the errors. The measured values tell what the best ranges lose, so that no
    further run is needed.
    """

    name: ClassVar[str] = "keep-sums-float"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """What the ranges with all sums are estimated from, and what those without them are."""
        if not (sums := _sums(graph, context)):
            return frozenset()
        return requests_for(context.plan, context) | requests_for(
            _without(dict.fromkeys(sums, _REASON), graph, context), context
        )

    def why_all(self, graph: Graph, context: Context) -> str:
        """Nothing: the ranges of the plan settle as those of `set-ranges` do; those of the other plan are not asked."""
        return ""

    def run(self, graph: Graph, context: Context) -> int:
        """Returns the number of sums that are float now.

        The plan is made again, so that a layer that shared an operand may get ranges per channel. It is not if that
        would also free other sums, or if a later pass then needs what was not measured.
        """
        least, sums, old = context.target.sum_sqnr, _sums(graph, context), context.plan
        ratios = {node: _ratio(_sites(node, context), context) for node in sums}
        reasons = {node: _why(ratio, context) for node, ratio in ratios.items() if ratio < least}
        if not reasons:
            return 0
        plans = (context.as_measured(_without(reasons, graph, context), graph), old.with_floats(reasons))
        for context.plan in plans:
            stays = {*_sums(graph, context)} == {*sums} - reasons.keys()
            if stays and _is_measured(graph, context):
                return len(reasons)
        context.plan = old
        return 0


def _is_measured(graph: Graph, context: Context) -> bool:
    """Whether the statistics answer what the later passes, `set-ranges` among them, ask for with the present plan."""
    later = [each for each in context.readers if not isinstance(each, KeepSumsFloat)]  # it would plan once more
    return all(each in context.statistics for pass_ in later for each in pass_.requests(graph, context))


def _why(ratio: float, context: Context) -> str:
    target = context.target
    return f"8 bits leave {ratio:.0f} dB of its operands, and target '{target.name}' asks for {target.sum_sqnr:g}"


def _without(reasons: Mapping[Node, str], graph: Graph, context: Context) -> Plan:
    """The plan with some sums in float: what other operations read may then have ranges per channel."""
    floats = {(node.graph.scope, node.id): reason for node, reason in reasons.items()}
    plan = planned(graph, context, {**context.reverted_to_float, **floats})
    return replace(plan, warnings=context.plan.warnings)


def _sums(graph: Graph, context: Context) -> list[Node]:
    """The sums whose operands are both rounded, if the target asks for a ratio."""
    if not context.target.sum_sqnr:
        return []
    nodes = [node for each in graph.walk() for node in each.nodes("Add")]
    rules = ((node, context.target.rule(node)) for node in nodes)
    return [node for node, rule in rules if rule and rule.requantizes and _are_rounded(node, context)]


def _are_rounded(node: Node, context: Context) -> bool:
    """Whether each operand has one FakeQuantize, in front of it or of what moves it."""
    return all(len(context.plan.feeding(port)) == 1 for port in node.inputs)


def _sites(node: Node, context: Context) -> list[Site]:
    return context.plan.feeding(*node.inputs)


def _ratio(sites: Sequence[Site], context: Context) -> float:
    """The expected ratio of signal to error in dB behind the sum; infinite if the values were not measured."""
    groups = {site.group for site in sites if site.group is not None}
    ranges = ranges_of([each for each in context.plan.sites if each in sites or each.group in groups], context)
    powers = errors = 0.0
    for site in sites:
        sample = sample_request(site, context.config)
        if sample is None or sample not in context.statistics:
            return math.inf
        found = distribution(site, sample, context.statistics, extremes(site), context.calibration.known)
        off = fake_quantize(found.values, ranges[site.name], site.levels) - found.values
        if not found.weights.any():
            return math.inf
        weights = found.weights / found.weights.sum()
        powers += float(np.sum(weights * found.values.astype(np.float64) ** 2))
        errors += float(np.sum(weights * off.astype(np.float64) ** 2))
    return 10 * math.log10(powers / errors) if powers and errors else math.inf
