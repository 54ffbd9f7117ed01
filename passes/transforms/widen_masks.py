"""Widens masks of attention that the device would apply along the wrong axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Builder, Graph, InPort, Node
from ...ir.shape_rules import agree
from ..infra.base import Context, Fact, Pass

#: The operations that a device may fuse into the product in front.
_FUSED = ("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum")


@dataclass(frozen=True)
class WidenMasks(Pass):
    """Repeats operands with one number per column for each head, behind int8 products of activations.

    The pass does so only if the target requires it (`misreads_rows`).

    Given::                                          Result::

        scores = MatMul(q_i8, k_i8)                      scores = MatMul(q_i8, k_i8)
        masked = Add(scores, mask [1,1,1,T])             wide = Add(mask, zeros [1,H,1,1])
                                                         masked = Add(scores, wide [1,H,1,T])
    """

    name: ClassVar[str] = "widen-masks"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Widens each of them."""
        products = [node for each in graph.walk() for node in each.nodes("MatMul") if _is_misread(node, context)]
        rows = _rows_behind(products)
        for port in rows:
            _widen(port)
        return len(rows)


def _is_misread(node: Node, context: Context) -> bool:
    decision, rule = context.plan.decisions.get(node), context.target.rule(node)
    return bool(decision and decision.may_run_int8 and rule and rule.misreads_rows)


def _rows_behind(products: Sequence[Node]) -> list[InPort]:
    """The other operands of operations that may be fused behind products, if they are rows, in order of discovery."""
    found: dict[InPort, None] = {}
    waiting, seen = [port for node in products for port in node.output().consumers][::-1], set[InPort]()
    while waiting:
        port = waiting.pop()
        if port in seen or not _may_be_fused(port):
            continue
        seen.add(port)
        other = port.node.input(1 - port.index)
        if _is_row(other.source.shape) and _widened_axis(port.source.shape) is not None:
            found[other] = None
        waiting += port.node.output().consumers[::-1]
    return list(found)


def _may_be_fused(port: InPort) -> bool:
    """Whether it is element-wise and may keep the shape: a mask may be what makes a dynamic size known."""
    return port.node.type in _FUSED and agree(port.node.output().shape, port.source.shape)


def _is_row(shape: tuple[int, ...]) -> bool:
    return bool(shape) and shape[-1] != 1 and all(size == 1 for size in shape[:-1])


def _widened_axis(whole: tuple[int, ...]) -> int | None:
    """The axis of heads, or another axis whose size is known to be above 1, counted from the end."""
    axes = sorted(range(-len(whole), -1), key=lambda axis: (axis != -3, -axis))
    return next((axis for axis in axes if whole[axis] not in (1, DYNAMIC)), None)


def _widen(port: InPort) -> None:
    row, whole = port.source, port.node.output().shape
    axis = _widened_axis(whole)
    assert axis is not None, "rows without such an axis are left out"
    ones = [1] * (len(whole) - 1)
    ones[axis + 1] = whole[axis]
    build = Builder(port.node.graph, port.node)
    zeros = build.constant(np.zeros([*ones, 1], row.element_type.dtype), name=f"{port.node.name}/zeros")
    port.connect(build.add(row, zeros, name=f"{port.node.name}/wide"))
