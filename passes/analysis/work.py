"""The relative work of a model's layers: predicted, not measured, so that it is the same in each run.

A core with AVX-512 VNNI does four times as many multiply-accumulates of int8 in a cycle as of f32, and reads a quarter
of the bytes (Intel, "Intel Architecture Instruction Set Extensions Programming Reference", VPDPBUSD and VFMADD231PS).
One of the two limits a layer; here both count, so that neither is missed. The unit is one multiply-accumulate of f32: a
core does 32 of them while it moves 32 bytes.
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

#: The time of f32 divided by the time of int8.
SLOWDOWN = 4.0


def time_in_float(graph: Graph, rounded: Collection[Node]) -> Mapping[Node, float]:
    """The share of the model's time that each rounded operation would add in float.

    Args:
        graph: The quantized model.
        rounded: The operations that run in int8; all other layers run in float.
    """
    works = {node: work(node) for node in [*rounded, *graph.nodes(*LAYER_TYPES)]}
    total = sum(each if node in rounded else SLOWDOWN * each for node, each in works.items())
    return {node: (SLOWDOWN - 1) * works[node] / total for node in rounded}


def sizes_are_known(nodes: Iterable[Node]) -> bool:
    """Whether all tensors of some operations have known sizes, apart from the batch."""
    return all(DYNAMIC not in output.shape[1:] for node in nodes for output in node.outputs)


def work(node: Node) -> float:
    """The work of an operation in int8, in multiply-accumulates of f32; unknown dimensions count as 1."""
    tensors = [*(port.source for port in node.inputs), *node.outputs]
    return multiply_accumulates(node) / SLOWDOWN + sum(_elements(each.shape) for each in tensors)


def multiply_accumulates(node: Node) -> int:
    """The number of summed products; 0 for other operations and for operations with bodies.

    By the operation specifications, each position of a convolution's output, or of a transposed one's input, meets all
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
