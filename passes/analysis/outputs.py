"""What kind of outputs a model has, and which tensors tell whether they are good."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ...ir import Builder, Graph, InPort, Node, OutPort
from ...ir.ops import WEIGHTED_TYPES
from ..runtime.samples import ValidationSample
from .decisions import Decisions, above, behind, selects
from .pictures import is_picture_of, may_be_picture

_MOVES = ("Convert", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_PROBABILITIES = ("HardSigmoid", "HSigmoid", "LogSoftmax", "Sigmoid", "SoftMax")
_NAME = "irquant/compared"


class OutputKind(StrEnum):
    """What an output holds, as far as its layer and its shape tell."""

    VALUES = "values"
    CLASSES = "classes"  # scores, of which the largest counts
    IMAGE = "image"  # a picture of the one that goes in
    DETECTIONS = "detections"  # picked by comparing scores
    DECISIONS = "decisions"  # whole numbers or flags made of floats


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
        taps: Inputs of what decides (see `decisions`), whose tensors are compared instead of what was decided by them,
            or besides.
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
        needed = {node for result in kept for node in above(result)}
        needed |= {node for tap in self.taps for node in (tap.source.node, *above(tap.source.node))}
        layers = {Node(graph, node.graph.scope[0][0]) if node.graph.scope else node for node in planned}
        if not numbers or not layers <= needed:
            return self
        position = {
            number: number - sum(left < number for left in numbers) for each in self.each for number in each.tensors
        }
        each = tuple(replace(it, tensors=tuple(position[number] for number in it.tensors)) for it in self.each)
        return replace(self, each=each, left_out=tuple(results[index].id for index in numbers))

    def seen(self, samples: Sequence[ValidationSample]) -> "Outputs":
        """The same, of which only those are still images that look like one on these samples; without any, none."""
        names = list(samples[0].feed) if samples else []

        def is_image(number: int) -> bool:
            return any(is_picture_of([(each.feed[name], each.outputs[number]) for each in samples]) for name in names)

        each = tuple(
            replace(it, kind=OutputKind.VALUES) if it.kind is OutputKind.IMAGE and not is_image(it.tensors[0]) else it
            for it in self.each
        )
        return replace(self, each=each)

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
            Builder(graph).result(InPort(Node(graph, tap.node.id), tap.index).source, name=_NAME)
        for result in [Node(graph, id_) for id_ in self.left_out]:
            source = result.source().node
            graph.remove(result)
            graph.prune(source)


def find_outputs(graph: Graph) -> Outputs:
    """What a float model's outputs are, as far as its graph tells: some images are none (see `Outputs.seen`)."""
    results, decisions = graph.in_file_order("Result"), Decisions(graph)
    selections = [node for node in graph.nodes() if selects(node)]
    selected = behind(selections)
    first = [node for node in selections if node not in selected]
    taps: dict[InPort, int] = {}
    found: list[Output] = []
    for index, result in enumerate(results):
        needed = above(result) if result in selected else set[Node]()
        ports = [port for node in first if node in needed for port in decisions.floats_read(node)]
        kind = OutputKind.DETECTIONS if ports else _kind(result, graph, is_alone=len(results) == 1)
        if not ports and kind is not OutputKind.IMAGE and (ports := decisions.of(result.source())):
            kind = OutputKind.DECISIONS
        lengths = [] if ports else decisions.of_lengths(result)
        for port in (*ports, *lengths):
            taps.setdefault(port, len(results) + len(taps))
        numbers = [taps[port] for port in (*ports, *lengths)]
        found.append(Output(_name(result), kind, tuple(numbers if ports else [index, *numbers])))
    return Outputs(tuple(found), tuple(taps))


def _name(result: Node) -> str:
    names = result.source().names
    return names[0] if names else result.source().node.name


def _kind(result: Node, graph: Graph, *, is_alone: bool) -> OutputKind:
    tensor = result.source()
    last = _unmoved(tensor).node
    if last.type in ("SoftMax", "LogSoftmax"):
        return OutputKind.CLASSES
    if last.type in _PROBABILITIES:
        return OutputKind.VALUES
    if is_alone and len(tensor.shape) == 2 and tensor.shape[1] > 2 and _is_layer(last):
        return OutputKind.CLASSES
    inputs = [node.output().shape for node in graph.in_file_order("Parameter")]
    return OutputKind.IMAGE if any(may_be_picture(tensor.shape, each) for each in inputs) else OutputKind.VALUES


def _unmoved(tensor: OutPort) -> OutPort:
    while tensor.node.type in _MOVES:
        tensor = tensor.node.source()
    return tensor


def _is_layer(node: Node) -> bool:
    """Whether a node is a layer, or the Add of its bias."""
    sources = [port.source.node.type for port in node.inputs] if node.type == "Add" else [node.type]
    return any(type_ in WEIGHTED_TYPES for type_ in sources)
