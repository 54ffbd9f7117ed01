"""Tensors are led out of the bodies of TensorIterator, Loop and If."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from .builder import Builder
from .graph import DYNAMIC, Node, OutPort, decode_layer

_MAPS = {"body": "port_map", "then_body": "then_port_map", "else_body": "else_port_map"}


def add_body_output(node: Node, sources: Mapping[str, OutPort], name: str) -> OutPort:
    """Gives a node of control flow one more output.

    Args:
        node: A TensorIterator, Loop or If.
        sources: For each of its bodies, by tag, the tensor there that comes out: for an If that of the branch taken,
            for loops those of all iterations, joined along axis 0, along which each has size 1.
        name: What the Results in the bodies are called.

    Returns:
        The new output.
    """
    layer = node._layer
    layer.text = None
    group = layer.element.find("output")
    if group is None:
        group = ET.Element("output")
        layer.element.insert(list(layer.element).index(_port_map(node, next(iter(sources)))), group)
    first = next(iter(sources.values()))
    id_ = max((port.id for ports in layer.ports for port in ports), default=-1) + 1
    port = ET.SubElement(group, "port", id=str(id_), precision=first.element_type.precision)
    for size in (DYNAMIC, *first.shape[1:]):
        ET.SubElement(port, "dim").text = str(size)
    for tag, source in sources.items():
        result = Builder(source.node.graph).result(source, name=name)
        entry = {"external_port_id": str(id_), "internal_layer_id": str(result.id)}
        if tag == "body":
            entry |= {"axis": "0", "start": "0", "end": "-1", "stride": "1", "part_size": "1"}
        ET.SubElement(_port_map(node, tag), "output", entry)
    ports = decode_layer(layer.element, layer.position)
    layer.outputs[:] = ports.outputs
    node.graph.is_edited = True
    return node.output(len(layer.outputs) - 1)


def _port_map(node: Node, tag: str) -> ET.Element:
    found = node._layer.element.find(_MAPS[tag])
    assert found is not None, "checked when the graph was read"
    return found
