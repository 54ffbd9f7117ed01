"""Follows the axis that numbers picked rows through the operations that compute with them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort
from ...ir.ops import DATA_PORT, REDUCTION_TYPES, flag

_RESHAPES = ("Reshape", "Squeeze", "Unsqueeze")
#: Operations that pick rows by indices, and those that pick regions by boxes.
GATHERS = ("Gather", "GatherElements", "GatherND")
REGIONS = (
    "DeformablePSROIPooling",
    "ExperimentalDetectronROIFeatureExtractor",
    "PSROIPooling",
    "ROIAlign",
    "ROIAlignRotated",
    "ROIPooling",
)


@dataclass(frozen=True)
class Rows:
    """The rows of a tensor that come in the order in which they were picked.

    Attributes:
        axis: The axis that numbers them.
        picked: The picked tensor from which they come.
    """

    axis: int
    picked: OutPort


def chosen_by(node: Node) -> InPort:
    """The input of an operation that picks: its indices or boxes."""
    return node.inputs[0 if node.type == "ExperimentalDetectronROIFeatureExtractor" else 1]


def index_axis(node: Node) -> int:
    """The axis of the indices of Gather or its like that numbers the rows."""
    rank = len(node.source(1).shape)
    return {"Gather": rank - 1, "GatherND": rank - 2}.get(node.type) or int(node.attributes.get("axis", "0")) % rank


def picked_axis(node: Node) -> int | None:
    """The axis of the rows that Gather and its like pick by indices; 0 for regions of boxes; None if it is unknown."""
    if node.type == "Gather":
        axis = _gather_axis(node)
        return None if axis is None else axis + index_axis(node) - int(node.attributes.get("batch_dims", "0"))
    if node.type in GATHERS:
        return index_axis(node) if index_axis(node) >= 0 else None
    return 0


def _gather_axis(node: Node) -> int | None:
    axis = node.source(2).node
    return int(axis.array.item()) % len(node.source().shape) if axis.type == "Const" else None


def _is_gathered(node: Node, axis: int) -> bool:
    """Whether Gather or its like picks along an axis of its data, so that other rows are there behind it."""
    if node.type == "GatherND":
        return axis < int(node.attributes.get("batch_dims", "0")) + node.source(1).shape[-1]
    return axis == (_gather_axis(node) if node.type == "Gather" else index_axis(node))


def row_axes(graph: Graph, picked: Mapping[OutPort, int], until: Collection[Node] = ()) -> dict[OutPort, Rows]:
    """The tensors whose rows come in the order in which they were picked.

    Sums over the rows have no such axis, nor has what mixes them with other rows.

    Args:
        graph: The model.
        picked: The picked tensors, and the axes of their rows.
        until: Operations behind which rows come in another order.
    """
    starts = {tensor: Rows(axis, tensor) for tensor, axis in picked.items()}
    found = {tensor: rows for tensor, rows in starts.items() if tensor.node.type not in REGIONS}
    for node in (each for each in graph.nodes() if each not in until):
        for port in (each for each in node.inputs if each.source in found):
            for output in node.outputs:
                moved = _moved(port, found[port.source].axis, output)
                if moved is not None:
                    found.setdefault(output, Rows(moved, found[port.source].picked))
        for output in (each for each in node.outputs if each in starts):
            found.setdefault(output, starts[output])
    return found


def _moved(port: InPort, axis: int, output: OutPort) -> int | None:
    """Where the axis of an input is in an output; None if it is not there any more."""
    node, shape = port.node, port.source.shape
    if node.type == "Transpose":
        order = node.source(1).node
        return [*order.array.reshape(-1)].index(axis) if order.type == "Const" and order.array.size else None
    if node.type in REDUCTION_TYPES:
        return _behind_reduction(node, axis)
    if node.type in _RESHAPES and port.index == DATA_PORT:
        return _reshaped(axis, shape, output.shape)
    if node.type == "MatMul" and (port.index != DATA_PORT or axis != len(shape) - 2 + flag(node, "transpose_a")):
        is_batch = axis < len(shape) - 2
        return axis + len(output.shape) - len(shape) if is_batch else None
    if node.type == "GridSample":
        return _sampled(port, axis)
    if node.type in (*GATHERS, *REGIONS) and port.index == chosen_by(node).index:
        return axis if node.type in REGIONS and not axis else None
    if node.type in GATHERS and _is_gathered(node, axis):
        return None
    if node.type == "ScaledDotProductAttention" and port.index != DATA_PORT and axis >= len(shape) - 2:
        return None
    if node.type == "Concat" and int(node.attributes["axis"]) % len(shape) == axis:
        return None
    moved = axis + len(output.shape) - len(shape)
    is_kept = 0 <= moved < len(output.shape) and output.shape[moved] == shape[axis]
    return moved if is_kept else None


def _sampled(port: InPort, axis: int) -> int | None:
    """The axis behind GridSample: batches and channels are the data's, rows and columns are those of the grid."""
    if port.index == DATA_PORT:
        return axis if axis < 2 else None
    return {0: 0, 1: 2, 2: 3}.get(axis)


def _behind_reduction(node: Node, axis: int) -> int | None:
    axes, rank = node.source(1).node, len(node.source().shape)
    if axes.type != "Const":
        return None
    gone = {int(each) % rank for each in axes.array.reshape(-1)}
    if axis in gone:
        return None
    return axis if flag(node, "keep_dims") else axis - sum(each < axis for each in gone)


def _reshaped(axis: int, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """The axis of the same size behind as many elements; sizes that are unknown are the same in their order."""
    for index, size in enumerate(after):
        if size == before[axis] and _elements(after[:index]) == _elements(before[:axis]):
            return index
    return None


def _elements(shape: tuple[int, ...]) -> tuple[int, int]:
    return math.prod(each for each in shape if each != DYNAMIC), shape.count(DYNAMIC)
