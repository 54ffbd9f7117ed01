"""Adds a neutral bias to layers that the device computes wrongly without a bias."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node
from ...ir.folding import VIEWS
from ...ir.ops import WEIGHTED_TYPES, bias_port, output_channel_axis, varying_inputs
from ...targets import Target
from ..analysis.biases import change_bias
from ..analysis.constants import SHAPE_READERS
from ..infra.base import Context, Fact, Pass

#: Operations whose result is scaled if what they read is.
_SCALABLE = (*VIEWS, "AvgPool", "Clamp", "LeakyRelu", "PReLU", "ReLU", "ReduceMean")
_SCALES = ("Divide", "Multiply", "Negative", "Subtract")


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

    Operations with an epsilon behind a layer (`moves_scales_behind`) are a reason, too: the device would move the
    scale behind them, and epsilon would be compared with the sums of codes.
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
    bias = bias_port(node)
    if not (decision and decision.may_run_int8 and rule) or (bias and bias.source.node.array.any()):
        return False
    readers = [port for port in node.output().consumers if port.node.type not in SHAPE_READERS]
    if rule.needs_bias and len(readers) > 1:
        return True
    moved = _readers(node, lambda each: context.target.transparency(each) is not None)
    if any(reader.type in rule.needs_bias_before for reader in moved):
        return True
    scaled = _readers(node, lambda each: _carries_a_scale(each, context.target))
    return any(reader.type in context.target.moves_scales_behind for reader in scaled)


def _carries_a_scale(node: Node, target: Target) -> bool:
    """Whether the scale of what a node reads can be moved behind it."""
    is_scale = node.type in _SCALES and len(varying_inputs(node)) == 1
    return is_scale or _adds_zero(node) or node.type in _SCALABLE or target.transparency(node) is not None


def _adds_zero(node: Node) -> bool:
    """Whether the runtime removes an Add."""
    sources = [port.source.node for port in node.inputs] if node.type == "Add" else []
    return any(each.type == "Const" and not each.array.any() for each in sources)


def _readers(node: Node, passes_through: Callable[[Node], bool]) -> Iterator[Node]:
    """The readers of a node's result, also behind operations that it passes through; each reader once."""
    waiting, seen = [node], set[Node]()
    while waiting:
        for port in [port for output in waiting.pop().outputs for port in output.consumers]:
            if port.node not in seen:
                seen.add(port.node)
                yield port.node
                waiting += [port.node] if passes_through(port.node) else []
