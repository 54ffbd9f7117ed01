"""Turns attention that was decomposed for int8 and stays float into one operation again."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Builder, Graph, Node, OutPort
from ...ir.match import Match
from ...ir.ops import flag
from ...ir.pattern import any_tensor, op
from ..analysis.transposed_weights import turn
from ..infra.base import Context, Pass


@dataclass(frozen=True)
class RestoreAttention(Pass):
    """Undoes `decompose-attention` if neither of the products runs in int8.

    Given::                                          Result::

        a/scores = MatMul(q, k) transpose_b=true         a = ScaledDotProductAttention(q, k, v)
        a/scaled = Multiply(a/scores, scale)
        a/weights = SoftMax(a/scaled) axis=3
        a = MatMul(a/weights, v)

    Runtimes have kernels for the whole operation, which do not store the scores. The pass skips attention that other
    passes have changed, and attention that was decomposed in the model already.
    """

    name: ClassVar[str] = "restore-attention"

    def run(self, graph: Graph, context: Context) -> int:
        """Restores each of them, also in the plan."""
        places = ((each, id_) for each in graph.walk() for scope, id_ in context.decomposed if scope == each.scope)
        found = [Node(each, id_) for each, id_ in places if each.has(id_)]
        return sum(_restore(node, context) for node in found)


def _restore(product: Node, context: Context) -> bool:
    """Restores the attention that ends with a product; returns whether it could."""
    found = _WRITTEN_OUT.match(product)
    decisions = context.plan.decisions
    if not found or any(node in decisions and decisions[node].may_run_int8 for node in (product, found[_SCORES])):
        return False
    graph, name, scores = product.graph, product.name, found[_SCORES]
    if not flag(scores, "transpose_b"):  # untranspose-weights stored a constant in the order of multiplication
        turn([scores], context.halves)
    graph.rename(product, f"{name}/mixed")
    query, key = (port.source for port in scores.inputs)
    whole = Builder(graph, product).attention(query, key, product.source(1), *_others(found, name), name=name)
    context.plan = context.plan.joined(product, whole.node, left_out=scores)
    product.replace_with(whole)
    return True


_SCORES, _SCALE, _MASK = op("MatMul"), any_tensor(), any_tensor()
_SCALED = op("Multiply", _SCORES.read_once(), _SCALE).read_once()
_MASKED = op("Add", _SCALED, _MASK).read_once()
_WRITTEN_OUT = op("MatMul", op("SoftMax", _MASKED | _SCALED).read_once())


def _others(found: Match, name: str) -> list[OutPort]:
    """The mask and the scale, if they are not the operation's defaults."""
    scores, scale, mask = found[_SCORES], found[_SCALE], found.get(_MASK)
    size = scores.source().shape[-1]
    is_known = size != DYNAMIC and scale.node.type == "Const"
    if is_known and scale.node.array == np.asarray(1 / math.sqrt(size), scale.node.array.dtype):
        return [mask] if mask else []
    nothing = np.asarray(0, scale.element_type.dtype)
    return [mask or scores.graph.add_constant(f"{name}/no_mask", nothing, near=scores).output(), scale]
