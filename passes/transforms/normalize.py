"""Turns weights and biases into plain constants, for all storage forms of converters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, Graph, InPort, Node, OutPort
from ...ir.folding import folded, is_decompressed
from ...ir.ops import (
    DATA_PORT,
    RECURRENT_TYPES,
    WEIGHTED_TYPES,
    WEIGHTS_PORT,
    flag,
    multiplies_batches,
    transpose_order,
    weight_ports,
)
from ..analysis.already_quantized import may_be_quantized
from ..analysis.constants import SHAPE_READERS, constant_nodes, fold_shape, values_of
from ..analysis.halves import Halves, pass_on
from ..infra.base import Context, Fact, Pass

#: The least numbers of weights that are worth sharing: of fewer, a copy costs little, and each gets a scale of its own.
_WORTH_SHARING = 4096
_ROLES = {"Add": "bias", "Concat": "joined"}
#: The inputs of attention that are second operands of its products after decomposition.
_KEYS_AND_VALUES = (1, 2)


@dataclass(frozen=True)
class Normalize(Pass):
    """Folds the operations between a constant and the layer that uses it as weights or bias.

    Given::                                          Result::

        half: f16[8,3,3,3] = Const()                     conv/weights: f32[8,3,3,3] = Const()
        w: f32[8,3,3,3] = Convert(half)                  conv = Convolution(x, conv/weights)
        conv = Convolution(x, w)

    1. Convert (an FP16 model's decompression), Reshape, Squeeze, Unsqueeze and Transpose of a constant are folded. The
       runtime folds all other operations whose values do not depend on the data (see `constants`).
    2. This includes the constant operand of an Add behind a weighted layer, which is its bias; the table of an
       embedding; and the keys and values of attention that is one operation. Tensors that are computed from constants
       and joined with activations by Concat are folded, too. If other operations read a matrix untransposed, its
       product transposes it instead, and it stays one constant.
    3. A stack of one matrix, [1, K, N], becomes the matrix.
    4. Layers with equal large weights read one constant: a converter makes a copy for each layer if it folds a
       Transpose of weights that layers share. Otherwise what later passes change in each copy would be stored as often.
    5. The ShapeOf of a constant becomes a constant, so that no table is kept for its size alone.
    No value changes. Converters fold such chains themselves; models read directly from ONNX have them, and models that
    were reshaped after the conversion.
    """

    name: ClassVar[str] = "normalize"
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every such chain."""
        return sum(
            _untranspose(each)
            + _fold(each, context.halves)
            + _unstack(each, context.halves)
            + _merge_copies(each)
            + _fold_sizes(each)
            for each in graph.walk()
        )


def _untranspose(graph: Graph) -> int:
    """Makes products transpose the matrices that others read untransposed."""
    found = [node for node in graph.nodes("MatMul") if _reads_shared_transposed(node)]
    for node in found:
        transpose = node.source(WEIGHTS_PORT).node
        node.set_attribute("transpose_b", "false" if flag(node, "transpose_b") else "true")
        node.input(WEIGHTS_PORT).connect(transpose.source())
        graph.prune(transpose)
    return len(found)


def _reads_shared_transposed(product: Node) -> bool:
    transpose = product.source(WEIGHTS_PORT).node
    if (order := transpose_order(transpose)) is None:
        return False
    matrix = transpose.source()
    root = matrix.node.source().node if matrix.node.type == "Convert" else matrix.node
    is_shared = any(port.node.type != "Transpose" for port in matrix.consumers)
    return root.type == "Const" and is_shared and order == (1, 0)


def _fold(graph: Graph, halves: Halves) -> int:
    found = {port: value for port in _operands(graph) if (value := folded(port.source)) is not None}
    _replace(graph, found, halves)
    computed = _computed(graph, [port for port in (*_operands(graph), *_joined(graph)) if folded(port.source) is None])
    _replace(graph, computed, halves)
    return len(found) + len(computed)


def _replace(graph: Graph, values: Mapping[InPort, Array], halves: Halves) -> None:
    """Replaces the sources of these inputs with constants."""
    constants: dict[OutPort, Node] = {}  # a tensor with several readers stays one constant
    for port, value in values.items():
        if port.source not in constants:
            role = _ROLES.get(port.node.type, "weights")
            constant = graph.add_constant(f"{port.node.name}/{role}", np.asarray(value, order="C"), near=port.node)
            constants[port.source] = constant
            halves |= {(graph.scope, constant.id)} if is_decompressed(port.source) else set()
    for old, constant in constants.items():
        old.redirect(constant.output())  # for all readers: no second copy is kept
    for old in constants:
        graph.prune(old.node)


def _computed(graph: Graph, ports: Sequence[InPort]) -> dict[InPort, Array]:
    """The values of inputs that only the runtime can compute; it cannot compute inputs in bodies."""
    constants = constant_nodes(graph) if ports and not graph.scope else frozenset[Node]()
    known = [port for port in ports if port.source.node in constants and _is_float_throughout(port.source)]
    return dict(zip(known, values_of([port.source for port in known]), strict=True)) if known else {}


def _is_float_throughout(tensor: OutPort) -> bool:
    """Whether no operation above a tensor is quantized, so that its value can be folded."""
    if tensor.element_type.name not in ("f16", "f32"):
        return False
    waiting, seen = [tensor.node], set[Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if may_be_quantized(node):
            return False
        waiting += [port.source.node for port in node.inputs]
    return True


def _fold_sizes(graph: Graph) -> int:
    found = [node for node in graph.nodes(*SHAPE_READERS) if node.source().node.type == "Const"]
    for node in found:
        fold_shape(node)
    return len(found)


def _unstack(graph: Graph, halves: Halves) -> int:
    """Removes leading axes of size 1 from weights; if the result has these axes, the data get them.

    One scale per channel then lies along an axis of a matrix, which every device and the plugin's FakeQuantize support.
    """
    found = [node for node in graph.nodes("MatMul") if _is_stack_of_one(node)]
    matrices: dict[Node, Node] = {}  # layers may share their weights
    for node in found:
        data, old = node.source(DATA_PORT), node.source(WEIGHTS_PORT).node
        if old not in matrices:
            matrix = old.array.reshape(old.array.shape[-2:])
            matrices[old] = graph.add_constant(f"{node.name}/matrix", matrix, near=node)
            pass_on(old, matrices[old], halves)
        is_vector = len(data.shape) == 1  # the result does not have the axis that a product adds to it
        if (missing := len(node.source(WEIGHTS_PORT).shape) - len(data.shape) - is_vector) > 0:
            node.input(DATA_PORT).connect(_unsqueezed(data, missing, node))
        node.input(WEIGHTS_PORT).connect(matrices[old].output())
    for old in matrices:
        graph.prune(old)
    return len(found)


def _is_stack_of_one(node: Node) -> bool:
    data, weights = (node.source(index) for index in (DATA_PORT, WEIGHTS_PORT))
    is_float = weights.node.type == "Const" and weights.element_type.is_float
    is_matrix = len(data.shape) > 1 or (bool(data.shape) and not flag(node, "transpose_a"))  # empty: rank unknown
    return is_float and is_matrix and len(weights.shape) > 2 and not multiplies_batches(node)


def _merge_copies(graph: Graph) -> int:
    weights = dict.fromkeys(node.source(WEIGHTS_PORT).node for node in graph.nodes(*WEIGHTED_TYPES))
    floats = [each for each in weights if each.type == "Const" and each.output().element_type.is_float]
    large = [each for each in floats if each.elements >= _WORTH_SHARING]
    originals: dict[object, Node] = {}
    copies = [each for each in large if originals.setdefault(each.digest, each) is not each]
    for copy in copies:
        copy.output().redirect(originals[copy.digest].output())
        graph.prune(copy)
    return len(copies)


def _unsqueezed(data: OutPort, count: int, near: Node) -> OutPort:
    """Data with `count` axes of size 1 added in front."""
    return Builder(near.graph, near).unsqueeze(data, range(count), name=f"{near.name}/unsqueezed")


def _operands(graph: Graph) -> list[InPort]:
    """The input ports that read weights or a bias from a source that is not a plain constant."""
    found = [node.input(index) for node in graph.nodes(*RECURRENT_TYPES) for index in weight_ports(node)]
    for node in graph.nodes(*WEIGHTED_TYPES):
        found.append(node.input(WEIGHTS_PORT))
        adds = [port.node for port in node.output().consumers if port.node.type == "Add"]
        found += [port for add in adds for port in add.inputs if port.source.node != node]
    found += [node.input(DATA_PORT) for node in graph.nodes("Gather") if _looks_up_decompressed(node)]
    found += [node.input(index) for node in graph.nodes("ScaledDotProductAttention") for index in _KEYS_AND_VALUES]
    return [port for port in found if port.source.node.type != "Const"]


def _looks_up_decompressed(node: Node) -> bool:
    """Whether a Gather picks rows of a table that is decompressed in front of it (see `looks_up_rows`)."""
    table, indices, axis = (node.source(index).node for index in range(3))
    is_table = table.type == "Convert" and len(table.output().shape) == 2 and table.source().node.type == "Const"
    return is_table and indices.type != "Const" and axis.type == "Const" and not axis.array.any()


def _joined(graph: Graph) -> list[InPort]:
    """The computed inputs of Concat: a constant among activations must be stored in 8 bits, or all become floats."""
    return [port for node in graph.nodes("Concat") for port in node.inputs if port.source.node.inputs]
