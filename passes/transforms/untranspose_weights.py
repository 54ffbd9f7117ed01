"""Stores transposed constant matrices in the order of multiplication if the device would read them wrongly."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Graph, Node
from ...ir.ops import WEIGHTS_PORT, flag, multiplies_batches
from ..analysis.transposed_weights import shared_squares, turn
from ..infra.base import Context, Fact, Pass


@dataclass(frozen=True)
class UntransposeWeights(Pass):
    """Stores constants in the order in which products multiply them.

    Given::                                          Result::

        k: f32[H,N,K] = Const()                          scores/turned: f32[H,K,N] = Const()
        scores = MatMul(q, k) transpose_b=true           scores = MatMul(q, scores/turned)

    1. Several matrices, if the target says that the device misreads them (`misreads_stacks`).
    2. A square matrix that other products multiply untransposed, on all targets: the runtime that measures confuses
       the two (see `transposed_weights`).
    No value changes.
    """

    name: ClassVar[str] = "untranspose-weights"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Stores each of them."""
        changed = 0
        for each in graph.walk():
            stacks = [node for node in each.nodes("MatMul") if _is_misread(node, context)]
            products = [*stacks, *shared_squares(each)]
            turn(products, context.halves)
            changed += len(products)
        return changed


def _is_misread(node: Node, context: Context) -> bool:
    is_stack = node.source(WEIGHTS_PORT).node.type == "Const" and multiplies_batches(node)
    rule = context.target.rule(node)
    return is_stack and flag(node, "transpose_b") and bool(rule and rule.misreads_stacks)
