"""The invariants of every graph between passes.

1. No cycle; a ReadValue comes before the Assign of its variable.
2. Every input port has a source.
3. Ports of one layer have distinct ids.
4. Every output port has a known precision.
5. A Const has a value: bytes inside the weights file or an array.
6. The port map of a control-flow node names existing ports, and existing Parameters and Results of its body.
7. Attributes, where irquant reads them, have values of their kind (see `attribute_rules`).
8. The shape and the element type of a result follow from the inputs (see `shape_rules`).
9. What a port map brings into a body, or takes out, has the type and the shape that it has outside (see `port_maps`).
The same invariants hold in the body of every control-flow node. Files are read and written if the first six hold; the
runtime infers shapes itself.
"""

from .attribute_rules import wrong_attribute
from .element_types import element_type_of_precision
from .errors import IRError
from .graph import Graph, Node
from .ops import is_standard
from .port_maps import wrong_map
from .shape_rules import wrong_inputs, wrong_result


def verify(graph: Graph) -> None:
    """Raises IRError for the first rule that the graph, or a body in it, breaks."""
    verify_structure(graph)
    verify_meaning(graph)


def verify_meaning(graph: Graph, *, is_opaque: bool = False) -> None:
    """Raises IRError for the first node, in file order, whose attributes, bodies or ports contradict its operation.

    What an operation of an extension declares is not compared with anything, and neither is what comes out of it.

    Args:
        graph: The model, or a body.
        is_opaque: Whether nothing is known of shapes and types in it.
    """
    opaque = _opaque(graph)
    for node in graph.in_file_order():
        is_unknown = is_opaque or node.id in opaque
        wrong = _wrong_bodies(node) or wrong_attribute(node) or wrong_inputs(node)
        if wrong := wrong or (None if is_unknown else wrong_result(node) or wrong_map(node)):
            message = f"{node}: {wrong}"
            raise IRError(message)
        for body in node.bodies.values():
            verify_meaning(body, is_opaque=is_unknown)


def _opaque(graph: Graph) -> set[int]:
    """The ids of operations of extensions, of those with one in a body, and of all operations behind them."""
    waiting = [each for each in graph.in_file_order() if not all(map(is_standard, (each, *each.inside())))]
    found: set[int] = set()
    while waiting:
        node = waiting.pop()
        if node.id not in found:
            found.add(node.id)
            waiting.extend(port.node for output in node.outputs for port in output.consumers)
    return found


def _wrong_bodies(node: Node) -> str | None:
    """Which bodies of a control-flow node are too few or too many; None if they are right."""
    expected = _BODIES.get(node.type)
    if expected is None or not is_standard(node) or sorted(node.bodies) == sorted(expected):
        return None
    return f"its bodies are {', '.join(node.bodies) or 'none'}, expected {', '.join(expected)}"


def verify_structure(graph: Graph) -> None:
    """Like `verify`, without attributes, shapes and types."""
    for each in graph.walk():
        if cycle := each.cycle():
            message = f"the graph has a cycle: {' -> '.join(str(node) for node in cycle)}"
            raise IRError(message)
        for node in each.in_file_order():
            layer = node._layer
            _check_connected(node)
            ids = [port.id for ports in layer.ports for port in ports]
            if len(set(ids)) != len(ids):
                message = f"{node} has two ports with the same id: {ids}"
                raise IRError(message)
            for port in layer.outputs:
                element_type_of_precision(port.element.get("precision", ""))  # raises if it is unknown
            if layer.element.attrib["type"] == "Const" and layer.array is None:
                _stored(node)
            if layer.bodies:
                _check_maps(node)


_BODIES = {"If": ("then_body", "else_body"), "Loop": ("body",), "TensorIterator": ("body",)}
_MAPS = {"body": ("port_map", "back_edges"), "then_body": ("then_port_map",), "else_body": ("else_port_map",)}


def _check_maps(node: Node) -> None:
    """Ids in port maps must exist; an external port of -1 stands for the loop's own counter or condition."""
    ports = {str(port.id) for ports in node._layer.ports for port in ports} | {"-1"}
    for tag, body in node.bodies.items():
        ends = {str(each.id) for each in body.in_file_order("Parameter", "Result")}
        for entry in (entry for name in _MAPS[tag] for entry in node._layer.element.iterfind(f"{name}/*")):
            outer = {entry.get("external_port_id", "-1")}
            inner = {
                entry.attrib[key] for key in ("internal_layer_id", "from-layer", "to-layer") if key in entry.attrib
            }
            if not outer <= ports or not inner <= ends:
                what = f"port {min(outer)}" if not outer <= ports else f"layer {min(inner - ends)} of its {tag}"
                message = f"a port map of {node} speaks of {what}, which is no input or output there"
                raise IRError(message)


def _check_connected(node: Node) -> None:
    for index in range(len(node.inputs)):
        if node.graph.source_of((node.id, index)) is None:
            message = f"input {index} of {node} has no source"
            raise IRError(message)


def _stored(node: Node) -> None:
    end, size = int(node.attributes["offset"]) + int(node.attributes["size"]), node.graph.weights.size
    if end > size:
        message = f"constant {node} ends at byte {end}, but the weights have {size} bytes"
        raise IRError(message)
