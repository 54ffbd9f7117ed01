"""Adds a neutral bias to layers that the device computes wrongly without a bias."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node
from ...ir.ops import WEIGHTED_TYPES, bias_port, output_channel_axis
from ...targets import Target
from ..analysis.biases import change_bias
from ..analysis.constants import SHAPE_READERS
from ..infra.base import Context, Fact, Pass


@dataclass(frozen=True)
class CreateBiases(Pass):
    """Gives a bias to the layers that need one by the target file (`needs_bias`).

    Given::                                          Result::

        y = Convolution(x_q, w_q)                        conv = Convolution(x_q, w_q)
        a = ReduceMean(y)                                y = Add(conv, tiny)
        b = Multiply(y, gate)                            a = ReduceMean(y)
                                                         b = Multiply(y, gate)

    The CPU plugin takes one of the Multiplys behind such a layer for its scale, and moves a scale with one number per
    channel behind a pool over the channels; two small products in a row become zeros. The bias is the smallest number
    that no runtime takes for zero, and is lost in any sum; a zero would be removed, and the bias with it. The channels
    differ, since a bias that all share would be merged into the range behind it.
    """

    name: ClassVar[str] = "create-biases"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Gives each such layer its bias."""
        found = [node for each in graph.walk() for node in each.nodes(*WEIGHTED_TYPES) if _needs_bias(node, context)]
        for node in found:
            output = node.output()
            channels = output.shape[output_channel_axis(node)]
            limits = np.finfo(np.dtype(output.element_type.dtype))
            # The smallest number of f16 counts, normal or not: runtimes compute such numbers in f32.
            tiny = float(limits.smallest_subnormal if limits.bits == 16 else limits.tiny)
            change_bias(node, tiny * (1 + np.arange(1 if channels == DYNAMIC else channels) % 2))
        return len(found)


def _needs_bias(node: Node, context: Context) -> bool:
    decision, rule = context.plan.decisions.get(node), context.target.rule(node)
    if not (decision and decision.may_run_int8 and rule) or bias_port(node):
        return False
    readers = [port for port in node.output().consumers if port.node.type not in SHAPE_READERS]
    several = rule.needs_bias and len(readers) > 1
    return several or any(reader.type in rule.needs_bias_before for reader in _readers(node, context.target))


def _readers(node: Node, target: Target) -> Iterator[Node]:
    """The readers of a node's result, also behind operations that move it; each reader once."""
    waiting, seen = [node], set[Node]()
    while waiting:
        for port in [port for output in waiting.pop().outputs for port in output.consumers]:
            if port.node not in seen:
                seen.add(port.node)
                yield port.node
                waiting += [port.node] if target.transparency(port.node) else []
