"""Finds the channels that must be divided by the same positive number, so that the model computes the same.

A channel (axis 1) of a tensor can be divided without a change of the outputs if its producer divides and its readers
multiply. Convolutions do both: their weights take any factors of their input and of their output. Many other operations
give divided channels for divided ones, max(x / s, 0) = max(x, 0) / s, and so tie their inputs to their outputs. The
tensors of all other operations must not change. The ties are a fixed point over the graph, found channel by channel: a
Concat lays the channels of several tensors side by side, a Split separates them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.ops import DATA_PORT, WEIGHTED_TYPES, WEIGHTS_PORT
from ..statistics.sampling import Places
from .constants import SHAPE_READERS
from .ranges import Floats

#: The class of channels that must stay as they are.
_FIXED = -1
#: Layers whose channels are those of axis 1.
_CONVOLUTIONS = tuple(each for each in WEIGHTED_TYPES if each != "MatMul")


@dataclass(frozen=True)
class Tie:
    """Channels of two tensors that must be divided alike, one by one.

    Attributes:
        one: A tensor.
        other: Another one.
        places: Which channels of the one.
        others: Which channels of the other, in the same order.
    """

    one: OutPort
    other: OutPort
    places: slice
    others: slice


@dataclass(frozen=True)
class Stream:
    """Tensors that are tied to one another, and the numbers by which their channels may be divided.

    Attributes:
        size: How many numbers there are.
        channels: Tensor -> for each of its channels which of the numbers divides it; `size` if it must stay.
    """

    size: int
    channels: Mapping[OutPort, Places]

    def of(self, tensor: OutPort, numbers: Floats) -> Floats:
        """The factor that divides each channel of a tensor: [channels]."""
        return np.append(numbers, 1.0)[self.channels[tensor]]


def absorbs(node: Node) -> bool:
    """Whether a layer has weights of its own that can take factors of its input and output channels."""
    if node.type not in _CONVOLUTIONS:
        return False
    weights = node.source(WEIGHTS_PORT)
    return weights.node.type == "Const" and len(weights.consumers) == 1


def streams(graph: Graph, keeping: Collection[Node] = ()) -> list[Stream]:
    """All streams of a graph, not of its bodies, in topological order.

    Args:
        graph: The graph.
        keeping: Layers whose input is to stay as it is.
    """
    tensors = [port for node in graph.nodes() if node.type != "Const" for port in node.outputs if _has_channels(port)]
    classes: dict[OutPort, Places] = {}
    first = 0
    for tensor in tensors:
        classes[tensor] = np.arange(first, first + tensor.shape[1])
        first += tensor.shape[1]
    ties: list[Tie] = []
    for node in graph.nodes():
        found = _ties(node, classes)
        ties += found
        for tensor in _fixed_by(node, found, keeping):
            if tensor in classes:
                classes[tensor][:] = _FIXED
    _settle(classes, ties)
    return [_stream(group, classes) for group in _groups(classes, ties)]


def _has_channels(tensor: OutPort) -> bool:
    shape = tensor.shape
    return len(shape) > 1 and shape[1] not in (DYNAMIC, 0) and tensor.element_type.name == "f32"


def _fixed_by(node: Node, ties: Sequence[Tie], keeping: Collection[Node]) -> list[OutPort]:
    """The tensors of an operation that must not change."""
    data = [port.source for port in node.inputs]
    if node.type in SHAPE_READERS:
        return []
    if absorbs(node):
        return data[:1] if node in keeping else []
    tied = {each for tie in ties for each in (tie.one, tie.other)}
    return [each for each in (*data, *node.outputs) if each not in tied]


def _settle(classes: Mapping[OutPort, Places], ties: Sequence[Tie]) -> None:
    """Gives tied channels the same class: the lowest class among them."""
    changed = True
    while changed:
        changed = False
        for tie in (*ties, *reversed(ties)):
            one, other = classes[tie.one][tie.places], classes[tie.other][tie.others]
            if (one != other).any():
                one[:] = other[:] = np.minimum(one, other)
                changed = True


def _groups(classes: Mapping[OutPort, Places], ties: Sequence[Tie]) -> list[set[OutPort]]:
    """Tensors that are tied by channels that may change."""
    groups = {tensor: {tensor} for tensor, found in classes.items() if (found != _FIXED).any()}
    for tie in ties:
        if (classes[tie.one][tie.places] != _FIXED).any() and groups[tie.one] is not groups[tie.other]:
            joined = groups[tie.one] | groups[tie.other]
            groups |= dict.fromkeys(joined, joined)
    return list({id(group): group for group in groups.values()}.values())


def _stream(group: Collection[OutPort], classes: Mapping[OutPort, Places]) -> Stream:
    members = {tensor: found for tensor, found in classes.items() if tensor in group}
    numbers = np.unique(np.concatenate([*members.values()]))
    numbers = numbers[numbers != _FIXED]
    return Stream(
        len(numbers),
        {
            tensor: np.where(found == _FIXED, len(numbers), np.searchsorted(numbers, found))
            for tensor, found in members.items()
        },
    )


def _ties(node: Node, known: Collection[OutPort]) -> list[Tie]:
    """The ties of an operation, if all tied tensors may change; its other tensors must not change."""
    found = _RULES[node.type](node) if node.type in _RULES and node.output() in known else []
    return found if all(tie.one in known and tie.other in known for tie in found) else []


def _whole(one: OutPort, other: OutPort) -> list[Tie]:
    """Ties all channels of two tensors with equal numbers of channels."""
    return [Tie(one, other, slice(None), slice(None))] if one.shape[1:2] == other.shape[1:2] else []


def _through(node: Node) -> list[Tie]:
    """Ties an operation that scales with its data: its other inputs are constant."""
    return _whole(node.source(DATA_PORT), node.output()) if _is_constant(node, 1) else []


def _resized(node: Node) -> list[Tie]:
    """Ties an operation whose other inputs are sizes."""
    return _whole(node.source(DATA_PORT), node.output())


def _is_constant(node: Node, start: int) -> bool:
    return all(port.source.node.type == "Const" for port in node.inputs[start:])


def _pad(node: Node) -> list[Tie]:
    """Ties a Pad with zeros, or with values of the same channel."""
    if not _is_constant(node, 1) or any(node.source(index).node.array[1] for index in (1, 2)):
        return []
    value = node.source(3).node.array if len(node.inputs) > 3 else np.zeros(())
    return [] if node.attributes.get("pad_mode", "constant").lower() == "constant" and value.any() else _through(node)


def _reduction(node: Node) -> list[Tie]:
    """Ties a reduction over the positions of each channel."""
    rank = len(node.source().shape)
    is_spatial = _is_constant(node, 1) and all(axis % rank > 1 for axis in node.source(1).node.array.reshape(-1))
    return _through(node) if is_spatial else []


def _concat(node: Node) -> list[Tie]:
    axis, result = int(node.attributes["axis"]), node.output()
    parts = [port.source for port in node.inputs]
    return _along(axis, result, parts)


def _split(node: Node) -> list[Tie]:
    if not _is_constant(node, 1):
        return []
    return _along(int(node.source(1).node.array.item()), node.source(DATA_PORT), node.outputs)


def _along(axis: int, whole: OutPort, parts: Sequence[OutPort]) -> list[Tie]:
    """The ties of a tensor to its parts along an axis."""
    if axis % len(whole.shape) != 1:
        return [tie for part in parts for tie in _whole(part, whole)]
    ends = np.cumsum([part.shape[1] for part in parts]).tolist()
    return [
        Tie(part, whole, slice(None), slice(end - part.shape[1], end)) for part, end in zip(parts, ends, strict=True)
    ]


def _sum(node: Node) -> list[Tie]:
    """Ties a sum: of a tensor and a constant, which is divided too, or of two tensors with the same channels."""
    return [tie for tensor in _operands(node) for tie in _whole(tensor, node.output())]


def _operands(node: Node) -> list[OutPort]:
    """The operands that are not constant, if all have the rank and the channels of the result; otherwise none."""
    result = node.output()
    found = [port.source for port in node.inputs if port.source.node.type != "Const"]
    is_alike = all(len(each.shape) == len(result.shape) and each.shape[1] == result.shape[1] for each in found)
    fits = all(len(port.source.shape) <= len(result.shape) for port in node.inputs)
    return found if is_alike and fits else []


def _product(node: Node) -> list[Tie]:
    """Ties a product with a constant, or with a gate: a tensor with one number per channel, which does not change."""
    found = _operands(node)
    if len(found) == 2:
        wide = [each for each in found if len(each.shape) > 2 and any(size != 1 for size in each.shape[2:])]
        found = wide if len(wide) == 1 else []
    return [tie for tensor in found for tie in _whole(tensor, node.output())]


def _quotient(node: Node) -> list[Tie]:
    """Ties a division by a constant."""
    return _product(node) if _is_constant(node, 1) else []


_RULES: Mapping[str, Callable[[Node], list[Tie]]] = {
    **dict.fromkeys(("Abs", "AvgPool", "MaxPool", "PReLU", "ReLU"), _through),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _reduction),
    **dict.fromkeys(("Split", "VariadicSplit"), _split),
    **dict.fromkeys(("Add", "Subtract"), _sum),
    "Concat": _concat,
    "Divide": _quotient,
    "Interpolate": _resized,
    "Multiply": _product,
    "Pad": _pad,
}
