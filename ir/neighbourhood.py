"""Extracts a small model around a node, for reports without the whole model."""

from collections.abc import Iterable

from .builder import Builder
from .graph import Graph, Node, OutPort


def neighbourhood(node: Node, steps: int) -> Graph:
    """A new graph with the nodes within some steps of a node.

    Tensors from other nodes become Parameters, tensors that other nodes read become outputs. For a node in a body, only
    that body is searched.
    """
    kept = _within(node, steps)
    graph = node.graph.copy()
    graph.scope = ()
    inside = [Node(graph, each.id) for each in node.graph.nodes() if each in kept]
    outer: dict[OutPort, OutPort] = {}
    for each in inside:
        for port in each.inputs:
            source = port.source
            if Node(node.graph, source.node.id) not in kept:
                if source not in outer:
                    name = f"{source.node.name}/{source.index}"
                    outer[source] = Builder(graph, each).parameter(source.element_type, source.shape, name=name)
                port.connect(outer[source])
    added = {port.node for port in outer.values()}
    for each in reversed(list(graph.nodes())):
        if each not in added and Node(node.graph, each.id) not in kept:
            graph.remove(each)
    for each in inside:
        for output in each.outputs if each.type != "Result" else ():
            if not output.consumers and each.type != "Assign":
                Builder(graph).result(output, name=f"{each.name}/result")
    return graph


def _within(start: Node, steps: int) -> set[Node]:
    found, edge = {start}, [start]
    for _ in range(steps):
        edge = [each for node in edge for each in _around(node) if each not in found]
        found |= {*edge}
    constants = [port.source.node for node in found for port in node.inputs if port.source.node.type == "Const"]
    return found | {*constants}


def _around(node: Node) -> Iterable[Node]:
    yield from (port.source.node for port in node.inputs)
    if node.type != "Const":  # many may read a constant
        yield from (port.node for output in node.outputs for port in output.consumers)
