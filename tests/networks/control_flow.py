"""If, Loop and TensorIterator, with layers in their bodies."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from .activations import activated
from .block import block
from .convolutions import convolved, finished
from .net import Net, Tensor, integers, rank, shape
from .products import linear
from .sources import added


def _layer(net: Net, x: Tensor) -> Tensor:
    """Something that keeps the shape."""
    if rank(x) in (3, 4) and net.chance.maybe(0.6):
        return activated(net, finished(net, convolved(net, x, shape(x)[1], 3)))
    return activated(net, linear(net, x, shape(x)[-1]))


@block(0.7)
def branch(net: Net) -> Tensor:
    """If, by an input or by a comparison of what is computed: the largest value, since a mean may be zero by design."""
    x = net.floats(2, 3, 4)
    if net.chance.maybe(0.5):
        flag = added(net, (), lambda chance, dims: np.asarray(chance.maybe(0.6)), np.bool_)
    else:
        flag = op.greater(op.reduce_max(x, integers(*range(rank(x))), keep_dims=False), net.constant(0.5)).output(0)
    bodies: list[Any] = []
    for deep in (True, net.chance.maybe(0.5)):
        inner = op.parameter(list(shape(x)), ov.Type(np.dtype(net.dtype)))
        net.tied.clear()
        found = _layer(net, inner.output(0))
        bodies.append(
            ov.Model([op.result(_layer(net, found) if deep else op.multiply(inner, net.constant(0.5)))], [inner])
        )
        net.tied.clear()
    node = op.if_op(flag)
    node.set_then_body(bodies[0])
    node.set_else_body(bodies[1])
    held = [node.get_function(k) for k in (0, 1)]
    node.set_input(x, *(each.get_parameters()[0] for each in held))
    return node.set_output(*(each.get_results()[0] for each in held))


@block(0.7)
def iterator(net: Net) -> Tensor:
    """A TensorIterator over the second axis of [N, T, D]: a state is carried."""
    x = net.pick(lambda each: rank(each) == 3 and shape(each)[1] > 1)
    count, _, size = shape(x)
    kind = ov.Type(np.dtype(net.dtype))
    net.tied.clear()
    inner, state = op.parameter([count, 1, size], kind), op.parameter([count, 6], kind)
    flat = op.squeeze(inner, integers(1)).output(0)
    new = op.tanh(op.add(linear(net, flat, 6), linear(net, state.output(0), 6)))
    body = ov.Model([op.result(op.unsqueeze(new, integers(1))), op.result(new)], [inner, state])
    net.tied.clear()
    node = op.tensor_iterator()
    node.set_body(body)
    node.set_sliced_input(inner, x, 0, 1, 1, -1, 1)
    start = op.broadcast(net.constant(0.0), integers(count, 6)).output(0)
    node.set_merged_input(state, start, body.outputs[1])
    return node.get_concatenated_slices(body.outputs[0], 0, 1, 1, -1, 1)


@block(0.7)
def loop(net: Net) -> Tensor:
    """A Loop that changes a state as often as a constant says."""
    x = net.floats(2, 3, 4)
    kind = ov.Type(np.dtype(net.dtype))
    net.tied.clear()
    state = op.parameter(list(shape(x)), kind)
    grown = op.tanh(_layer(net, state.output(0)))
    body = ov.Model([op.result(grown), op.result(op.constant([True]))], [state])
    net.tied.clear()
    node = op.loop(op.constant(3), op.constant([True]))
    node.set_function(body)
    node.set_special_body_ports([-1, 1])
    node.set_merged_input(state, x, grown.output(0))
    return node.get_iter_value(grown.output(0), -1)
