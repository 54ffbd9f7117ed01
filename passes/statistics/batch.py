"""Finds the tensors that hold a batch: each row along axis 0 belongs to one image, sentence, ...

A statistic has one observation per row of such a tensor (up to a certain number of rows), so that samples may come one
by one or several at a time. For other tensors (attention over all tokens of all sentences, boxes, shapes) each
inference is one observation. The batch is followed from the model's inputs through operations that are known to keep
axis 0. Inputs may have batches of different sizes: tensors have the same batch only if they come from the same inputs.
"""

import math
from collections.abc import Mapping
from typing import TypeAlias

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.ops import DATA_PORT, WEIGHTED_TYPES, flag, integers

#: Tensors that hold a batch -> the model inputs of this batch.
Batches: TypeAlias = Mapping[OutPort, frozenset[Node]]

# fmt: off
#: Operations that keep axis 0 of their first input, with any attributes.
_KEEP = frozenset({
    "Abs", "AvgPool", "BatchNormInference", "Ceiling", "Clamp", "Convert", "Cos", "DepthToSpace", "Elu", "Erf", "Exp",
    "FakeQuantize", "Floor", "GRUCell", "GRUSequence", "Gelu", "GroupNormalization", "HSigmoid", "HSwish",
    "HardSigmoid", "LRN", "LSTMCell", "LSTMSequence", "Log", "MVN", "MaxPool", "Mish", "Negative", "NormalizeL2",
    "PReLU", "RNNCell", "RNNSequence", "ReLU", "Round", "ShuffleChannels", "Sigmoid", "Sign", "Sin", "SoftPlus",
    "SoftSign", "SpaceToDepth", "Sqrt", "Swish", "Tanh",
})
_ELEMENTWISE = frozenset({
    "Add", "Divide", "FloorMod", "Maximum", "Minimum", "Mod", "Multiply", "Power", "Select", "SquaredDifference",
    "Subtract",
})
#: Operations along an axis that an attribute names.
_ALONG = ("Concat", "LogSoftmax", "SoftMax")
#: Operations along axes that the second input names.
_ALONG_INPUT = frozenset({
    "CumSum", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Split", "Squeeze",
    "Unsqueeze", "VariadicSplit",
})
# fmt: on


def batched_tensors(model: Graph) -> Batches:
    """The tensors of a model, without its bodies, that hold a batch; none if all inputs take one sample at a time."""
    found: dict[OutPort, frozenset[Node]] = {}
    for node in model.nodes():
        if _starts(node):
            found |= dict.fromkeys(node.outputs, frozenset({node}))
        elif node.inputs and _keeps(node, found):
            inputs = frozenset[Node]().union(*(found.get(port.source, ()) for port in node.inputs))
            found |= {output: inputs for output in node.outputs if output.shape}
    return found


def _starts(node: Node) -> bool:
    """Whether a model input may hold more than one sample; without a layout, axis 0 is the batch."""
    if node.type != "Parameter" or not (shape := node.output().shape) or len(shape) < 2:
        return False
    return shape[0] != 1 and (node.output().layout or "N").startswith("N")


def _keeps(node: Node, found: Batches) -> bool:
    first = node.source(DATA_PORT)
    if node.type in _ELEMENTWISE or node.type == "Concat":
        return _axis(node) != 0 and all(_fits(port.source, node, found) for port in node.inputs)
    if first not in found:
        return False
    if node.type in _KEEP:
        return True
    if node.type == "MatMul":
        return _keeps_product(node, found)
    if node.type in WEIGHTED_TYPES:
        return True
    if node.type in _ALONG:
        return _axis(node) not in (None, 0)
    if node.type in _ALONG_INPUT:
        return 0 not in _axes(node)
    if node.type == "Transpose":
        order = node.source(1).node
        return order.type == "Const" and [int(axis) for axis in order.array][:1] == [0]
    return node.type == "Reshape" and _keeps_first(node)


def _fits(tensor: OutPort, node: Node, found: Batches) -> bool:
    """Whether an operand has the batch along axis 0, or is the same for all samples; at least one has the batch."""
    rank = len(node.output().shape)
    if tensor in found:
        return len(tensor.shape) == rank
    has, same = any(port.source in found for port in node.inputs), len(tensor.shape) < rank or tensor.shape[:1] == (1,)
    return has and node.type != "Concat" and same


def _axis(node: Node) -> int | None:
    """The axis that an attribute names, from the front; None if the operation has none."""
    values = integers(node, "axis")
    rank = len(node.output().shape)
    return values[0] % rank if values and rank else None


def _axes(node: Node) -> set[int]:
    """The axes that the second input names, from the front; axis 0 if they are not known."""
    if len(node.inputs) < 2 or node.source(1).node.type != "Const":
        return {0}
    rank = len(node.output().shape if node.type == "Unsqueeze" else node.source().shape)
    return {int(axis) % rank for axis in node.source(1).node.array.ravel()} if rank else {0}


def _keeps_product(node: Node, found: Batches) -> bool:
    """A product of [B, ..., n, k] with a matrix, or with another batch."""
    first, second = node.source(0), node.source(1)
    if len(first.shape) == 2 and flag(node, "transpose_a"):
        return False
    if second in found:
        return len(first.shape) == len(second.shape) > 2
    if len(second.shape) > len(first.shape):  # the product has axes in front of the batch
        return False
    return len(second.shape) <= 2 or len(second.shape) < len(first.shape) or second.shape[0] == 1


def _keeps_first(node: Node) -> bool:
    """Whether a Reshape keeps axis 0: then the number of elements per row stays the same."""
    before, after, pattern = node.source().shape, node.output().shape, node.source(1).node
    if not before or not after:
        return False
    if pattern.type == "Const" and pattern.elements:
        sizes = [int(size) for size in pattern.array.ravel()]
        if sizes[0] == 0 and flag(node, "special_zero"):
            return True
        if sizes[0] == DYNAMIC and min(sizes[1:], default=1) > 0 and DYNAMIC not in before[1:]:
            return math.prod(before[1:]) == math.prod(sizes[1:])
    return before[0] == after[0] != DYNAMIC
