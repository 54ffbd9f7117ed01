"""Follows the axis that numbers picked rows through the operations that compute with them."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort
from ...ir.folding import FORM_CHANGES
from ...ir.ops import DATA_PORT, REDUCTION_TYPES, flag, integers
from .choices import unmoved

_RESHAPES = ("Reshape", "Squeeze", "Unsqueeze")
#: What becomes of indices that pick from several tensors.
_REPEATED = (*FORM_CHANGES, "Broadcast", "Tile")
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
        picked: The picked tensor from which they come; None if they come from several with other indices.
    """

    axis: int
    picked: OutPort | None


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
        return None if axis is None else axis + _added(node)
    if node.type in GATHERS:
        return index_axis(node) if index_axis(node) >= 0 else None
    return 0


def _gather_axis(node: Node) -> int | None:
    axis = node.source(2).node
    return int(axis.array.item()) % len(node.source().shape) if axis.type == "Const" else None


def _added(node: Node) -> int:
    """How many axes Gather adds: one less than it puts in the place of the axis along which it picks."""
    return index_axis(node) - int(node.attributes.get("batch_dims", "0"))


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
                    rows = Rows(moved, found[port.source].picked)
                    known = found.setdefault(output, rows)
                    if known.axis == moved and known.picked != rows.picked and _order(known) != _order(rows):
                        found[output] = Rows(moved, None)
        for output in (each for each in node.outputs if each in starts):
            found.setdefault(output, starts[output])
    return found


def _order(rows: Rows) -> OutPort | None:
    """What numbers the rows: the indices or boxes, before they are repeated for each column."""
    return unmoved(chosen_by(rows.picked.node).source, _REPEATED) if rows.picked else None


def _moved(port: InPort, axis: int, output: OutPort) -> int | None:
    """Where the axis of an input is in an output; None if it is not there any more."""
    return _MOVED.get(port.node.type, _kept)(port, axis, output)


def _kept(port: InPort, axis: int, output: OutPort) -> int | None:
    """As behind operations that compute element by element: the same axis, counted from the last."""
    shape = port.source.shape
    moved = axis + len(output.shape) - len(shape)
    is_kept = 0 <= moved < len(output.shape) and output.shape[moved] == shape[axis]
    return moved if is_kept else None


def _transposed(port: InPort, axis: int, output: OutPort) -> int | None:
    order = port.node.source(1).node
    return [*order.array.reshape(-1)].index(axis) if order.type == "Const" and order.array.size else None


def _multiplied(port: InPort, axis: int, output: OutPort) -> int | None:
    """Behind MatMul: rows of the first operand, and batches."""
    rank = len(port.source.shape)
    if port.index == DATA_PORT and axis == rank - 2 + flag(port.node, "transpose_a"):
        return _kept(port, axis, output)
    return axis + len(output.shape) - rank if axis < rank - 2 else None


def _attended(port: InPort, axis: int, output: OutPort) -> int | None:
    """Behind attention: the rows of queries, but not those of keys and values."""
    is_summed = port.index != DATA_PORT and axis >= len(port.source.shape) - 2
    return None if is_summed else _kept(port, axis, output)


def _concatenated(port: InPort, axis: int, output: OutPort) -> int | None:
    is_along = int(port.node.attributes["axis"]) % len(port.source.shape) == axis
    return None if is_along else _kept(port, axis, output)


def _sampled(port: InPort, axis: int, output: OutPort) -> int | None:
    """The axis behind GridSample: batches and channels are the data's, rows and columns are those of the grid."""
    if port.index == DATA_PORT:
        return axis if axis < 2 else None
    return {0: 0, 1: 2, 2: 3}.get(axis)


def _gathered(port: InPort, axis: int, output: OutPort) -> int | None:
    """Indices of Gather without an axis remove the axis along which they pick, those with several add axes."""
    node = port.node
    if port.index == chosen_by(node).index or _is_gathered(node, axis):
        return None
    if node.type != "Gather":
        return _kept(port, axis, output)
    if (at := _gather_axis(node)) is None:
        return None
    return axis if axis < at else axis + _added(node)


def _of_regions(port: InPort, axis: int, output: OutPort) -> int | None:
    """Regions come in the order of their boxes."""
    if port.index == chosen_by(port.node).index:
        return None if axis else 0
    return _kept(port, axis, output)


def _sliced(port: InPort, axis: int, output: OutPort) -> int | None:
    """Behind a StridedSlice, whose masks add axes, remove them, and stand for several at once."""
    node, shape = port.node, port.source.shape
    count = node.source(1).shape[0]
    masks = (
        [*integers(node, f"{name}_mask"), *[0] * count][:count] for name in ("new_axis", "shrink_axis", "ellipsis")
    )
    each = [*zip(*masks, strict=True)]
    left_out = len(shape) - sum(not is_new and not is_rest for is_new, _, is_rest in each)
    place = moved = 0
    for is_new, is_gone, is_rest in each:
        size = left_out if is_rest else 0 if is_new else 1
        if place <= axis < place + size:
            moved += axis - place
            return moved if (is_rest or not is_gone) and output.shape[moved] == shape[axis] else None
        place += size
        moved += size if is_rest else 1 if is_new or not is_gone else 0
    return moved + axis - place


def _reduced(port: InPort, axis: int, output: OutPort) -> int | None:
    node = port.node
    axes, rank = node.source(1).node, len(node.source().shape)
    if axes.type != "Const":
        return None
    gone = {int(each) % rank for each in axes.array.reshape(-1)}
    if axis in gone:
        return None
    return axis if flag(node, "keep_dims") else axis - sum(each < axis for each in gone)


def _reshaped(port: InPort, axis: int, output: OutPort) -> int | None:
    """The axis of the same size behind as many elements; sizes that are unknown are the same in their order."""
    before, after = port.source.shape, output.shape
    if port.index != DATA_PORT:
        return None
    for index, size in enumerate(after):
        if size == before[axis] and _elements(after[:index]) == _elements(before[:axis]):
            return index
    return None


def _elements(shape: tuple[int, ...]) -> tuple[int, int]:
    return math.prod(each for each in shape if each != DYNAMIC), shape.count(DYNAMIC)


_MOVED: Mapping[str, Callable[[InPort, int, OutPort], int | None]] = {
    **dict.fromkeys(REDUCTION_TYPES, _reduced),
    **dict.fromkeys(_RESHAPES, _reshaped),
    **dict.fromkeys(GATHERS, _gathered),
    **dict.fromkeys(REGIONS, _of_regions),
    "Concat": _concatenated,
    "GridSample": _sampled,
    "MatMul": _multiplied,
    "ScaledDotProductAttention": _attended,
    "StridedSlice": _sliced,
    "Transpose": _transposed,
}
