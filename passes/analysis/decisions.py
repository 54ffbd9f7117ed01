"""Finds the decisions of a model: conversions to integers or flags, and data-dependent lengths.

Behind a decision a small error vanishes or becomes large: whole rows are swapped, a class changes, a sentence gets a
sound longer. The floats in front of the decision show how close a quantized model is to the float model.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from ...ir import Graph, InPort, Node, OutPort
from ...ir.ops import LAYER_TYPES

#: The inputs whose values, not sizes, set the sizes of the output.
_LENGTHS = {
    "Broadcast": (1,),
    "Interpolate": (1, 2),
    "NonZero": (0,),
    "OneHot": (1,),
    "Pad": (1, 2),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Slice": (1, 2, 3),
    "StridedSlice": (1, 2, 3),
    "Tile": (1,),
    "Unique": (0,),
    "VariadicSplit": (2,),
}
#: Operations whose outputs are whole numbers of a float type.
_ROUNDINGS = ("Ceiling", "Floor", "Round")


class Decisions:
    """The decisions of a model by values that layers computed.

    Attributes:
        computed: The operations whose results int8 may change.
    """

    def __init__(self, graph: Graph) -> None:
        layers = list(graph.nodes(*LAYER_TYPES))
        self.computed = behind(layers) | set(layers)
        self._turns = [node for node in graph.nodes() if node in self.computed and self._turns_floats(node)]
        self._decided = behind(self._turns, through=_has_values) | set(self._turns)

    def floats_read(self, node: Node) -> Iterator[InPort]:
        """The inputs of an operation that hold floats computed by layers."""
        return (port for port in node.inputs if port.source.shape and self._is_computed(port))

    def of(self, tensor: OutPort) -> list[InPort]:
        """The inputs with the floats that decide a tensor of whole numbers or flags, in file order."""
        if tensor.element_type.is_float or tensor.node not in self._decided:
            return []
        between = {tensor.node} | above(tensor.node)
        turns = [node for node in self._turns if node in between]
        later = behind(turns)
        return [
            self._before_rounding(port)
            for node in turns
            if node not in later
            for port in node.inputs
            if self._is_computed(port)
        ]

    def of_lengths(self, result: Node) -> list[InPort]:
        """The inputs with the floats that decide the length of a result, or of a tensor in front of it."""
        needed = above(result) if self._turns else set[Node]()
        deciding = [
            port
            for node in needed
            for index in _LENGTHS.get(node.type, ())
            if index < len(node.inputs)
            for port in self.of(node.source(index))
        ]
        return sorted(dict.fromkeys(deciding), key=lambda port: (port.node.id, port.index))

    def _turns_floats(self, node: Node) -> bool:
        """Whether an operation turns floats computed by layers into other types."""
        return (
            _has_values(node)
            and bool(node.outputs)
            and not any(output.element_type.is_float for output in node.outputs)
            and any(self._is_computed(port) for port in node.inputs)
        )

    def _is_computed(self, port: InPort) -> bool:
        return port.source.element_type.is_float and port.source.node in self.computed

    def _before_rounding(self, port: InPort) -> InPort:
        while port.source.node.type in _ROUNDINGS and self._is_computed(port.source.node.inputs[0]):
            port = port.source.node.inputs[0]
        return port


def behind(nodes: Iterable[Node], through: Callable[[Node], bool] = lambda _: True) -> set[Node]:
    """All nodes that read the outputs of some nodes, directly or through nodes of a kind."""
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        readers = {
            port.node for output in waiting.pop().outputs for port in output.consumers if through(port.node)
        } - found
        found |= readers
        waiting += readers
    return found


def above(node: Node, until: Collection[str] = ()) -> set[Node]:
    """All nodes that a node reads, directly or indirectly, up to nodes of some types."""
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        reader = waiting.pop()
        sources = {port.source.node for port in reader.inputs if reader.type not in until} - found
        found |= sources
        waiting += sources
    return found


def _has_values(node: Node) -> bool:
    """Whether an operation's output depends on values, not only on sizes."""
    return node.type != "ShapeOf"
