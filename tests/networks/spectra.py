"""Spectra, running sums and parts that are written into others: what speech and language bring besides layers."""

import numpy as np
import openvino.opset13 as op

from .activations import activated
from .block import block
from .net import Net, NoTensorError, Tensor, integers, rank, scalar, shape
from .products import linear


@block(0.7)
def filtered_spectrum(net: Net) -> Tensor:
    """To frequencies, scaled there, and back."""
    x = net.floats(3, 4)
    axis = net.chance.integer(1, rank(x) - 1)
    size = shape(x)[axis]
    spectrum = op.rdft(x, integers(axis))
    scaled = op.multiply(
        spectrum, net.constant(net.chance.numbers.uniform(0, 1.5, (size // 2 + 1, *[1] * (rank(x) - axis))))
    )
    return op.irdft(scaled, integers(axis), integers(size)).output(0)


@block(0.7)
def magnitudes(net: Net) -> Tensor:
    """Of a spectrum, and a layer behind their logarithms."""
    x = net.tokens()
    parts = op.split(op.rdft(x, integers(2)), scalar(3), 2).outputs()
    power = op.add(op.power(parts[0], net.constant(2.0)), op.power(parts[1], net.constant(2.0)))
    logs = op.log(op.add(op.squeeze(power, integers(3)), net.constant(0.1)))
    return activated(net, linear(net, logs.output(0), net.chance.one([4, 8])))


@block(0.7)
def running_sum(net: Net) -> Tensor:
    """Forwards, backwards, with or without the element itself."""
    x = net.floats(2, 3, 4)
    axis = scalar(net.chance.integer(1, rank(x) - 1))
    summed = op.cum_sum(x, axis, net.chance.maybe(0.5), net.chance.maybe(0.5))
    return op.multiply(summed, net.constant(0.3)).output(0)


@block(0.7)
def turned_round(net: Net) -> Tensor:
    """The order in time, up to a length."""
    x = net.tokens()
    lengths = op.constant(np.full(shape(x)[0], shape(x)[1], np.int32))
    return op.reverse_sequence(x, lengths, 0, 1).output(0)


@block(0.7)
def written_into(net: Net) -> Tensor:
    """One tensor into a part of another one."""
    x = net.floats(2, 3, 4)
    if shape(x)[-1] < 2:
        raise NoTensorError
    last = rank(x) - 1
    half = shape(x)[-1] // 2
    part = op.multiply(op.slice(x, integers(0), integers(half), integers(1), integers(last)), net.constant(0.7))
    how = net.chance.one(["update", "elements", "rows", "squared"])
    if how == "update":
        return op.scatter_update(x, integers(*range(half)), part, scalar(last)).output(0)
    if how == "elements":
        places = np.broadcast_to(np.arange(half), part.get_output_shape(0))
        return op.scatter_elements_update(x, op.constant(np.ascontiguousarray(places)), part, scalar(last)).output(0)
    if how == "rows":
        row = op.gather(op.tanh(x), integers(0), scalar(0))
        return op.scatter_nd_update(x, op.constant(np.array([[0]])), row).output(0)
    return op.squared_difference(x, op.tanh(x)).output(0)
