"""Recurrent layers: sequences, cells, in one direction or both."""

import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op

from .block import block
from .net import Net, NoTensorError, Tensor, integers, outputs, rank, scalar, shape

SIZE = 6
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def _weights(net: Net, kind: str, inputs: int, directions: tuple[int, ...], *, resets: bool = False) -> list[Tensor]:
    gates = GATES[kind] * SIZE
    w = net.weights(*directions, gates, inputs, fan_in=2 * inputs, channels=len(directions))
    r = net.weights(*directions, gates, SIZE, fan_in=2 * SIZE, channels=len(directions))
    return [w, r, net.small_numbers(*directions, gates + (SIZE if resets else 0))]


def _zeros(net: Net, x: Tensor, *dims: int) -> Tensor:
    """An initial state: a constant, or as many zeros as there are samples."""
    if net.chance.maybe(0.6):
        return net.constant(np.zeros((shape(x)[0], *dims)))
    return op.broadcast(
        net.constant(0.0), op.concat([op.gather(op.shape_of(x), integers(0), scalar(0)), integers(*dims)], 0)
    ).output(0)


@block(2)
def recurrent_layer(net: Net) -> Tensor:
    """LSTM, GRU or RNN over [N, T, D]; its sequence, or the last state."""
    x = net.tokens()
    kind, way = net.chance.one(["LSTM", "GRU", "RNN"]), net.chance.one(["FORWARD", "REVERSE", "BIDIRECTIONAL"])
    count = 2 if way == "BIDIRECTIONAL" else 1
    resets = kind == "GRU" and net.chance.maybe(0.5)
    weights = _weights(net, kind, shape(x)[-1], (count,), resets=resets)
    state = _zeros(net, x, count, SIZE)
    lengths = op.broadcast(
        op.gather(op.shape_of(x), scalar(1), scalar(0)), op.gather(op.shape_of(x), integers(0), scalar(0))
    )
    if net.chance.maybe(0.5):
        lengths = op.constant(np.full(shape(x)[0], shape(x)[1], np.int64))
    if kind == "LSTM":
        layer = op.lstm_sequence(x, state, _zeros(net, x, count, SIZE), lengths, *weights, SIZE, way)
    elif kind == "GRU":
        layer = op.gru_sequence(x, state, lengths, *weights, SIZE, way, linear_before_reset=resets)
    else:
        layer = op.rnn_sequence(x, state, lengths, *weights, SIZE, way)
    if net.chance.maybe(0.3):
        return op.reshape(layer.output(1), integers(0, -1), True).output(0)
    turned = op.transpose(layer.output(0), integers(0, 2, 1, 3))
    return op.reshape(turned, integers(0, 0, count * SIZE), True).output(0)


@block()
def cell(net: Net) -> list[Tensor]:
    """One step, with a state that is an input, zero, or kept by the network."""
    x = net.pick(lambda each: rank(each) == 2)
    kind = net.chance.one(["LSTM", "GRU", "RNN"])
    weights = _weights(net, kind, shape(x)[-1], ())
    states = [_zeros(net, x, SIZE) for _ in range(2 if kind == "LSTM" else 1)]
    is_kept, names = net.chance.maybe(0.4), [f"state{len(net.sinks)}_{k}" for k in range(len(states))]
    if is_kept:
        kind_ = ov.Type(np.dtype(net.dtype))
        states = [
            op6.read_value(each, name, kind_, ov.PartialShape([shape(x)[0], SIZE])).output(0)
            for each, name in zip(states, names, strict=True)
        ]
    if kind == "LSTM":
        layer = op.lstm_cell(x, *states, *weights, SIZE)
    elif kind == "GRU":
        layer = op.gru_cell(x, *states, *weights, SIZE)
    else:
        layer = op.rnn_cell(x, *states, *weights, SIZE, ["tanh"], [], [])
    if is_kept:
        net.sinks += [op6.assign(each, name) for each, name in zip(layer.outputs(), names, strict=True)]
    return outputs(layer)


@block()
def gru_by_hand(net: Net) -> Tensor:
    """A gated unit of matrix products, as it is exported step by step; two steps with the same weights.

    Its first state is zero, or kept by the network from inference to inference.
    """
    x = net.pick(lambda each: rank(each) == 3 and shape(each)[1] >= 2)
    size = shape(x)[-1]
    w, r, b = net.weights(12, size, fan_in=2 * size), net.weights(12, SIZE, fan_in=2 * SIZE), net.small_numbers(12)
    state: Tensor = net.constant(np.zeros((1, SIZE)))
    is_kept, name = net.chance.maybe(0.5), f"gated{len(net.sinks)}"
    if is_kept:
        start, kind = net.constant(np.zeros((shape(x)[0], SIZE))), ov.Type(np.dtype(net.dtype))
        state = op6.read_value(start, name, kind, ov.PartialShape([shape(x)[0], SIZE])).output(0)
    for step in range(2):
        each = op.gather(x, scalar(step), scalar(1))
        both = op.add(op.add(op.matmul(each, w, False, True), op.matmul(state, r, False, True)), b)
        update, new = op.split(both, op.constant(1), 2).outputs()
        keep = op.sigmoid(update)
        state = op.add(
            op.multiply(keep, state), op.multiply(op.subtract(net.constant(1.0), keep), op.tanh(new))
        ).output(0)
    if is_kept:
        net.sinks.append(op6.assign(state, name))
    return state


@block(0.7)
def kept_frames(net: Net) -> Tensor:
    """A streaming convolution: the last frames are kept by ReadValue and Assign."""
    x = net.tokens()
    count, channels, length = shape(x)
    if length < 2:
        raise NoTensorError
    name = f"frames{len(net.sinks)}"
    start = net.constant(np.zeros((count, channels, 2)))
    old = op6.read_value(start, name, ov.Type(np.dtype(net.dtype)), ov.PartialShape([count, channels, 2]))
    whole = op.concat([old, x], 2)
    net.sinks.append(op6.assign(op.slice(whole, integers(-2), integers(2**31), integers(1), integers(2)), name))
    return op.convolution(whole, net.weights(8, channels, 3, fan_in=3 * channels), [1], [0], [0], [1]).output(0)
