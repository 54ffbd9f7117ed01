"""Finds the constant weights of layers that work on floats: matrices, and all others."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import Array, Graph, InPort, Node, OutPort
from ...ir.folding import FORM_CHANGES, folded
from ...ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT, flag, is_constant
from .ranges import are_finite


@dataclass(frozen=True)
class WeightMatrix:
    """A constant matrix of weights, and the layers that multiply with it or look its rows up.

    Attributes:
        readers: The inputs of the layers that read it with the same orientation.
        is_turned: Whether a row of the matrix (the weights of one output) is a column of the tensor that they read.
    """

    readers: tuple[InPort, ...]
    is_turned: bool

    @property
    def tensor(self) -> OutPort:
        """The tensor that the first layer reads: a constant, or one that is made of it by conversions and moves."""
        return self.readers[0].source

    @property
    def layers(self) -> tuple[Node, ...]:
        """The layers that read it."""
        return tuple(port.node for port in self.readers)

    @property
    def name(self) -> str:
        """The name of the first layer."""
        return self.readers[0].node.name

    @property
    def rows(self) -> int:
        """The number of rows: the outputs of a product, or the rows of a table."""
        return self.tensor.shape[-1 if self.is_turned else -2]

    @property
    def columns(self) -> int:
        """The number of columns: the inputs of a product."""
        return self.tensor.shape[-2 if self.is_turned else -1]

    @property
    def elements(self) -> int:
        """The number of weights."""
        return math.prod(self.tensor.shape)

    @property
    def is_finite(self) -> bool:
        """Whether it holds neither infinities nor NaN."""
        return are_finite(self._value)

    def values(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The matrix, f32 [rows, columns]."""
        return np.ascontiguousarray(self._value.T if self.is_turned else self._value, np.float32)

    @property
    def _value(self) -> Array:
        """The tensor's values as the layers read them."""
        value = folded(self.tensor)
        assert value is not None, "weight_matrices lists only such tensors"
        return value


def weight_matrices(graph: Graph) -> list[WeightMatrix]:
    """The weight matrices of a graph, without its bodies, in the order of their first layers."""
    found: dict[tuple[OutPort, str, bool], list[InPort]] = {}
    for port in _weights(graph):
        if is_weight_matrix(port):
            key = _unconverted(port.source), port.source.element_type.name, _is_turned(port)
            found.setdefault(key, []).append(port)
    return [WeightMatrix(tuple(ports), is_turned) for (_, _, is_turned), ports in found.items()]


def other_weights(graph: Graph) -> list[InPort]:
    """The inputs of constant float weights that are no matrices, or that layers in bodies read."""
    return [port for each in graph.walk() for port in _weights(each) if each.scope or not is_weight_matrix(port)]


def is_weight_matrix(port: InPort) -> bool:
    """Whether an input of constant weights is one matrix whose values can be computed here."""
    is_read = port.node.type == "Gather" or (port.node.type == "MatMul" and port.index == WEIGHTS_PORT)
    return is_read and len(port.source.shape) == 2 and _is_computed_here(port.source)


def at_the_ends(graph: Graph, layers: Collection[Node]) -> set[Node]:
    """The layers that no other one of them is in front of, or that none of them is behind."""
    order = list(graph.nodes())
    behind, above = set[Node](), set[Node]()
    for node in order:
        if any(port.source.node in layers or port.source.node in behind for port in node.inputs):
            behind.add(node)
    for node in reversed(order):
        readers = [port.node for output in node.outputs for port in output.consumers]
        if any(each in layers or each in above for each in readers):
            above.add(node)
    return {each for each in layers if each not in behind or each not in above}


def _weights(graph: Graph) -> Iterator[InPort]:
    """The inputs of constant float weights, for layers that work on data."""
    for node in graph.nodes(*WEIGHTED_TYPES, "Gather"):
        ports = [node.input(DATA_PORT if node.type == "Gather" else WEIGHTS_PORT)]
        if node.type == "MatMul" and is_constant(node.source(DATA_PORT)):
            ports = [node.input(DATA_PORT)]
        yield from (port for port in ports if _holds_floats(port) and _works_on_data(port))


def _holds_floats(port: InPort) -> bool:
    return is_constant(port.source) and port.source.element_type.is_float


def _works_on_data(port: InPort) -> bool:
    """Whether the other operand is no constant; for an embedding: whether it takes rows by variable indices."""
    node = port.node
    if node.type != "Gather":
        return not is_constant(node.source(WEIGHTS_PORT if port.index == DATA_PORT else DATA_PORT))
    indices, axis = node.source(1), node.source(2).node
    is_table = len(port.source.shape) == 2 and axis.type == "Const" and not axis.array.any()
    return is_table and not is_constant(indices)


def _is_computed_here(tensor: OutPort) -> bool:
    """Whether `folded` can compute a constant."""
    node = tensor.node
    while node.type in FORM_CHANGES:
        if any(port.source.node.type != "Const" for port in node.inputs[1:]):
            return False
        node = node.source().node
    return node.type == "Const" and node.output().element_type.dtype is not None


def _is_turned(port: InPort) -> bool:
    """Whether the rows of the matrix are columns of the tensor."""
    return port.node.type == "MatMul" and not flag(port.node, "transpose_b")


def _unconverted(tensor: OutPort) -> OutPort:
    """The tensor in front of conversions: each reader may have a conversion of its own."""
    while tensor.node.type == "Convert":
        tensor = tensor.node.source()
    return tensor
