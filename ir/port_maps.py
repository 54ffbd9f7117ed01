"""Port maps of control-flow nodes: which tensor outside belongs to which Parameter or Result of a body."""

from collections.abc import Iterator

from .graph import Graph, Node, OutPort
from .ops import is_standard
from .shape_rules import agree, shape_text

#: The tag of a body -> the tag of its port map.
PORT_MAPS = {"body": "port_map", "then_body": "then_port_map", "else_body": "else_port_map"}


def wrong_map(node: Node) -> str | None:
    """In what way a tensor outside a body contradicts the one inside that it becomes; None if none does."""
    if not is_standard(node):
        return None
    for tag, body in node.bodies.items():
        for outer, inner, end, is_sliced in _pairs(node, tag, body):
            said, expected = inner.element_type.name, outer.element_type.name
            if said == expected or "dynamic" in (said, expected):
                if is_sliced or not (outer.shape and inner.shape) or agree(outer.shape, inner.shape):
                    continue
                said, expected = shape_text(inner.shape), shape_text(outer.shape)
            return f"{end} of its {tag} is {said}, expected {expected} as outside"
    return None


def inputs_of_body(node: Node, tag: str) -> Iterator[tuple[OutPort, Node, bool]]:
    """Tensor outside, Parameter inside, and whether later iterations get another value there (a back edge)."""
    edges = node._layer.element.iterfind("back_edges/edge")
    carried = {int(each.attrib["to-layer"]) for each in edges}
    for outer, _, end, _ in _pairs(node, tag, node.bodies[tag]):
        if end.type == "Parameter":
            yield outer, end, end.id in carried


def _pairs(node: Node, tag: str, body: Graph) -> Iterator[tuple[OutPort, OutPort, Node, bool]]:
    """Tensor outside, tensor inside, Parameter or Result, and whether only a slice of the outer one is inside."""
    outside = {port.id: node.input(index).source for index, port in enumerate(node._layer.inputs)}
    outside |= {port.id: node.output(index) for index, port in enumerate(node._layer.outputs)}
    ends = {each.id: each for each in body.in_file_order("Parameter", "Result")}
    for entry in node._layer.element.iterfind(f"{PORT_MAPS[tag]}/*[@internal_layer_id]"):
        outer, end = outside.get(int(entry.get("external_port_id", "-1"))), ends[int(entry.attrib["internal_layer_id"])]
        if outer is not None:
            yield outer, end.output() if end.type == "Parameter" else end.source(), end, "axis" in entry.attrib
