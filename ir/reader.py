"""From .xml and .bin to a graph. Nothing is handed to the runtime, or allocated, on the word of an unchecked file."""

import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from .atomic_write import finish_interrupted_write, undisturbed
from .element_types import element_type
from .errors import IRError, printable
from .gc_paused import gc_paused
from .graph import BODY_TAGS, EDGE_ATTRIBUTES, Graph, Node, Scope
from .layer import decode_layer, natural, shape_of
from .user_files import no_such_file, open_user_file
from .verify import verify_structure
from .weights import EMPTY, Weights, open_weights
from .xml import XmlStyle, layer_texts, parse_xml

_MOST_BYTES = 1 << 30  # of an .xml; the largest models have some tens of megabytes


def read_model(path: Path | str, weights: Path | str | None = None) -> Graph:
    """Reads `path` (.xml) and its weights.

    Args:
        path: The .xml.
        weights: The .bin; default: the one next to it.

    Returns:
        The graph; constants are read from the weights when they are asked for.

    Raises:
        IRError: no such file, not an IR of version 10 or 11, or an IR that breaks a rule of the format.
    """
    with gc_paused():
        return _read(Path(path), Path(path).with_suffix(".bin") if weights is None else Path(weights), weights is None)


def _read(path: Path, binary: Path, is_beside: bool) -> Graph:
    if not is_beside and not binary.is_file():
        raise IRError(no_such_file(binary))
    data, weights = _open_pair(path, binary)
    root, style = _parse(data, path)
    if weights is None and any(layer.get("type") == "Const" for layer in root.iter("layer")):
        message = f"{path}: its weights are missing: there is no {path.with_suffix('.bin').name} next to it"
        raise IRError(message)
    return read_graph(root, style, weights or EMPTY, str(path), layer_texts(data))


def _open_pair(path: Path, binary: Path) -> tuple[bytes, Weights | None]:
    """The text of the .xml, and the .bin if there is one, of the same model even while somebody replaces it."""
    opened = path
    try:
        finish_interrupted_write(path)
        with undisturbed(path):
            data = _read_bytes(path)
            opened = binary
            return data, open_weights(binary) if binary.is_file() else None
    except FileNotFoundError:
        raise IRError(no_such_file(opened)) from None
    except OSError as error:
        message = f"{opened}: cannot be read: {error.strerror}"
        raise IRError(message) from None


def _read_bytes(path: Path) -> bytes:
    with open_user_file(path) as file:
        before = os.fstat(file.fileno())
        if before.st_size > _MOST_BYTES:
            message = f"{path}: not an OpenVINO IR: {before.st_size} bytes of XML, more than any model has"
            raise IRError(message)
        data = file.read(before.st_size + 1)
        if len(data) != before.st_size or os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns:
            message = f"{path}: changed while it was being read"
            raise IRError(message)
        return data


def _parse(data: bytes, path: Path) -> tuple[ET.Element, XmlStyle]:
    """The element tree of an .xml file, checked to be the root of an IR."""
    try:
        root, style = parse_xml(data)
    except IRError as error:
        message = f"{path}: not an OpenVINO IR: {printable(str(error))}"
        raise IRError(message) from None
    if root.tag != "net":
        message = f"{path}: not an OpenVINO IR: the root element is <{root.tag}>, expected <net>"
        raise IRError(message)
    return root, style


def read_graph(root: ET.Element, style: XmlStyle, weights: Weights, where: str, texts: Sequence[str] = ()) -> Graph:
    """The graph of a `net` element.

    Args:
        root: The parsed document; the graph takes it over.
        style: How the document was spelt.
        weights: The bytes of its constants.
        where: What error messages call the model, e.g. its path.
        texts: The text of each layer of the model itself, if known.

    Raises:
        IRError: the model breaks a rule of the format; the message begins with `where`.
    """
    try:
        _refuse_execution_graph(root)
        graph = _read_net(root, _version(root), weights, levels=1)
        graph.style = style
        _keep_texts(graph, texts)
        verify_structure(graph)
    except IRError as error:
        message = f"{where}: {printable(str(error))}"
        raise IRError(message) from None
    return graph


def _keep_texts(graph: Graph, texts: Sequence[str]) -> None:
    """Layers that nobody edits are written as they stood; those with bodies are written piece by piece."""
    layers = [node._layer for node in graph.in_file_order()]
    if len(layers) != len(texts):
        return
    for layer, text in zip(layers, texts, strict=True):
        if not layer.bodies and f'id="{layer.element.attrib["id"]}"' in text:
            layer.text = text


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


