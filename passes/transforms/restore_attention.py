"""Attention that was written out for int8 and stays float becomes one operation again."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Builder, Graph, Node, OutPort
from ..infra.base import Context, Pass


@dataclass(frozen=True)
class RestoreAttention(Pass):
    """Undoes `decompose-attention` where neither of the products runs in int8.

    Given::                                          Result::

        a/scores = MatMul(q, k) transpose_b=true         a = ScaledDotProductAttention(q, k, v)
        a/scaled = Multiply(a/scores, scale)
        a/weights = SoftMax(a/scaled) axis=3
        a = MatMul(a/weights, v)

    Runtimes have kernels for the whole, which do not keep the scores. Left alone: what other passes changed since, and
    what the model's author wrote out.
    """

    name: ClassVar[str] = "restore-attention"

    def run(self, graph: Graph, context: Context) -> int:
        """Restores each of them, in the plan, too."""
        places = ((each, id_) for each in graph.walk() for scope, id_ in context.decomposed if scope == each.scope)
        found = [Node(each, id_) for each, id_ in places if each.has(id_)]
        return sum(_restore(node, context) for node in found)


def _restore(product: Node, context: Context) -> bool:
    """Whether attention that ends with a product was restored."""
    written_out = _written_out(product)
    decisions = context.plan.decisions
    if not written_out or any(node in decisions and decisions[node].int8 for node in (product, written_out.scores)):
        return False
    graph, name, scores = product.graph, product.name, written_out.scores
    graph.rename(product, f"{name}/mixed")
    query, key = (port.source for port in scores.inputs)
    others = _others(written_out, name)
    whole = Builder(graph, product).attention(query, key, product.source(1), *others, name=name)
    context.plan = context.plan.joined(product, whole.node, left_out=scores)
    product.replace_with(whole)
    return True


@dataclass(frozen=True)
class _WrittenOut:
    scores: Node
    scale: OutPort
    mask: OutPort | None


def _written_out(product: Node) -> _WrittenOut | None:
    """What attention that ends with a product is made of; None if a step was changed, or has another reader."""
    steps: list[Node] = []
    for type_ in ("SoftMax", "Add", "Multiply", "MatMul"):
        node = (steps or [product])[-1].source().node
        if node.type == type_:
            steps.append(node)
        elif type_ != "Add":
            return None
    if any(len(node.output().consumers) > 1 for node in steps):
        return None
    return _WrittenOut(steps[-1], steps[-2].source(1), steps[1].source(1) if len(steps) > 3 else None)


def _others(written_out: _WrittenOut, name: str) -> list[OutPort]:
    """The mask and the scale, as far as they are not what the operation takes anyway."""
    scores, scale, mask = written_out.scores, written_out.scale, written_out.mask
    size = scores.source().shape[-1]
    is_known = size != DYNAMIC and scale.node.type == "Const"
    if is_known and scale.node.array == np.asarray(1 / math.sqrt(size), scale.node.array.dtype):
        return [mask] if mask else []
    nothing = np.asarray(0, scale.element_type.dtype)
    return [mask or scores.graph.add_constant(f"{name}/no_mask", nothing, near=scores).output(), scale]
