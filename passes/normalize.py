"""Constants become plain, whatever way the converter stored them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import DYNAMIC, Array, ElementType, Graph, InPort, Node, OutPort, Scope
from ..ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT, flag, multiplies_batches
from .already_quantized import may_hold_codes
from .base import Context, Fact, NoRequests
from .constants import constant_nodes, shapes_of_constants, values_of, write_known_shape

Halves = dict[tuple[Scope, int], ElementType]
_MOVES = ("Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class Normalize(NoRequests):
    """Folds what stands between a constant and the layer that uses it as weights or bias.

    Given::                                          Result::

        half: f16[3,8] = Const()                         conv/weights: f32[8,3,1,1] = Const()
        w: f32[3,8] = Convert(half)                      conv = Convolution(x, conv/weights)
        t: f32[8,3] = Transpose(w, [1, 0])
        k: f32[8,3,1,1] = Reshape(t, shape)
        conv = Convolution(x, k)

    1. Constants that are stored in f16 or bf16 become f32, whoever reads them; `restore-halves` undoes that in the end.
    2. Convert, Reshape, Squeeze, Unsqueeze and Transpose between a constant and a layer that takes it as weights, or an
       Add behind the layer that takes it as bias, are folded; so is, by the runtime, whatever else gives the same values
       whatever the data (see `constants`). A matrix that others read untransposed is transposed by its product instead.
    3. A stack of one matrix, [1, K, N], becomes the matrix where the data have no fewer axes.
    4. The ShapeOf of a constant becomes a constant.
    No value changes. Converters fold such chains themselves; models read straight from ONNX have them, and models that
    were reshaped after the conversion.
    """

    name: ClassVar[str] = "normalize"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every chain that is found."""
        return sum(self._run(each, context.halves) for each in graph.walk())

    def _run(self, graph: Graph, halves: Halves) -> int:
        shapes = shapes_of_constants(graph)
        for node in shapes:
            write_known_shape(node)
        return (
            len(shapes) + _widen(graph, halves) + _untranspose(graph) + _fold(graph, halves) + _unstack(graph, halves)
        )


def _widen(graph: Graph, halves: Halves) -> int:
    """Makes f32 of constants of 16 bits; all Converts of a constant become one."""
    found = [node for node in graph.nodes("Convert") if _decompresses(node)]
    made: dict[Node, Node] = {}
    for node in found:
        old, name = node.source().node, node.name
        graph.rename(node, f"{name}/convert")
        if old not in made:
            made[old] = graph.add_constant(name, old.array.astype(np.float32), near=node)
            halves[graph.scope, made[old].id] = old.output().element_type
        node.replace_with(made[old].output())
    return len(found)


def _decompresses(convert: Node) -> bool:
    kinds = convert.source().element_type.name, convert.output().element_type.name
    is_output = any(port.node.type == "Result" for port in convert.output().consumers)
    return convert.source().node.type == "Const" and kinds in (("f16", "f32"), ("bf16", "f32")) and not is_output


def _untranspose(graph: Graph) -> int:
    """Has products transpose the matrices that others read as they are: they are then stored once."""
    found = [node for node in graph.nodes("MatMul") if _reads_shared_transposed(node.source(WEIGHTS_PORT).node)]
    for node in found:
        transpose = node.source(WEIGHTS_PORT).node
        node.set_attribute("transpose_b", "false" if flag(node, "transpose_b") else "true")
        node.input(WEIGHTS_PORT).connect(transpose.source())
        graph.prune(transpose)
    return len(found)


def _reads_shared_transposed(transpose: Node) -> bool:
    if transpose.type != "Transpose" or transpose.source(1).node.type != "Const":
        return False
    matrix, order = transpose.source(), transpose.source(1).node.array.tolist()
    is_shared = any(port.node.type != "Transpose" for port in matrix.consumers)
    return matrix.node.type == "Const" and len(matrix.shape) == 2 and order in ([], [1, 0]) and is_shared


def _fold(graph: Graph, halves: Halves) -> int:
    ports = _operands(graph)
    found = {port: value for port in ports if (value := folded(port.source)) is not None}
    values = found | _computed(graph, [port for port in ports if port not in found])
    by_tensor: dict[OutPort, list[InPort]] = {}
    for port in values:
        by_tensor.setdefault(port.source, []).append(port)
    for tensor, readers in by_tensor.items():
        first = readers[0]
        role = "weights" if first.node.type in WEIGHTED_TYPES else "bias"
        value = np.asarray(values[first], order="C")
        constant = graph.add_constant(f"{first.node.name}/{role}", value, near=first.node)
        if kind := halves.get((graph.scope, _root(tensor).id)):
            halves[graph.scope, constant.id] = kind
        for port in readers:
            port.connect(constant.output())
        graph.prune(tensor.node)
    return len(values)


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


def _unstack(graph: Graph, halves: Halves) -> int:
    """Takes the leading ones off weights: their scales are then those of a matrix, which every device knows."""
    found = [node for node in graph.nodes("MatMul") if _is_stack_of_one(node)]
    for node in found:
        old = node.source(WEIGHTS_PORT).node
        constant = graph.add_constant(f"{node.name}/matrix", old.array.reshape(old.array.shape[-2:]), near=node)
        if kind := halves.get((graph.scope, old.id)):
            halves[graph.scope, constant.id] = kind
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
    chain = list(_chain(tensor))
    value = None if chain[-1].type != "Const" or chain[-1].output().element_type.dtype is None else chain[-1].array
    for step in reversed(chain[:-1]):
        value = None if value is None else _applied(step, value)
    return value


def _chain(tensor: OutPort) -> Iterator[Node]:
    """The node that gives a tensor and those above it, up to the first that does more than move and convert."""
    yield tensor.node
    if tensor.node.type in (*_MOVES, "Convert", "Transpose"):
        yield from _chain(tensor.node.source())


def _root(tensor: OutPort) -> Node:
    return list(_chain(tensor))[-1]


def _applied(step: Node, value: Array) -> Array | None:
    """The value behind a step; None if it depends on more than constants, or takes a form that numpy does not have."""
    if step.type == "Convert":
        dtype = step.output().element_type.dtype
        return None if dtype is None else value.astype(dtype)
    if any(port.source.node.type != "Const" for port in step.inputs[1:]):
        return None
    if step.type == "Transpose":
        order = [int(axis) for axis in step.source(1).node.array]
        return value.transpose(order or None)
    shape = step.output().shape  # of a Reshape: with 0 and -1 worked out
    return value.reshape(shape) if math.prod(shape) == value.size and DYNAMIC not in shape else None
