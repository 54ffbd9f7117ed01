"""Attention multiplies its probabilities and values in float where 8 bits are too coarse for the probabilities."""

import math
from dataclasses import dataclass
from typing import ClassVar

from ...ir import DYNAMIC, Graph, Node
from ..analysis.attention import matrix_products_around, weights_port
from ..analysis.expected_error import expected_sqnr
from ..infra.base import Context, Fact, Pass
from ..placement.distributions import distribution, sample_request
from ..placement.placement import MIXED_UP, mixes_up
from ..placement.plan import Site
from ..statistics.request import Reduction, Request, request
from .set_ranges import extremes, ranges_of

#: How many decibels less 8 bits may leave if both products would be float: in f32, attention then takes up to twice the
#: time of int8, with one of them in float 1.05 (257 tokens) to 1.5 times (1500).
FOR_BOTH = 10.0


@dataclass(frozen=True)
class KeepAttentionFloat(Pass):
    """Takes the product of probabilities and values out of the plan if rounding the probabilities loses too much.

    Only where the target says how many decibels 8 bits must leave (`attention_sqnr`). The product of queries and keys
    stays int8. If the target mixes up the two products (see `mixes_up`), both stay float. That takes much more time, so
    that it must be worth more (see `FOR_BOTH`).

    The probabilities of N tokens have a sum of one. If one row of them is spread over many tokens, values lie near 1/N,
    and if another row is not, the range goes up to one, in steps of 1/255. The measured values tell what the best range
    loses (see `expected_sqnr`), so that no further run is needed.

    Source of the observation: Yuan et al., "PTQ4ViT: Post-training quantization for vision transformers with twin
    uniform quantization", ECCV 2022, section 3.1. Instead of two ranges, which no kernel takes, here the product stays
    float. Left alone is attention in bodies, and with ranges that the user estimates otherwise.
    """

    name: ClassVar[str] = "keep-attention-float"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED, Fact.MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """Values of the probabilities from all heads and rows, and their extremes."""
        sites = (site for softmax in _softmaxes(graph, context) for site in _sites(softmax, context))
        chosen = (site for site in sites if sample_request(site, context.config))
        return frozenset(each for site in chosen for each in (_sample(site), *extremes(site)))

    def run(self, graph: Graph, context: Context) -> int:
        """Returns the number of attention blocks with products in float now."""
        changed = 0
        for softmax in _softmaxes(graph, context):
            ratio = min((_expected(site, context) for site in _sites(softmax, context)), default=math.inf)
            if ratio < _asked(softmax, context):
                context.plan = context.plan.with_floats(_reasons(softmax, ratio, context))
                changed += 1
        return changed


def _softmaxes(graph: Graph, context: Context) -> list[Node]:
    """All, if the target asks for a ratio."""
    return list(graph.nodes("SoftMax")) if context.target.attention_sqnr else []


def _sites(softmax: Node, context: Context) -> list[Site]:
    """Where the plan rounds the probabilities, each to a range of its own."""
    port = weights_port(softmax)
    return [site for site in context.plan.feeding(port) if site.group is None] if port else []


def _asked(softmax: Node, context: Context) -> float:
    """The decibels that 8 bits must leave of these probabilities."""
    products, target = matrix_products_around(softmax), context.target
    return target.attention_sqnr - (FOR_BOTH if products and mixes_up(*products, target) else 0)


def _sample(site: Site) -> Request:
    return request(site.source, Reduction.SAMPLE)


def _expected(site: Site, context: Context) -> float:
    """The expected ratio of signal to error in dB behind the FakeQuantize; infinite if its values were not measured."""
    if _sample(site) not in context.statistics:
        return math.inf
    found = distribution(site, _sample(site), context.statistics, extremes(site), context.calibration.known)
    return expected_sqnr(found, ranges_of([site], context)[site.name], site.levels)


def _reasons(softmax: Node, ratio: float, context: Context) -> dict[Node, str]:
    """For each product that leaves the plan, why it stays float."""
    found, target, decisions = matrix_products_around(softmax), context.target, context.plan.decisions
    assert found, "whose probabilities are rounded"
    scores, mixed = found
    size = softmax.output().shape[-1]
    tokens = "tokens" if size == DYNAMIC else f"{size} tokens"
    reason = (
        f"probabilities spread over {tokens}: 8 bits leave {ratio:.0f} dB, and target '{target.name}' asks for "
        f"{_asked(softmax, context):g}"
    )
    both = {scores: MIXED_UP, mixed: reason} if mixes_up(scores, mixed, target) else {mixed: reason}
    return {node: why for node, why in both.items() if decisions[node].may_run_int8}