def _read_net(root: ET.Element, version: int, weights: Weights, levels: int, scope: Scope = ()) -> Graph:
    graph = Graph(root, version=version, weights=weights, levels=levels, scope=scope)
    layers, edges = root.find("layers"), root.find("edges")
    if layers is None or edges is None:
        message = f"<{root.tag}> needs the elements <layers> and <edges>"
        raise IRError(message)
    for rank, element in enumerate(layers.iterfind("layer")):
        _read_layer(graph, element, rank)
    _read_edges(graph, edges)
    graph.is_edited = False
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
    if node.type in ("Const", "Parameter"):
        _check_source(node)
    if node.type == "Const":
        _check_constant(node)
    for child in element:
        if child.tag in BODY_TAGS:
            scope = (*graph.scope, (node.id, str(child.tag)))
            layer.bodies[scope[-1][1]] = _read_net(child, graph.version, graph.weights, graph.levels + 3, scope)


def _check_source(node: Node) -> None:
    """A Const or Parameter has a port and says what comes out of it."""
    if len(node.outputs) != 1 or node.inputs:
        message = f"{node} has {len(node.inputs)} inputs and {len(node.outputs)} outputs, expected 0 and 1"
        raise IRError(message)
    if "element_type" not in node.attributes:
        message = f"{node} has no 'element_type'"
        raise IRError(message)
    element_type(node.attributes["element_type"])


def _check_constant(node: Node) -> None:
    """A Const's bytes must lie in the file and suffice for its shape (Python integers: nothing overflows)."""
    data = node.attributes
    for name in ("shape", "offset", "size"):
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
    try:
        elements = math.prod(shape_of(data["shape"]))
    except IRError as error:
        message = f"constant '{node.name}': {error}"
        raise IRError(message) from None
    kind = element_type(data["element_type"])
    needed = kind.bytes_of(elements)
    if kind.name == "string":
        try:
            node.array  # noqa: B018 - reads the table of offsets, which must make sense
        except IRError as error:
            message = f"constant '{node.name}': {error}"
            raise IRError(message) from None
    node._layer.outputs[0].shape = shape_of(data["shape"])  # what the port says does not count
    if size < needed:
        message = f"constant '{node.name}' of shape [{data['shape']}] {kind.name} needs {needed} bytes but has {size}"
        raise IRError(message)


def _read_edges(graph: Graph, edges: ET.Element) -> None:
    ports = _Ports(graph)
    seen: set[tuple[int, int]] = set()
    for rank, element in enumerate(edges.iterfind("edge")):
        from_layer, from_port, to_layer, to_port = (element.get(name, "") for name in EDGE_ATTRIBUTES)
        source = ports.outputs.get((from_layer, from_port)) or ports.find(element, rank, "from", "output")
        to = ports.inputs.get((to_layer, to_port)) or ports.find(element, rank, "to", "input")
        if to in seen:
            message = f"two edges end at input {to[1]} of {Node(graph, to[0])}"
            raise IRError(message)
        seen.add(to)
        graph.link_ids(source, to, rank)


class _Ports:
    """Layer id and index of each port, by the ids of layer and port as the file spells them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs: dict[tuple[str, str], tuple[int, int]] = {}
        self.outputs: dict[tuple[str, str], tuple[int, int]] = {}
        for node in graph.in_file_order():
            layer = str(node.id)
            for known, ports in zip((self.inputs, self.outputs), node._layer.ports, strict=True):
                known |= {(layer, str(port.id)): (node.id, index) for index, port in enumerate(ports)}

    def find(self, edge: ET.Element, rank: int, end: str, side: str) -> tuple[int, int]:
        """The slow way, for edges that spell a number in an unusual way, or are wrong."""
        layer, port = (
            natural(edge.get(f"{end}-{part}", ""), f"'{end}-{part}' of edge {rank}") for part in ("layer", "port")
        )
        if not self.graph.has(layer):
            message = f"edge {rank} names layer {layer}, which does not exist"
            raise IRError(message)
        known = self.inputs if side == "input" else self.outputs
        if (found := known.get((str(layer), str(port)))) is None:
            node, verb = Node(self.graph, layer), "starts" if end == "from" else "ends"
            ids = sorted(int(each) for owner, each in known if owner == str(layer))
            message = f"edge {rank} {verb} at {side} port {port} of {node}, which has {ids or 'none'}"
            raise IRError(message)
        return found
