"""Regions of operations that may have the axes of all their tensors in another order, and what that would save."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ...ir import Graph, InPort, Node, OutPort
from ...ir.folding import folded
from ...ir.ops import integers, is_constant, is_standard, transpose_order
from .axis_orders import Order, composed, inverse, is_same, moved_elements, permuted
from .constants import constant_nodes
from .disjoint_sets import DisjointSets

#: Operations of tensors that broadcast.
_ARITHMETIC = ("Add", "Divide", "Maximum", "Minimum", "Multiply", "Power", "SquaredDifference", "Subtract")
#: Operations of one tensor, and those whose further inputs may be single numbers.
_UNARY = (
    *("Abs", "Clamp", "Convert", "Cos", "Elu", "Erf", "Exp", "Gelu", "HSigmoid", "HSwish", "HardSigmoid", "Log"),
    *("Mish", "Negative", "PReLU", "ReLU", "Selu", "Sigmoid", "Sin", "SoftPlus", "SoftSign", "Sqrt", "Swish", "Tanh"),
)
#: The input of an Interpolate with its axes, by operation set; older ones have them as an attribute.
AXES_PORTS = {"opset4": 3, "opset11": 2}
#: The first axis behind batch and channels.
_SPATIAL = 2


@dataclass(frozen=True)
class Turn:
    """A Transpose at the edge of a region, or between two of its operations.

    Attributes:
        node: The Transpose.
        order: Its order.
        starts_inside: Whether an operation of the region computes what it reads.
        inside: The inputs in the region that read it.
        outside: The other inputs that read it.
    """

    node: Node
    order: Order
    starts_inside: bool
    inside: Sequence[InPort]
    outside: Sequence[InPort]

    def orders(self, order: Order) -> tuple[Order, Order]:
        """Its order for readers inside and outside if the region gets the order in front of a Transpose."""
        out = composed(order, self.order) if self.starts_inside else self.order
        return composed(out, inverse(order)), out


@dataclass(frozen=True)
class Region:
    """Connected operations of one rank.

    Attributes:
        nodes: The operations, in topological order.
        constants: The operations of the graph whose values do not depend on the data; the runtime folds them.
        turns: The Transposes beside the operations.
        entries: Other tensors that come in -> the inputs that read them. A single number has no axes, and is none.
        known: Those of them that are folded here. Others need a Transpose, also constants that only the runtime folds.
        exits: Tensors that other operations than Transposes read outside -> these inputs.
    """

    nodes: Collection[Node]
    constants: Collection[Node]
    turns: dict[Node, Turn] = field(default_factory=dict[Node, Turn])
    entries: dict[OutPort, list[InPort]] = field(default_factory=dict[OutPort, list[InPort]])
    exits: dict[OutPort, list[InPort]] = field(default_factory=dict[OutPort, list[InPort]])
    known: set[OutPort] = field(default_factory=set[OutPort])

    def __post_init__(self) -> None:
        """Finds the edge of the region."""
        for node in self.nodes:
            for port in data_ports(node):
                is_inner = port.source.node in self.nodes or _is_number(port.source)
                if not is_inner and not self._note_turn(port.source.node):
                    self.entries.setdefault(port.source, []).append(port)
            for port in node.output().consumers:
                if port.node not in self.nodes and not self._note_turn(port.node):
                    self.exits.setdefault(node.output(), []).append(port)
        self.known.update(tensor for tensor in self.entries if folded(tensor) is not None)

    def _note_turn(self, node: Node) -> bool:
        order = transpose_order(node)
        if order is None or node in self.constants or len(order) != self.rank:
            return False
        if node not in self.turns:
            readers = node.output().consumers
            inside, outside = (
                [port for port in readers if (port.node in self.nodes) is is_in] for is_in in (True, False)
            )
            self.turns[node] = Turn(node, order, node.source().node in self.nodes, inside, outside)
        return True

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(next(iter(self.nodes)).output().shape)

    @property
    def orders(self) -> list[Order]:
        """The orders with which one of the Transposes would go."""
        orders = {inverse(each.order) if each.starts_inside else each.order for each in self.turns.values()}
        return sorted(order for order in orders if not is_same(order) and self._takes(order))

    def _takes(self, order: Order) -> bool:
        """Whether pictures are then resized along ascending axes behind the channels, as every kernel does it."""
        resized = (axes_of(node) for node in self.nodes if node.type == "Interpolate")
        turned = [[order[axis] for axis in axes] for axes in resized]
        return all(sorted(axes) == axes and min(axes, default=_SPATIAL) >= _SPATIAL for axes in turned)

    def gain(self, order: Order) -> tuple[int, int]:
        """What is saved if the region computes what is in front of a Transpose of that order.

        Returns:
            The elements that Transposes copy no more, and how many Transposes go; negative if more are copied, or come.
        """
        copied, counts = zip((0, 0), *self._savings(order), strict=True)
        return sum(copied), sum(counts)

    def _savings(self, order: Order) -> Iterator[tuple[int, int]]:
        """The same for each Transpose that goes, comes or changes."""
        back = inverse(order)
        for turn in self.turns.values():
            shape = turn.node.source().shape
            if self._are_live([*turn.inside, *turn.outside]):
                yield _load(shape, turn.order)
            shape = permuted(shape, back) if turn.starts_inside else shape
            for ports, new in zip((turn.inside, turn.outside), turn.orders(order), strict=True):
                if self._are_live(ports):
                    yield _negative(_load(shape, new))
        for tensor in self.entries.keys() - self.known:
            yield _negative(_load(aligned(tensor.shape, self.rank), back))
        for tensor, ports in self.exits.items():
            if self._are_live(ports):
                yield _negative(_load(permuted(tensor.shape, back), order))

    def _are_live(self, ports: Sequence[InPort]) -> bool:
        """Whether anything reads the values: of a shape, the runtime needs none if the sizes are known."""
        return any(port.node not in self.constants for port in ports)


def regions(graph: Graph) -> Iterator[Region]:
    """The regions of a graph beside which there is a Transpose; each as the graph is when it comes."""
    if next(graph.nodes("Transpose"), None) is None:
        return
    constants = constant_nodes(graph)
    members = dict.fromkeys(node for node in graph.nodes() if node not in constants and _is_member(node))
    sets = DisjointSets(members)
    for node in members:
        rank, sources = len(node.output().shape), [port.source for port in data_ports(node)]
        sets.join([node, *(each.node for each in sources if each.node in members and len(each.shape) == rank)])
    found: dict[Node, dict[Node, None]] = {}
    for node in members:
        found.setdefault(sets.root(node), {})[node] = None
    for nodes in found.values():
        if (region := Region(nodes.keys(), constants)).turns:
            yield region


def data_ports(node: Node) -> list[InPort]:
    """The inputs of an operation whose axes are those of its output."""
    return node.inputs if node.type in (*_ARITHMETIC, "Concat") else node.inputs[:1]


def axes_of(node: Node) -> list[int]:
    """The axes that an Interpolate resizes."""
    rank = len(node.output().shape)
    return [int(axis) % rank for axis in node.source(AXES_PORTS[node.opset]).node.array.ravel()]


def aligned(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    """The shape of a tensor that broadcasts, with axes of size 1 in front."""
    return (1,) * (rank - len(shape)) + tuple(shape)


def _load(shape: Sequence[int], order: Order) -> tuple[int, int]:
    """The elements that a Transpose copies, and 1; nothing if it need not be there."""
    return (0, 0) if is_same(order) else (moved_elements(shape, order), 1)


def _negative(load: tuple[int, int]) -> tuple[int, int]:
    return -load[0], -load[1]


def _is_number(tensor: OutPort) -> bool:
    is_known = bool(tensor.shape) or is_constant(tensor)  # without sizes, the rank may be unknown
    return is_known and all(size == 1 for size in tensor.shape)


def _is_member(node: Node) -> bool:
    """Whether an operation gives the same numbers with its axes in another order.

    Those that make integers or flags of floats are left out: their operands are compared number by number.
    """
    if not is_standard(node) or len(node.outputs) != 1 or not node.output().element_type.is_float:
        return False
    data = [port.source for port in data_ports(node)]
    if len(node.output().shape) < 2 or not all(each.shape or _is_number(each) for each in data):
        return False
    if node.type in _UNARY:
        return all(_is_number(port.source) for port in node.inputs[1:])
    if node.type == "Interpolate":
        return _is_along_constant_axes(node)
    return node.type == "Concat" or (node.type in _ARITHMETIC and node.attributes.get("auto_broadcast") != "pdpd")


def _is_along_constant_axes(node: Node) -> bool:
    port = AXES_PORTS.get(node.opset, len(node.inputs))
    pads = (*integers(node, "pads_begin"), *integers(node, "pads_end"))
    return port < len(node.inputs) and node.source(port).node.type == "Const" and not any(pads)
