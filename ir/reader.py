"""From .xml and .bin to a graph. Nothing is handed to the runtime, or allocated, on the word of an unchecked file."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from .element_types import element_type
from .errors import IRError
from .graph import BODY_TAGS, EDGE_ATTRIBUTES, Graph, InPort, Node, OutPort, decode_layer
from .verify import verify
from .weights import EMPTY, Weights, open_weights
from .xml import XmlStyle, parse_xml

_NATURAL = re.compile(r"[0-9]{1,19}")


def read_model(path: Path | str) -> Graph:
    """Reads `path` (.xml) and the weights next to it (.bin).

    Raises:
        IRError: no such file, not an IR of version 10 or 11, or an IR that breaks a rule of the format.
    """
    path = Path(path)
    root, style = parse_file(path)
    weights_path = path.with_suffix(".bin")
    if not weights_path.is_file():
        if any(layer.get("type") == "Const" for layer in root.iter("layer")):
            message = f"{path}: its weights are missing: there is no {weights_path.name} next to it"
            raise IRError(message)
        return read_graph(root, style, EMPTY, str(path))
    try:
        weights = open_weights(weights_path)
    except OSError as error:
        message = f"{weights_path}: cannot be read: {error.strerror}"
        raise IRError(message) from None
    return read_graph(root, style, weights, str(path))


def parse_file(path: Path) -> tuple[ET.Element, XmlStyle]:
    """The element tree of an .xml file, checked to be the root of an IR."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        message = f"{path}: no such file"
        raise IRError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise IRError(message) from None
    try:
        root, style = parse_xml(data)
    except IRError as error:
        message = f"{path}: not an OpenVINO IR: {error}"
        raise IRError(message) from None
    if root.tag != "net":
        message = f"{path}: not an OpenVINO IR: the root element is <{root.tag}>, expected <net>"
        raise IRError(message)
    return root, style


def read_graph(root: ET.Element, style: XmlStyle, weights: Weights, where: str) -> Graph:
    """The graph of a `net` element.

    Args:
        root: The parsed document; the graph takes it over.
        style: How the document was spelt.
        weights: The bytes of its constants.
        where: What error messages call the model, e.g. its path.

    Raises:
        IRError: the model breaks a rule of the format; the message begins with `where`.
    """
    try:
        _refuse_execution_graph(root)
        graph = _read_net(root, _version(root), weights, levels=1)
        graph.style = style
        verify(graph)
    except IRError as error:
        message = f"{where}: {error}"
        raise IRError(message) from None
    return graph


def _version(root: ET.Element) -> int:
    version = root.get("version", "none")
    if version not in ("10", "11"):
        message = f"IR version {version}; versions 10 and 11 are supported. Convert the model again with 'ovc'"
        raise IRError(message)
    return int(version)


def _refuse_execution_graph(root: ET.Element) -> None:
    layers = root.find("layers")
    first = layers.find("layer") if layers is not None else None
    if first is not None and "version" not in first.attrib:
        message = "this is an execution graph, as a compiled model exports it; give the IR that was compiled"
        raise IRError(message)


def _read_net(root: ET.Element, version: int, weights: Weights, levels: int) -> Graph:
    graph = Graph(root, version=version, weights=weights, levels=levels)
    layers, edges = root.find("layers"), root.find("edges")
    if layers is None or edges is None:
        message = f"<{root.tag}> needs the elements <layers> and <edges>"
        raise IRError(message)
    for rank, element in enumerate(layers.iterfind("layer")):
        _read_layer(graph, element, rank)
    for rank, element in enumerate(edges.iterfind("edge")):
        _read_edge(graph, element, rank)
    return graph


def _read_layer(graph: Graph, element: ET.Element, rank: int) -> None:
    for name in ("id", "type", "version"):
        if name not in element.attrib:
            message = f"layer '{element.get('name', '')}' has no '{name}'"
            raise IRError(message)
    natural(element.attrib["id"], f"id of layer '{element.get('name', '')}'")
    try:
        layer = decode_layer(element, (float(rank), 0.0))
    except IRError as error:
        message = f"layer '{element.get('name', '')}': {error}"
        raise IRError(message) from None
    node = graph.insert_layer(layer)
    if node.type == "Const":
        _check_constant(node)
    for child in element:
        if child.tag in BODY_TAGS:
            layer.bodies[str(child.tag)] = _read_net(child, graph.version, graph.weights, graph.levels + 3)


def _check_constant(node: Node) -> None:
    """A Const's bytes must lie in the file and suffice for its shape (Python integers: nothing overflows)."""
    data = node.attributes
    for name in ("element_type", "shape", "offset", "size"):
        if name not in data:
            message = f"constant '{node.name}' has no '{name}'"
            raise IRError(message)
    if "value" in data:
        message = f"constant '{node.name}' has an inline 'value'; the format keeps values in the .bin file only"
        raise IRError(message)
    offset, size = (natural(data[name], f"{name} of constant '{node.name}'") for name in ("offset", "size"))
    if offset + size > node.graph.weights.size:
        message = (
            f"constant '{node.name}' takes bytes {offset}..{offset + size}, "
            f"but the weights file has only {node.graph.weights.size} bytes: is it the .bin of this .xml?"
        )
        raise IRError(message)
    elements = 1
    for dim in filter(None, (part.strip() for part in data["shape"].split(","))):
        elements *= natural(dim, f"shape of constant '{node.name}'")
    kind = element_type(data["element_type"])
    needed = -(-elements * kind.bits // 8)
    if size < needed:
        message = f"constant '{node.name}' of shape [{data['shape']}] {kind.name} needs {needed} bytes but has {size}"
        raise IRError(message)


def natural(text: str, what: str) -> int:
    """A decimal number >= 0 that fits 64 bits."""
    if not _NATURAL.fullmatch(text.strip()):
        message = f"{what} is '{text}', expected a decimal number"
        raise IRError(message)
    return int(text)


def _read_edge(graph: Graph, element: ET.Element, rank: int) -> None:
    numbers = [natural(element.get(name, ""), f"'{name}' of edge {rank}") for name in EDGE_ATTRIBUTES]
    source, to = (_layer(graph, numbers[k], rank) for k in (0, 2))
    outputs = {port.id: index for index, port in enumerate(source._layer.outputs)}
    inputs = {port.id: index for index, port in enumerate(to._layer.inputs)}
    if numbers[1] not in outputs:
        message = f"edge {rank} starts at output port {numbers[1]} of {source}, which has {sorted(outputs) or 'none'}"
        raise IRError(message)
    if numbers[3] not in inputs:
        message = f"edge {rank} ends at input port {numbers[3]} of {to}, which has {sorted(inputs) or 'none'}"
        raise IRError(message)
    port = InPort(to, inputs[numbers[3]])
    if port.is_connected:
        message = f"two edges end at input {port.index} of {to}"
        raise IRError(message)
    graph.link(OutPort(source, outputs[numbers[1]]), port, rank)


def _layer(graph: Graph, id_: int, rank: int) -> Node:
    if not graph.has(id_):
        message = f"edge {rank} names layer {id_}, which does not exist"
        raise IRError(message)
    return Node(graph, id_)
