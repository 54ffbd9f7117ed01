"""How much work the layers of a model are, relative to one another: foretold, not measured, so that it never changes.

A core with AVX-512 VNNI does four times as many multiply-accumulates of int8 in a cycle as of f32, and reads a quarter
of the bytes (Intel, "Intel Architecture Instruction Set Extensions Programming Reference", VPDPBUSD and VFMADD231PS).
One of the two limits a layer; here both count, so that neither is forgotten. The unit is a multiply-accumulate of f32:
a core does 32 of them in the time in which it moves 32 bytes.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...ir import DYNAMIC, Graph, Node
from ...ir.ops import (
    DATA_PORT,
    LAYER_TYPES,
    TRANSPOSED_CONVOLUTIONS,
    WEIGHTED_TYPES,
    WEIGHTS_PORT,
    data_channel_axis,
)

#: How many times as long f32 takes as int8.
SLOWDOWN = 4.0


def time_in_float(graph: Graph, rounded: Collection[Node]) -> Mapping[Node, float]:
    """By what share of the model's time each rounded operation would make it slower if it were float.

    Args:
        graph: The quantized model.
        rounded: The operations that run in int8; layers that are not among them run in float.
    """
    works = {node: work(node) for node in [*rounded, *graph.nodes(*LAYER_TYPES)]}
    total = sum(each if node in rounded else SLOWDOWN * each for node, each in works.items())
    return {node: (SLOWDOWN - 1) * works[node] / total for node in rounded}


def sizes_are_known(nodes: Iterable[Node]) -> bool:
    """Whether all tensors of some operations have known sizes, apart from the batch."""
    return all(DYNAMIC not in output.shape[1:] for node in nodes for output in node.outputs)


def work(node: Node) -> float:
    """What an operation takes in int8, in multiply-accumulates of f32; dimensions that are not known count as 1."""
    tensors = [*(port.source for port in node.inputs), *node.outputs]
    return multiply_accumulates(node) / SLOWDOWN + sum(_elements(each.shape) for each in tensors)


def multiply_accumulates(node: Node) -> int:
    """Products that are summed up; none of operations that do something else, or do it in bodies.

    By the operation specifications: each place of a convolution's output, or of a transposed one's input, meets all
    weights once; each element of a matrix product meets one row and one column.
    """
    if node.type == "MatMul":
        data = node.source(DATA_PORT).shape or (1,)
        return _elements(node.output().shape) * _size(data[max(data_channel_axis(node), -len(data))])
    if node.type not in WEIGHTED_TYPES:
        return 0
    batch, _, *places = (node.source(DATA_PORT) if node.type in TRANSPOSED_CONVOLUTIONS else node.output()).shape
    return _elements((batch, *places)) * _elements(node.source(WEIGHTS_PORT).shape)


def _elements(shape: Sequence[int]) -> int:
    return math.prod(map(_size, shape))


def _size(dimension: int) -> int:
    return 1 if dimension == DYNAMIC else dimension
