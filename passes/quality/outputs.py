"""What kind of outputs a model has, and which tensors tell whether they are good."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort
from ...ir.ops import LAYER_TYPES, WEIGHTED_TYPES

#: Operations that pick boxes, rows or indices by comparing scores: a small error before them swaps whole rows behind.
_SELECTIONS = (
    "ArgMax",
    "DetectionOutput",
    "ExperimentalDetectronDetectionOutput",
    "ExperimentalDetectronGenerateProposalsSingleImage",
    "ExperimentalDetectronTopKROIs",
    "GenerateProposals",
    "MatrixNms",
    "MulticlassNms",
    "NMSRotated",
    "NonMaxSuppression",
    "Proposal",
    "TopK",
)
_MOVES = ("Convert", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_PROBABILITIES = ("HardSigmoid", "HSigmoid", "LogSoftmax", "Sigmoid", "SoftMax")
_IMAGE_CHANNELS = (1, 3)
_NAME = "irquant/compared"


class OutputKind(StrEnum):
    """What an output holds, as far as its layer and its shape tell."""

    VALUES = "values"
    CLASSES = "classes"  # scores, of which the largest counts
    IMAGE = "image"  # as many channels as the image that goes in, and no fewer pixels
    DETECTIONS = "detections"  # picked by comparing scores


@dataclass(frozen=True)
class Output:
    """An output of a model.

    Attributes:
        name: What messages call it.
        kind: What it holds.
        tensors: Which tensors are compared: numbers of outputs, then of taps (see `Outputs`).
    """

    name: str
    kind: OutputKind
    tensors: tuple[int, ...]


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model.

    Attributes:
        each: One an output, in the model's order.
        taps: Inputs of selections, whose tensors are compared instead of what was selected by them.
        left_out: Results, by id, that need not be computed (see `narrowed`).
    """

    each: tuple[Output, ...] = ()
    taps: tuple[InPort, ...] = ()
    left_out: tuple[int, ...] = ()

    def narrowed(self, graph: Graph, planned: Collection[Node]) -> "Outputs":
        """The same without computing what is selected, which nobody compares: loops of selections compile slowly.

        Args:
            graph: The model.
            planned: Its layers that are to run in int8. They must all be in front of what is compared.
        """
        results = graph.in_file_order("Result")
        numbers = [index for index, each in enumerate(self.each) if each.kind is OutputKind.DETECTIONS]
        kept = [result for index, result in enumerate(results) if index not in numbers]
        needed = {node for result in kept for node in _above(result)}
        needed |= {node for tap in self.taps for node in (tap.source.node, *_above(tap.source.node))}
        layers = {Node(graph, node.graph.scope[0][0]) if node.graph.scope else node for node in planned}
        if not numbers or not layers <= needed:
            return self
        position = {
            number: number - sum(left < number for left in numbers) for each in self.each for number in each.tensors
        }
        each = tuple(replace(it, tensors=tuple(position[number] for number in it.tensors)) for it in self.each)
        return replace(self, each=each, left_out=tuple(results[index].id for index in numbers))

    def tapped(self, graph: Graph) -> Graph:
        """A copy of the model, or of what became of it, that gives the taps behind its outputs; itself without any."""
        if not self.taps:
            return graph
        copy = graph.copy()
        self.attach(copy)
        return copy

    def attach(self, graph: Graph) -> None:
        """Makes the taps the last outputs of a graph, and takes out of it what is left out."""
        for tap in self.taps:
            graph.add("Result", _NAME, [InPort(Node(graph, tap.node.id), tap.index).source], [])
        for result in [Node(graph, id_) for id_ in self.left_out]:
            source = result.source().node
            graph.remove(result)
            graph.prune(source)


def find_outputs(graph: Graph) -> Outputs:
    """What a float model's outputs are."""
    results = graph.in_file_order("Result")
    selections = [node for node in graph.nodes() if _selects(node)]
    selected = _behind(selections)
    first = [node for node in selections if node not in selected]
    layers = list(graph.nodes(*LAYER_TYPES))
    computed = _behind(layers) | set(layers)
    taps: dict[InPort, int] = {}
    found: list[Output] = []
    for index, result in enumerate(results):
        above = _above(result) if result in selected else set[Node]()
        ports = [port for node in first if node in above for port in _compared(node, computed)]
        for port in ports:
            taps.setdefault(port, len(results) + len(taps))
        kind = OutputKind.DETECTIONS if ports else _kind(result, graph, is_alone=len(results) == 1)
        found.append(Output(_name(result), kind, tuple(taps[port] for port in ports) or (index,)))
    return Outputs(tuple(found), tuple(taps))


def _name(result: Node) -> str:
    names = result.source().names
    return names[0] if names else result.source().node.name


def _selects(node: Node) -> bool:
    inside = (each for body in node.bodies.values() for graph in body.walk() for each in graph.in_file_order())
    return node.type in _SELECTIONS or any(each.type in _SELECTIONS for each in inside)


def _behind(nodes: Iterable[Node]) -> set[Node]:
    """All nodes that read, directly or not, what some nodes give."""
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        readers = {port.node for output in waiting.pop().outputs for port in output.consumers} - found
        found |= readers
        waiting += readers
    return found


def _above(node: Node) -> set[Node]:
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        sources = {port.source.node for port in waiting.pop().inputs} - found
        found |= sources
        waiting += sources
    return found


def _compared(selection: Node, computed: set[Node]) -> Iterator[InPort]:
    """The inputs of a selection that hold floats which layers computed."""
    for port in selection.inputs:
        source = port.source
        if source.element_type.is_float and source.shape and source.node in computed:
            yield port


def _kind(result: Node, graph: Graph, *, is_alone: bool) -> OutputKind:
    tensor = result.source()
    last = _unmoved(tensor).node
    if last.type in ("SoftMax", "LogSoftmax"):
        return OutputKind.CLASSES
    if last.type in _PROBABILITIES:
        return OutputKind.VALUES
    if is_alone and len(tensor.shape) == 2 and tensor.shape[1] > 2 and _is_layer(last):
        return OutputKind.CLASSES
    inputs = [node.output() for node in graph.in_file_order("Parameter")]
    return OutputKind.IMAGE if any(_is_image_of(tensor, each) for each in inputs) else OutputKind.VALUES


def _unmoved(tensor: OutPort) -> OutPort:
    while tensor.node.type in _MOVES:
        tensor = tensor.node.source()
    return tensor


def _is_layer(node: Node) -> bool:
    """Whether a node is a layer, or the Add of its bias."""
    sources = [port.source.node.type for port in node.inputs] if node.type == "Add" else [node.type]
    return any(type_ in WEIGHTED_TYPES for type_ in sources)


def _is_image_of(output: OutPort, given: OutPort) -> bool:
    """Whether both are pictures of the same channels, and the output has no fewer pixels; unknown sizes may fit."""
    if len(output.shape) != 4 or len(given.shape) != 4:
        return False
    (channels, sizes), (channels_in, sizes_in) = _as_image(output.shape), _as_image(given.shape)
    is_larger = all(DYNAMIC in (out, size) or out >= size for out, size in zip(sizes, sizes_in, strict=True))
    return channels == channels_in and channels in _IMAGE_CHANNELS and is_larger


def _as_image(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Channels and sizes of a picture, channels first or last."""
    return (shape[1], shape[2:]) if shape[1] in _IMAGE_CHANNELS else (shape[3], shape[1:3])
