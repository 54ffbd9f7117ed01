"""A model in which each rounded operation can be switched between its rounded and its float form while it runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...ir import ElementType, Graph, Node, OutPort, element_type
from ..infra.base import Context, Fact, Pass
from ..placement.plan import Plan

GATES = "irquant/gates"
_F32 = element_type("f32")
_BROADCAST = {"auto_broadcast": "numpy"}


def rounded_operations(graph: Graph, plan: Plan) -> list[Node]:
    """The operations of a graph, not of its bodies, that read quantized tensors, in topological order."""
    found: set[Node] = set()
    waiting = [port.node for site in plan.sites if site.source.node.graph is graph for port in site.consumers]
    while waiting:
        node = waiting.pop()
        if node in plan.moved:
            waiting += [port.node for output in node.outputs for port in output.consumers]
        else:
            found.add(node)
    return [node for node in graph.nodes() if node in found]


@dataclass(frozen=True)
class AttachGates(Pass):
    """Puts a gate behind each rounded operation.

    Given::                                  Result::

        y = Convolution(fq_x, fq_w)              float = Convolution(x, w)
                                                 y' = Convolution(fq_x, fq_w)
                                                 y = Add(float, Multiply(gate, Subtract(y', float)))

    The gates are a new input of the model, one number an operation: 0 gives the float model, 1 everywhere the quantized
    one. A new first output holds the power of each difference, y' - float, then that of each float output.

    Attributes:
        operations: The operations, by their ids.
        quantizers: The names of the FakeQuantizes that make the difference.
        moved: Operations by id that a FakeQuantize was moved past -> the inputs on which it stands.
    """

    operations: tuple[int, ...]
    quantizers: frozenset[str]
    moved: Mapping[int, tuple[int, ...]]

    name: ClassVar[str] = "attach-gates"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})

    @classmethod
    def of(cls, operations: Sequence[Node], plan: Plan) -> "AttachGates":
        """For these operations of a model with that plan."""
        moved = {node.id: tuple(port.index for port in ports) for node, ports in plan.moved.items()}
        return cls(tuple(node.id for node in operations), frozenset(site.name for site in plan.sites), moved)

    def run(self, graph: Graph, context: Context) -> int:
        """Attaches all gates, once."""
        parameters = graph.in_file_order("Parameter")
        if not self.operations or any(node.name == GATES for node in parameters):
            return 0
        first, twins = graph.in_file_order("Result")[0], _Twins(self)
        gates = list(self._gates(graph))
        powers = [
            power
            for id_, gate in zip(self.operations, gates, strict=True)
            for power in _attach(Node(graph, id_), gate, twins)
        ]
        rows = [*powers[0::2], *powers[1::2]]
        joined = graph.add("Concat", f"{GATES}/powers", rows, [(_F32, (len(rows),))], attributes={"axis": "0"})
        graph.add("Result", f"{GATES}/powers", [joined.output()], [], near=first)
        return len(self.operations)

    def _gates(self, graph: Graph) -> Iterator[OutPort]:
        """One number for each operation."""
        count = len(self.operations)
        attributes = {"element_type": "f32", "shape": str(count)}
        given = graph.add("Parameter", GATES, [], [(_F32, (count,))], attributes=attributes).output()
        axis = graph.add_constant(f"{GATES}/axis", np.array(0, np.int64)).output()
        attributes = {"num_splits": str(count)}
        split = graph.add("Split", f"{GATES}/each", [given, axis], [(_F32, (1,))] * count, attributes=attributes)
        yield from split.outputs


@dataclass
class _Twins:
    """The float form of rounded tensors."""

    pass_: AttachGates
    made: dict[OutPort, OutPort] = field(default_factory=dict[OutPort, OutPort])

    def of(self, tensor: OutPort) -> OutPort:
        """What a tensor would be without its FakeQuantize."""
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
        """The node again, with floats at these inputs (default: at all)."""
        sources = [
            self.of(port.source) if ports is None or port.index in ports else port.source for port in node.inputs
        ]
        outputs = [(output.element_type, output.shape) for output in node.outputs]
        attributes = node.attributes
        return node.graph.add(
            node.type, f"{node.name}/float", sources, outputs, attributes=attributes, opset=node.opset, near=node
        )


def _attach(node: Node, gate: OutPort, twins: _Twins) -> list[OutPort]:
    """Puts a gate behind an operation; gives the powers of the difference and of the float output."""
    graph, rounded = node.graph, node.output()
    readers = rounded.consumers
    exact = twins.clone(node).output()
    kind = (rounded.element_type, rounded.shape)
    difference = graph.add("Subtract", f"{GATES}/difference", [rounded, exact], [kind], attributes=_BROADCAST).output()
    if kind[0] != _F32:
        gate = _converted(gate, kind[0].name, [(kind[0], (1,))])
    scaled = graph.add("Multiply", f"{GATES}/scaled", [difference, gate], [kind], attributes=_BROADCAST).output()
    result = graph.add("Add", f"{GATES}/gated", [exact, scaled], [kind], attributes=_BROADCAST).output()
    rounded.redirect(result, only=readers)
    return [_power(difference), _power(exact)]


def _converted(tensor: OutPort, kind: str, outputs: list[tuple[ElementType, tuple[int, ...]]]) -> OutPort:
    attributes = {"destination_type": kind}
    return tensor.node.graph.add("Convert", f"{GATES}/convert", [tensor], outputs, attributes=attributes).output()


def _power(tensor: OutPort) -> OutPort:
    """The sum of the squares, f32[1]."""
    graph, shape = tensor.node.graph, tensor.shape
    if tensor.element_type != _F32:
        tensor = _converted(tensor, "f32", [(_F32, shape)])
    square = graph.add("Multiply", f"{GATES}/square", [tensor, tensor], [(_F32, shape)], attributes=_BROADCAST)
    axes = graph.add_constant(f"{GATES}/axes", np.arange(len(shape))).output()
    sources, attributes = [square.output(), axes], {"keep_dims": "false"}
    total = graph.add("ReduceSum", f"{GATES}/power", sources, [(_F32, ())], attributes=attributes).output()
    one = graph.add_constant(f"{GATES}/one", np.array([1], np.int64)).output()
    shaped = {"special_zero": "false"}
    return graph.add("Reshape", f"{GATES}/row", [total, one], [(_F32, (1,))], attributes=shaped).output()
