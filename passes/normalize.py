"""Weights and biases become plain constants, whatever way the converter stored them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Array, Graph, InPort, Node, OutPort
from ..ir.ops import WEIGHTED_TYPES, WEIGHTS_PORT
from .base import Context, Fact, NoRequests

_MOVES = ("Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class Normalize(NoRequests):
    """Folds what stands between a constant and the layer that uses it as weights or bias.

    Given::                                          Result::

        half: f16[8,3,3,3] = Const()                     conv/weights: f32[8,3,3,3] = Const()
        w: f32[8,3,3,3] = Convert(half)                  conv = Convolution(x, conv/weights)
        conv = Convolution(x, w)

    1. Convert (an FP16 model's decompression), Reshape, Squeeze, Unsqueeze and Transpose of a constant are folded.
    2. That includes the constant operand of an Add behind a weighted layer: its bias.
    No value changes. Converters fold such chains themselves; models read straight from ONNX have them.
    """

    name: ClassVar[str] = "normalize"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every chain that is found."""
        found = [
            (port, value)
            for each in graph.walk()
            for port in _operands(each)
            if (value := folded(port.source)) is not None
        ]
        for port, value in found:
            role = "weights" if port.node.type in WEIGHTED_TYPES else "bias"
            old = port.source.node
            constant = port.node.graph.add_constant(
                f"{port.node.name}/{role}", np.asarray(value, order="C"), near=port.node
            )
            port.connect(constant.output())
            old.graph.prune(old)
        return len(found)


def _operands(graph: Graph) -> list[InPort]:
    """The input ports that take weights, or a bias, from something that is no plain constant."""
    found: list[InPort] = []
    for node in graph.nodes(*WEIGHTED_TYPES):
        found.append(node.input(WEIGHTS_PORT))
        adds = [port.node for port in node.output().consumers if port.node.type == "Add"]
        found += [port for add in adds for port in add.inputs if port.source.node != node]
    return [port for port in found if port.source.node.type != "Const"]


def folded(tensor: OutPort) -> Array | None:
    """The value of a chain of moves and conversions over a constant; None if it is anything else."""
    chain: list[Node] = []
    node = tensor.node
    while node.type in (*_MOVES, "Convert", "Transpose"):
        chain.append(node)
        node = node.source(0).node
    if node.type != "Const" or node.output().element_type.dtype is None:  # packed: such weights are compressed already
        return None
    value = node.array
    for step in reversed(chain):
        value = _applied(step, value)
    return value


def _applied(step: Node, value: Array) -> Array:
    if step.type == "Convert":
        dtype = step.output().element_type.dtype
        assert dtype is not None, "converters only decompress to types that numpy has"
        return value.astype(dtype)
    if step.type == "Transpose":
        order = [int(axis) for axis in step.source(1).node.array]
        return value.transpose(order or None)
    return value.reshape(step.output().shape)
