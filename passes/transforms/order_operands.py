"""Puts operands of one number behind those of many."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Graph, Node
from ...ir.ops import is_constant
from ..infra.base import Context, Fact, Pass

_COMMUTATIVE = ("Add", "Maximum", "Minimum", "Multiply")


@dataclass(frozen=True)
class OrderOperands(Pass):
    """Swaps the operands of a commutative operation if the first one is a single number; no value changes.

    Given::                                          Result::

        gated = Multiply(gate [1,1], x [1,8])            gated = Multiply(x [1,8], gate [1,1])

    The CPU plugin (2026.4) merges small fully connected layers with what lies between them into one kernel, which reads
    such a first operand as if it had many numbers, if there is a row for each thread: the second layer then had 2 dB.
    An operand without axes did not compile there.
    """

    name: ClassVar[str] = "order-operands"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Swaps the operands of each."""
        found = [node for each in graph.walk() for node in each.nodes(*_COMMUTATIVE) if _begins_with_one(node)]
        for node in found:
            first, second = node.source(0), node.source(1)
            node.input(0).connect(second)
            node.input(1).connect(first)
        return len(found)


def _begins_with_one(node: Node) -> bool:
    first, second = node.source(0), node.source(1)
    return (
        all(size == 1 for size in first.shape)
        and any(size != 1 for size in second.shape)
        and not (is_constant(first) or is_constant(second))
        and node.attributes.get("auto_broadcast", "numpy") == "numpy"
    )
