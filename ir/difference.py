"""The structural differences of two models: layers, connections, attributes, constants, inputs and outputs."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .graph import Graph, Node, OutPort

_PLACE = ("offset", "size")  # the place of a constant's bytes is no difference


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        kind: "added", "removed", "type", "attribute", "rewired", "tensor", "constant" or "interface".
        layer: The name of the layer, after the names of the layers around it ("loop/body/add").
        what: The change, for people; empty for added or removed layers.
    """

    kind: str
    layer: str
    what: str = ""


def compare(before: Graph, after: Graph) -> list[Change]:
    """The differences between two models, in the order of their layers. Layers are matched by friendly name.

    If several layers of one graph share a name, the first is matched with the first, and so on.
    """
    return [*_interface(before, after), *_graphs(before, after, "")]


def _interface(before: Graph, after: Graph) -> Iterator[Change]:
    """The inputs and outputs of the model, in order."""
    for type_, side in (("Parameter", "input"), ("Result", "output")):
        lists = [
            [_said(node.output() if type_ == "Parameter" else node.source()) for node in graph.in_file_order(type_)]
            for graph in (before, after)
        ]
        if lists[0] != lists[1]:
            yield Change("interface", "", f"{side}s: {'; '.join(lists[0])} -> {'; '.join(lists[1])}")


def _said(port: OutPort) -> str:
    names = ", ".join(sorted(port.names)) or port.node.name
    return f"{names} {_type(port)}"


def _type(port: OutPort) -> str:
    return f"{port.element_type.name}{list(port.shape)}"


def _graphs(before: Graph, after: Graph, where: str) -> Iterator[Change]:
    old, new = _by_label(before), _by_label(after)
    labels = {node: label for nodes in (old, new) for label, node in nodes.items()}
    for label, node in old.items():
        if label not in new:
            yield Change("removed", where + label, node.type)
    for label, node in new.items():
        if label not in old:
            yield Change("added", where + label, node.type)
        else:
            yield from _nodes(old[label], node, where + label, labels)


def _by_label(graph: Graph) -> dict[str, Node]:
    """The nodes by name; the second node with a name gets the key `name (2)`."""
    seen: Counter[str] = Counter()
    found: dict[str, Node] = {}
    for node in graph.nodes():
        seen[node.name] += 1
        found[node.name if seen[node.name] == 1 else f"{node.name} ({seen[node.name]})"] = node
    return found


def _nodes(old: Node, new: Node, label: str, labels: dict[Node, str]) -> Iterator[Change]:
    if (old.type, old.opset) != (new.type, new.opset):
        yield Change("type", label, f"{old.type} {old.opset} -> {new.type} {new.opset}")
        return
    for name in dict.fromkeys((*old.attributes, *new.attributes)):
        one, other = old.attributes.get(name), new.attributes.get(name)
        if one != other and not (old.type == "Const" and name in _PLACE):
            yield Change("attribute", label, f"{name}: {one} -> {other}")
    sources = [[_source(port.source, labels) for port in node.inputs] for node in (old, new)]
    for index in range(max(map(len, sources))):
        one, other = (each[index] if index < len(each) else "nothing" for each in sources)
        if one != other:
            yield Change("rewired", label, f"input {index}: {one} -> {other}")
    types = [[_type(port) for port in node.outputs] for node in (old, new)]
    if types[0] != types[1]:
        yield Change("tensor", label, f"{', '.join(types[0])} -> {', '.join(types[1])}")
    elif old.type == "Const" and (what := _values(old, new)):
        yield Change("constant", label, what)
    for tag in old.bodies.keys() & new.bodies.keys():
        yield from _graphs(old.bodies[tag], new.bodies[tag], f"{label}/{tag}/")


def _source(port: OutPort, labels: dict[Node, str]) -> str:
    return labels[port.node] + (f" output {port.index}" if port.index else "")


def _values(old: Node, new: Node) -> str:
    """The difference of two constants of one type and shape, for people; empty if they are equal."""
    one, other = old.raw, new.raw
    if np.array_equal(one, other):
        return ""
    if not old.output().element_type.is_float:
        return f"{int((old.array != new.array).sum())} of {old.elements} values changed"
    error = np.abs(new.array.astype(np.float64) - old.array.astype(np.float64))
    largest = float(np.abs(old.array.astype(np.float64)).max(initial=0))
    share = f" ({error.max() / largest:.2%} of the largest)" if largest and math.isfinite(largest) else ""
    return f"{int((error > 0).sum())} of {old.elements} values changed, by {error.max():.3g} at most{share}"
