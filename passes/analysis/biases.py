"""Changes the bias of a layer, or creates it."""

import numpy as np

from ...ir import Array, Builder, Node
from ...ir.ops import bias_port, biased_tensor, output_channel_axis
from .ranges import Floats


def change_bias(node: Node, shift: Floats, scale: Floats | None = None) -> None:
    """Adds one number per output channel to a layer's output; a layer without a bias gets one, if anything reads it.

    Args:
        node: The layer.
        shift: The numbers to add.
        scale: One factor per output channel; bias and shift are multiplied by it afterwards.
    """
    bias, port = changed_bias(node, shift, scale), bias_port(node)
    if port is None:
        _create_bias(node, bias)
        return
    old = port.source.node
    constant = node.graph.add_constant(f"{old.name}/corrected", bias, near=port.node)
    port.connect(constant.output())
    node.graph.prune(old)


def changed_bias(node: Node, shift: Floats, scale: Floats | None = None) -> Array:
    """The bias that `change_bias` would give a layer, in the layer's type: infinite where it exceeds that type."""
    output, port = node.output(), bias_port(node)
    shape = [1] * len(output.shape)
    shape[output_channel_axis(node)] = -1
    dtype = output.element_type.dtype
    assert dtype is not None, "a layer computes in a type that numpy has"
    factor = np.ones(()) if scale is None else scale.reshape(shape)
    old = np.zeros(()) if port is None else port.source.node.array.astype(np.float64)
    return ((old + shift.reshape(shape)) * factor).astype(dtype)


def _create_bias(node: Node, bias: Array) -> None:
    output = biased_tensor(node)
    readers = output.consumers
    if not readers:  # such a layer may be in a file
        return
    build = Builder(node.graph, readers[0].node)
    constant = build.constant(bias, name=f"{node.name}/bias")
    output.redirect(build.add(output, constant, name=f"{node.name}/add_bias"), only=readers)
