"""A model in which each rounded operation can be switched between its rounded and its float form while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ...ir import Builder, ElementType, Graph, Node, OutPort, element_type
from ..analysis.constants import SHAPE_READERS
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Plan

GATES = "irquant/gates"
_F32 = element_type("f32")


def rounded_operations(graph: Graph, plan: Plan) -> list[Node]:
    """The operations of a graph, not of its bodies, that read quantized tensors, in topological order."""
    waiting = [port.node for site in plan.sites if site.source.node.graph is graph for port in site.consumers]
    seen: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node not in seen and node in plan.moved:
            waiting += [port.node for output in node.outputs for port in output.consumers]
        seen.add(node)
    return [node for node in graph.nodes() if node in seen and not (node in plan.moved or node.type in SHAPE_READERS)]


@dataclass(frozen=True)
class AttachGates(Pass):
    """Puts a gate behind each rounded operation.

    Given::                                  Result::

        y = Convolution(fq_x, fq_w)              float = Convolution(x, w)
                                                 y' = Convolution(fq_x, fq_w)
                                                 y = Add(float, Multiply(gate, Subtract(y', float)))

    The gates are a new input of the model, one number per operation: all 0 give the float model, all 1 the quantized
    one. If that is wanted, a new first output holds the power of each difference, y' - float, then the power of each
    float output; it takes up to a quarter of the time.

    Attributes:
        operations: The ids of the operations.
        quantizers: The names of the FakeQuantizes that the gates switch.
        moved: The ids of operations that a FakeQuantize was moved past -> the inputs that it stands on.
        floats: The ids of the other rounded operations, which compute in float.
        with_powers: Whether there is an output of powers.
    """

    operations: tuple[int, ...]
    quantizers: frozenset[str]
    moved: Mapping[int, tuple[int, ...]]
    floats: tuple[int, ...] = ()
    with_powers: bool = True

    name: ClassVar[str] = "attach-gates"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})

    @classmethod
    def of(
        cls, operations: Sequence[Node], plan: Plan, floats: Sequence[Node] = (), *, with_powers: bool = True
    ) -> "AttachGates":
        """The pass for some operations of a model with a plan.

        Args:
            operations: The operations.
            plan: The plan.
            floats: The rounded operations that are not among them, if these are not all.
            with_powers: Whether there is an output of powers.
        """
        moved = {node.id: tuple(port.index for port in ports) for node, ports in plan.moved.items()}
        names = frozenset(site.name for site in plan.sites)
        ids, others = (tuple(node.id for node in some) for some in (operations, floats))
        return cls(ids, names, moved, others, with_powers)

    def run(self, graph: Graph, context: Context) -> int:
        """Attaches all gates, once."""
        parameters = graph.in_file_order("Parameter")
        if not self.operations or any(node.name == GATES for node in parameters):
            return 0
        first, twins = graph.in_file_order("Result")[0], _Twins(self)
        gates = self._gates(Builder(graph))
        pairs = [_attach(Node(graph, id_), gate, twins) for id_, gate in zip(self.operations, gates, strict=True)]
        for id_ in self.floats:
            for port in Node(graph, id_).inputs:
                port.connect(twins.of(port.source))
        if self.with_powers:
            rows = [_power(Builder(each.node.graph), each) for some in zip(*pairs, strict=True) for each in some]
            joined = Builder(graph).concat(rows, axis=0, name=f"{GATES}/powers")
            Builder(graph, first).result(joined, name=f"{GATES}/powers")
        return len(self.operations)

    def _gates(self, build: Builder) -> list[OutPort]:
        """One number for each operation."""
        count = len(self.operations)
        return build.split(build.parameter(_F32, (count,), name=GATES), count, axis=0, name=f"{GATES}/each")


@dataclass
class _Twins:
    """The float form of rounded tensors."""

    pass_: AttachGates
    made: dict[OutPort, OutPort] = field(default_factory=dict[OutPort, OutPort])

    def of(self, tensor: OutPort) -> OutPort:
        """The tensor without its FakeQuantize."""
        node = tensor.node
        if node.type == "FakeQuantize" and node.name in self.pass_.quantizers:
            return self.of(node.source())
        if node.id not in self.pass_.moved:
            return tensor
        if tensor not in self.made:
            twin = self.clone(node, self.pass_.moved[node.id])
            self.made |= dict(zip(node.outputs, twin.outputs, strict=True))
        return self.made[tensor]

    def clone(self, node: Node, ports: Sequence[int] | None = None) -> Node:
        """A copy of the node with float tensors at these inputs (default: at all)."""
        sources = [
            self.of(port.source) if ports is None or port.index in ports else port.source for port in node.inputs
        ]
        outputs = [(output.element_type, output.shape) for output in node.outputs]
        attributes = node.attributes
        return node.graph.add(
            node.type, f"{node.name}/float", sources, outputs, attributes=attributes, opset=node.opset, near=node
        )


def _attach(node: Node, gate: OutPort, twins: _Twins) -> tuple[OutPort, OutPort]:
    """Puts a gate behind an operation; returns the difference and the float output."""
    build, rounded = Builder(node.graph), node.output()
    readers = rounded.consumers
    exact = twins.clone(node).output()
    difference = build.subtract(rounded, exact, name=f"{GATES}/difference")
    scaled = build.multiply(difference, _converted(build, gate, rounded.element_type), name=f"{GATES}/scaled")
    rounded.redirect(build.add(exact, scaled, name=f"{GATES}/gated"), only=readers)
    return difference, exact


def _converted(build: Builder, tensor: OutPort, kind: ElementType) -> OutPort:
    return tensor if tensor.element_type == kind else build.convert(tensor, kind, name=f"{GATES}/convert")


def _power(build: Builder, tensor: OutPort) -> OutPort:
    """The sum of the squares, f32[1]."""
    tensor = _converted(build, tensor, _F32)
    square = build.multiply(tensor, tensor, name=f"{GATES}/square")
    total = build.reduce("ReduceSum", square, range(len(tensor.shape)), keep_dims=False, name=f"{GATES}/power")
    return build.reshape(total, [1], name=f"{GATES}/row")
