"""Adds outputs for tensors inside the bodies of TensorIterator, Loop and If."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from .builder import Builder
from .graph import Node, OutPort
from .layer import DYNAMIC, decode_layer
from .port_maps import PORT_MAPS


def add_body_output(node: Node, sources: Mapping[str, OutPort], name: str) -> OutPort:
    """Adds an output to a control-flow node.

    Args:
        node: A TensorIterator, Loop or If.
        sources: Tag of a body -> the tensor there that becomes the output. The output of an If is the tensor of the
            taken branch; that of a loop concatenates all iterations along axis 0, where each has size 1.
        name: The name of the new Results in the bodies.

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
    found = node._layer.element.find(PORT_MAPS[tag])
    assert found is not None, "checked when the graph was read"
    return found
