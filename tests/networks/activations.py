"""Every activation, as one operation or written out."""

from collections.abc import Callable

import numpy as np
import openvino.opset4 as op4
import openvino.opset13 as op

from .block import block
from .net import Net, Tensor, rank, shape

Activation = Callable[[Net, Tensor], Tensor]


def _prelu(net: Net, x: Tensor) -> Tensor:
    size = shape(x)[1] if rank(x) > 1 and net.chance.maybe(0.6) else 1
    return op.prelu(x, net.saved(np.abs(net.chance.numbers.normal(scale=0.2, size=size))))


def _gelu_written_out(net: Net, x: Tensor) -> Tensor:
    inner = op.erf(
        op.divide(x, net.constant(2**0.5)) if net.chance.maybe(0.5) else op.multiply(x, net.constant(0.5**0.5))
    )
    return op.multiply(op.multiply(x, op.add(inner, net.constant(1.0))), net.constant(0.5))


def _gelu_by_tanh(net: Net, x: Tensor) -> Tensor:
    cube = op.power(x, net.constant(3.0)) if net.chance.maybe(0.5) else op.multiply(op.multiply(x, x), x)
    inner = op.multiply(op.add(x, op.multiply(cube, net.constant(0.044715))), net.constant((2 / np.pi) ** 0.5))
    return op.multiply(op.multiply(x, net.constant(0.5)), op.add(op.tanh(inner), net.constant(1.0)))


def _hswish_written_out(net: Net, x: Tensor) -> Tensor:
    gate = op.clamp(op.add(x, net.constant(3.0)), 0.0, 6.0)
    return (
        op.multiply(op.multiply(x, gate), net.constant(1 / 6))
        if net.chance.maybe(0.5)
        else op.divide(op.multiply(x, gate), net.constant(6.0))
    )


def _leaky_written_out(net: Net, x: Tensor) -> Tensor:
    return op.maximum(x, op.multiply(x, net.constant(0.1)))


def _log_softmax_free(net: Net, x: Tensor) -> Tensor:
    return op.log(op.add(op.abs(x), net.constant(1.0)))


ACTIVATIONS: dict[str, Activation] = {
    "relu": lambda _, x: op.relu(x),
    "relu6": lambda _, x: op.clamp(x, 0.0, 6.0),
    "bounded": lambda net, x: op.minimum(op.maximum(x, net.constant(-65504.0)), net.constant(65504.0)),
    "clamp": lambda _, x: op.clamp(x, -1.0, 2.0),
    "prelu": _prelu,
    "leaky": lambda net, x: op.prelu(x, net.constant([0.1])),
    "leaky written out": _leaky_written_out,
    "elu": lambda _, x: op.elu(x, 1.0),
    "selu": lambda net, x: op.selu(x, net.constant(1.6733), net.constant(1.0507)),
    "sigmoid": lambda _, x: op.sigmoid(x),
    "hsigmoid": lambda _, x: op.hsigmoid(x),
    "hard sigmoid": lambda net, x: op.hard_sigmoid(x, net.constant(0.2), net.constant(0.5)),
    "swish": lambda net, x: op4.swish(x, net.constant(1.0)),
    "swish with beta": lambda net, x: op4.swish(x, net.constant(1.5)),
    "swish written out": lambda _, x: op.multiply(x, op.sigmoid(x)),
    "hswish": lambda _, x: op4.hswish(x),
    "hswish written out": _hswish_written_out,
    "mish": lambda _, x: op.mish(x),
    "mish written out": lambda _, x: op.multiply(x, op.tanh(op.softplus(x))),
    "gelu": lambda net, x: op.gelu(x, net.chance.one(["erf", "tanh"])),
    "gelu written out": _gelu_written_out,
    "gelu by tanh": _gelu_by_tanh,
    "quick gelu": lambda net, x: op.multiply(x, op.sigmoid(op.multiply(x, net.constant(1.702)))),
    "tanh": lambda _, x: op.tanh(x),
    "softplus": lambda _, x: op.softplus(x),
    "softsign": lambda _, x: op.softsign(x),
    "erf": lambda _, x: op.erf(x),
    "abs": lambda _, x: op.abs(x),
    "squared relu": lambda net, x: op.multiply(op.power(op.relu(x), net.constant(2.0)), net.constant(0.7)),
    "sine": lambda _, x: op.sin(x),
    "log": _log_softmax_free,
    "root": lambda net, x: op.sqrt(op.relu(x)),
    "threshold": lambda net, x: op.select(op.greater(x, net.constant(0.1)), x, net.constant(0.0)),
    "exponential": lambda net, x: op.exp(op.negative(op.abs(x))),
    "star relu": lambda net, x: op.add(
        op.multiply(op.power(op.relu(x), net.constant(2.0)), net.constant(0.89)), net.constant(-0.45)
    ),
}
#: Those that most networks have.
_COMMON = ("relu", "relu", "relu6", "swish", "prelu", "gelu", "hswish", "leaky")


def activated(net: Net, x: Tensor) -> Tensor:
    """With an activation behind it, or with none."""
    draw = net.chance.numbers.random()
    if draw < 0.25:
        return x
    name = net.chance.one(_COMMON) if draw < 0.65 else net.chance.one(sorted(ACTIVATIONS))
    return output(ACTIVATIONS[name](net, x))


def output(node: Tensor) -> Tensor:
    """The output of a node that has one."""
    return node.output(0) if hasattr(node, "outputs") else node


@block(1.5)
def activation(net: Net) -> Tensor:
    """Of any tensor."""
    x = net.floats(1, 2, 3, 4, 5, 6)
    return output(ACTIVATIONS[net.chance.one(sorted(ACTIVATIONS))](net, x))
