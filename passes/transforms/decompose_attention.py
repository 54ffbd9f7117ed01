"""Attention that is one operation becomes the matrix products in it, where a target runs those in int8."""

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.ops import flag
from ..analysis.caches import attention_over_caches
from ..infra.base import Context, Pass

_QUERY, _KEY, _VALUE, _MASK, _SCALE = range(5)


@dataclass(frozen=True)
class DecomposeAttention(Pass):
    """Writes ScaledDotProductAttention out by its definition: SoftMax(Q K^T * scale + mask) V.

    Given::                                          Result::

        a = ScaledDotProductAttention(q, k, v)           a/scores = MatMul(q, k) transpose_b=true
                                                         a/scaled = Multiply(a/scores, scale)
                                                         a/weights = SoftMax(a/scaled) axis=3
                                                         a = MatMul(a/weights, v)

    Source: OpenVINO operation specification, ScaledDotProductAttention-13. The scale stands behind the product, so that
    Q goes into it as its layer gave it. Left alone: causal and boolean masks, more inputs than these, unknown ranks,
    and what reads a cache (see `caches`).
    """

    name: ClassVar[str] = "decompose-attention"

    def run(self, graph: Graph, context: Context) -> int:
        """Decomposes what the target wants decomposed."""
        everywhere = (node for each in graph.walk() for node in each.nodes())
        found = [node for node in everywhere if (rule := context.target.rule(node)) and rule.decomposes]
        cached = {node for each in graph.walk() for node in attention_over_caches(each)}
        found = [node for node in found if node not in cached and _is_plain(node)]
        for node in found:
            context.decomposed.add((node.graph.scope, _decompose(node).id))
        return len(found)


def _is_plain(node: Node) -> bool:
    if node.type != "ScaledDotProductAttention" or flag(node, "causal") or len(node.inputs) > 5:
        return False
    query, key, value = (node.source(index).shape for index in (_QUERY, _KEY, _VALUE))
    mask_is_boolean = len(node.inputs) > _MASK and node.source(_MASK).element_type.name == "boolean"
    scale_is_known = len(node.inputs) > _SCALE or (bool(query) and query[-1] != DYNAMIC)
    return len(query) == len(key) == len(value) >= 2 and not mask_is_boolean and scale_is_known


def _decompose(node: Node) -> Node:
    """The product that the others end in."""
    graph, name, query = node.graph, node.name, node.source(_QUERY)
    graph.rename(node, f"{name}/whole")
    kind = query.element_type
    key = node.source(_KEY)
    scores_shape = (*_broadcast(query.shape[:-2], key.shape[:-2]), query.shape[-2], key.shape[-2])

    def add(op: str, part: str, one: OutPort, *others: OutPort, **attributes: str) -> OutPort:
        shape = scores_shape if part else node.output().shape
        opset = "opset8" if op == "SoftMax" else "opset1"
        full_name = f"{name}/{part}" if part else name
        sources, outputs = [one, *others], [(kind, shape)]
        return graph.add(op, full_name, sources, outputs, attributes=attributes, opset=opset, near=node).output()

    scores = add("MatMul", "scores", query, key, transpose_a="false", transpose_b="true")
    if len(node.inputs) > _SCALE:
        scale = node.source(_SCALE)
    else:
        value = np.asarray(1 / math.sqrt(query.shape[-1]), kind.dtype)
        scale = graph.add_constant(f"{name}/scale", value, near=node).output()
    scores = add("Multiply", "scaled", scores, scale, auto_broadcast="numpy")
    if len(node.inputs) > _MASK and not _adds_nothing(node.source(_MASK), scores_shape):
        scores_shape = _broadcast(scores_shape, node.source(_MASK).shape)
        scores = add("Add", "masked", scores, node.source(_MASK), auto_broadcast="numpy")
    weights = add("SoftMax", "weights", scores, axis=str(len(scores_shape) - 1))
    product = add("MatMul", "", weights, node.source(_VALUE), transpose_a="false", transpose_b="false")
    node.replace_with(product)
    return product.node


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a sum of two tensors: queries that are learned have a batch of 1 beside any number of keys."""
    sizes = zip_longest(reversed(one), reversed(other), fillvalue=1)
    return tuple(b if a == 1 or (a == DYNAMIC and b > 1) else a for a, b in sizes)[::-1]


def _adds_nothing(mask: OutPort, scores: tuple[int, ...]) -> bool:
    """Whether a mask is zero, and makes no more scores of them by its shape."""
    is_zero = mask.node.type == "Const" and not np.any(mask.node.array)
    return is_zero and _broadcast(scores, mask.shape) == scores
