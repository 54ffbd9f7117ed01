"""Decomposes attention that is one operation into its matrix products, if a target runs those in int8."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Builder, Graph, Node, OutPort
from ...ir.shape_rules import broadcast
from ..analysis.attention import KEY, MASK, QUERY, SCALE, VALUE, WHOLE, why_whole
from ..analysis.caches import attention_over_caches
from ..infra.base import Context, Fact, Pass


@dataclass(frozen=True)
class DecomposeAttention(Pass):
    """Writes ScaledDotProductAttention as its definition: SoftMax(Q K^T * scale + mask) V.

    Given::                                          Result::

        a = ScaledDotProductAttention(q, k, v)           a/scores = MatMul(q, k) transpose_b=true
                                                         a/scaled = Multiply(a/scores, scale)
                                                         a/weights = SoftMax(a/scaled) axis=3
                                                         a = MatMul(a/weights, v)

    Source: OpenVINO operation specification, ScaledDotProductAttention-13. The scale is applied behind the product, so
    that the product reads Q directly from its layer. The pass skips causal and boolean masks, further inputs, unknown
    ranks (see `why_whole`), and attention that reads a cache (see `caches`).
    """

    name: ClassVar[str] = "decompose-attention"
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Decomposes what the target wants decomposed."""
        everywhere = (node for each in graph.walk() for node in each.nodes())
        found = [node for node in everywhere if (rule := context.target.rule(node)) and rule.decomposes]
        cached = {node for each in graph.walk() for node in attention_over_caches(each)}
        found = [node for node in found if node.type == WHOLE and node not in cached and not why_whole(node)]
        for node in found:
            context.decomposed.add((node.graph.scope, _decompose(node).id))
        return len(found)


def _decompose(node: Node) -> Node:
    """Decomposes one operation; returns its last product."""
    name, build = node.name, Builder(node.graph, node)
    node.graph.rename(node, f"{name}/whole")
    scores = build.matmul(node.source(QUERY), node.source(KEY), transpose_b=True, name=f"{name}/scores")
    scale = node.source(SCALE) if len(node.inputs) > SCALE else _usual_scale(build, node, f"{name}/scale")
    scores = build.multiply(scores, scale, name=f"{name}/scaled", otherwise=scores.shape)
    if len(node.inputs) > MASK and not _adds_nothing(node.source(MASK), scores.shape):
        scores = build.add(scores, node.source(MASK), name=f"{name}/masked", otherwise=scores.shape)
    weights = build.softmax(scores, axis=len(scores.shape) - 1, name=f"{name}/weights")
    product = build.matmul(weights, node.source(VALUE), name=name)
    node.replace_with(product)
    return product.node


def _usual_scale(build: Builder, node: Node, name: str) -> OutPort:
    """1 / sqrt(E), a scalar."""
    query = node.source(QUERY)
    return build.constant(np.asarray(1 / math.sqrt(query.shape[-1]), query.element_type.dtype), name=name)


def _adds_nothing(mask: OutPort, scores: tuple[int, ...]) -> bool:
    """Whether a mask is zero, and its shape does not broadcast the scores."""
    is_zero = mask.node.type == "Const" and not np.any(mask.node.array)
    return is_zero and broadcast((scores, mask.shape)) == scores
