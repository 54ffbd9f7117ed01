"""Which values an input of a model may have because operations take them as indices or counts.

Runtimes read foreign memory, or give zeros, for an index that is out of range. Ranges are those of the operation
specifications of OpenVINO.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .graph import InPort, Node
from .layer import DYNAMIC
from .ops import is_standard

#: No tensor has more numbers along an axis.
_MOST = 2**31 - 1
#: Operations that give the values of their first input, or of all inputs, further.
_KEEPING = ("Convert", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class IndexLimit:
    """The values that a reader of a tensor takes.

    Attributes:
        least: The least value.
        most: The greatest value.
        reader: The operation, for messages.
    """

    least: int
    most: int
    reader: str


def index_limits(parameter: Node) -> tuple[IndexLimit, ...]:
    """The limits for the values of a Parameter, whole or joined with others; not those that bodies set."""
    found: list[IndexLimit] = []
    tensors = [parameter.output()]
    for tensor in tensors:  # the list grows
        for port in tensor.consumers:
            kept = port.node.type == "Concat" or (port.node.type in _KEEPING and port.index == 0)
            if kept and port.node.output() not in tensors:
                tensors.append(port.node.output())
            found.extend(_limits(port))
    return tuple(found)


def _limits(port: InPort) -> Iterator[IndexLimit]:
    """The limit that an input sets, if it takes indices or counts."""
    node, rule = port.node, _RULES.get((port.node.type, port.index))
    if rule and is_standard(node) and (limits := rule(node)):
        yield IndexLimit(*limits, str(node))


#: The least and the greatest value; None if they are unknown.
_Limits = tuple[int, int] | None


def _indices(size: int, *, also_negative: bool) -> _Limits:
    return None if size == DYNAMIC else (-size if also_negative else 0, size - 1)


def _size(node: Node, axis: int | None) -> int:
    """The size of the data along an axis; dynamic if one of the two is unknown."""
    shape = node.source().shape
    return DYNAMIC if axis is None or not -len(shape) <= axis < len(shape) else shape[axis]


def _constant(node: Node, index: int) -> int | None:
    """The value of an input that is a constant of one number."""
    source = node.source(index).node if index < len(node.inputs) else None
    return int(source.array.reshape(-1)[0]) if source and source.type == "Const" and source.elements == 1 else None


def _gather(node: Node) -> _Limits:
    """Gather-8 takes negative indices; earlier versions do not."""
    opset = int(node.opset.removeprefix("opset"))
    return _indices(_size(node, _constant(node, 2)), also_negative=opset >= 8)


def _gather_elements(node: Node) -> _Limits:
    return _indices(_size(node, int(node.attributes.get("axis", "0"))), also_negative=True)


def _scatter_elements(node: Node) -> _Limits:
    return _indices(_size(node, _constant(node, 3)), also_negative=True)


def _scatter(node: Node) -> _Limits:
    return _indices(_size(node, _constant(node, 3)), also_negative=False)


def _places(node: Node) -> _Limits:
    """GatherND, ScatterNDUpdate: the last axis of the indices has one for each of some axes of the data.

    Which of them a value belongs to may be lost on the way, so the limit is that of the longest axis.
    """
    first, data, indices = int(node.attributes.get("batch_dims", "0")), node.source().shape, node.source(1).shape
    if not indices or indices[-1] == DYNAMIC:
        return None
    sizes = data[first : first + indices[-1]]
    return None if DYNAMIC in sizes or not sizes else _indices(max(sizes), also_negative=True)


def _rows(node: Node) -> _Limits:
    return _indices(_size(node, 0), also_negative=False)


def _counts(least: int, most: int) -> Callable[[Node], _Limits]:
    return lambda _: (least, most)


#: Op type and input -> the limits of its values.
_RULES: Mapping[tuple[str, int], Callable[[Node], _Limits]] = {
    ("Gather", 1): _gather,
    ("GatherElements", 1): _gather_elements,
    ("GatherND", 1): _places,
    ("ScatterUpdate", 1): _scatter,
    ("ScatterElementsUpdate", 1): _scatter_elements,
    ("ScatterNDUpdate", 1): _places,
    **{(f"EmbeddingBag{kind}", 1): _rows for kind in ("Offsets", "OffsetsSum", "Packed", "PackedSum")},
    ("EmbeddingSegmentsSum", 1): _rows,
    ("Broadcast", 1): _counts(0, _MOST),
    ("Tile", 1): _counts(0, _MOST),
    ("Range", 0): _counts(-_MOST, _MOST),
    ("Range", 1): _counts(-_MOST, _MOST),
    ("Loop", 0): _counts(-1, 2**63 - 1),  # -1: until the condition is false
}
