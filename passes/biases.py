"""Adding to the bias of a layer, which may not have one yet."""

import numpy as np

from ..ir import Array, Node
from ..ir.ops import bias_port, output_channel_axis
from .ranges import Floats


def add_to_bias(node: Node, shift: Floats) -> None:
    """Adds one number an output channel to what a layer gives; a layer without a bias gets one."""
    output = node.output()
    shape = [1] * len(output.shape)
    shape[output_channel_axis(node)] = -1
    dtype = output.element_type.dtype
    assert dtype is not None, "a layer computes in a type that numpy has"
    shaped: Array = shift.reshape(shape)
    port = bias_port(node)
    if port is None:
        _create_bias(node, shaped.astype(dtype))
        return
    old = port.source.node
    corrected = (old.array.astype(np.float64) + shaped).astype(dtype)
    constant = node.graph.add_constant(f"{old.name}/corrected", corrected, near=port.node)
    port.connect(constant.output())
    node.graph.prune(old)


def _create_bias(node: Node, bias: Array) -> None:
    graph, output = node.graph, node.output()
    readers = output.consumers
    constant = graph.add_constant(f"{node.name}/bias", bias, near=readers[0].node)
    add = graph.add(
        "Add",
        f"{node.name}/add_bias",
        [output, constant.output()],
        [(output.element_type, output.shape)],
        attributes={"auto_broadcast": "numpy"},
        near=readers[0].node,
    )
    output.redirect(add.output(), only=readers)
