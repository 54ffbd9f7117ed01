"""Weights and biases become plain constants, whatever way the converter stored them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Array, Graph, InPort, Node, OutPort
from ..ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT, multiplies_batches
from .already_quantized import may_hold_codes
from .base import Context, Fact, NoRequests
from .constants import constant_nodes, values_of

_MOVES = ("Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class Normalize(NoRequests):
    """Folds what stands between a constant and the layer that uses it as weights or bias.

    Given::                                          Result::

        half: f16[8,3,3,3] = Const()                     conv/weights: f32[8,3,3,3] = Const()
        w: f32[8,3,3,3] = Convert(half)                  conv = Convolution(x, conv/weights)
        conv = Convolution(x, w)

    1. Convert (an FP16 model's decompression), Reshape, Squeeze, Unsqueeze and Transpose of a constant are folded; so
       is, by the runtime, whatever else gives the same values whatever the data (see `constants`).
    2. That includes the constant operand of an Add behind a weighted layer: its bias.
    3. A stack of one matrix, [1, K, N], becomes the matrix where the data have no fewer axes.
    No value changes. Converters fold such chains themselves; models read straight from ONNX have them, and models that
    were reshaped after the conversion.
    """

    name: ClassVar[str] = "normalize"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every chain that is found."""
        return sum(_fold(each) + _unstack(each) for each in graph.walk())


def _fold(graph: Graph) -> int:
    found = {port: value for port in _operands(graph) if (value := folded(port.source)) is not None}
    computed = _computed(graph, [port for port in _operands(graph) if port not in found])
    for port, value in (found | computed).items():
        role = "weights" if port.node.type in WEIGHTED_TYPES else "bias"
        old = port.source.node
        constant = graph.add_constant(f"{port.node.name}/{role}", np.asarray(value, order="C"), near=port.node)
        port.connect(constant.output())
        graph.prune(old)
    return len(found) + len(computed)


def _computed(graph: Graph, ports: Sequence[InPort]) -> dict[InPort, Array]:
    """The values of operands that only the runtime can tell, which sees no body alone."""
    constants = constant_nodes(graph) if ports and not graph.scope else frozenset[Node]()
    known = [port for port in ports if port.source.node in constants and _is_float_throughout(port.source)]
    return dict(zip(known, values_of([port.source for port in known]), strict=True)) if known else {}


def _is_float_throughout(tensor: OutPort) -> bool:
    """Whether nothing above a tensor is quantized, so that it can be computed once and for all."""
    if tensor.element_type.name not in ("f16", "f32"):
        return False
    waiting, seen = [tensor.node], set[Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if may_hold_codes(node):
            return False
        waiting += [port.source.node for port in node.inputs]
    return True


def _unstack(graph: Graph) -> int:
    """Takes the leading ones off weights: their scales are then those of a matrix, which every device knows."""
    found = [node for node in graph.nodes("MatMul") if _is_stack_of_one(node)]
    for node in found:
        old = node.source(WEIGHTS_PORT).node
        constant = graph.add_constant(f"{node.name}/matrix", old.array.reshape(old.array.shape[-2:]), near=node)
        node.input(WEIGHTS_PORT).connect(constant.output())
        graph.prune(old)
    return len(found)


def _is_stack_of_one(node: Node) -> bool:
    data, weights = (node.source(index) for index in (DATA_PORT, WEIGHTS_PORT))
    is_float = weights.node.type == "Const" and weights.element_type.is_float
    return is_float and 2 < len(weights.shape) <= len(data.shape) and not multiplies_batches(node)


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
