"""What must hold of every graph, between any two passes.

1. No cycle.
2. Every input port has a source.
3. Ports of one layer have distinct ids.
4. Every output port has a known precision.
5. A Const has a value: bytes inside the weights file or an array.
The same holds of the body of every control-flow node.
"""

from .errors import IRError
from .graph import Graph, Node


def verify(graph: Graph) -> None:
    """Raises IRError for the first rule that the graph, or a body in it, breaks."""
    for each in graph.walk():
        _acyclic(each)
        _connected(each)
        _ports(each)


def _acyclic(graph: Graph) -> None:
    if cycle := graph.cycle():
        message = f"the graph has a cycle: {' -> '.join(str(node) for node in cycle)}"
        raise IRError(message)


def _connected(graph: Graph) -> None:
    for node in graph.in_file_order():
        connected = {index for edges in graph.drivers(node.id).values() for index in edges}
        if missing := set(range(len(node.inputs))) - connected:
            message = f"input {min(missing)} of {node} has no source"
            raise IRError(message)


def _ports(graph: Graph) -> None:
    for node in graph.in_file_order():
        ids = node.port_ids
        if len(set(ids)) != len(ids):
            message = f"{node} has two ports with the same id: {ids}"
            raise IRError(message)
        for output in node.outputs:
            _ = output.element_type  # raises for a precision that nobody knows
        if node.type == "Const" and node.is_stored:
            _stored(node)


def _stored(node: Node) -> None:
    end, size = int(node.attributes["offset"]) + int(node.attributes["size"]), node.graph.weights.size
    if end > size:
        message = f"constant {node} ends at byte {end}, but the weights have {size} bytes"
        raise IRError(message)
