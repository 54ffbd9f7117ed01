"""What a model does with its inputs first: arithmetic with constants, or a convolution."""

from collections.abc import Iterator

import numpy as np

from ...ir import Array, Graph, Node
from ...ir.folding import folded
from ...ir.ops import WEIGHTS_PORT, bias_port, output_channel_axis

#: Arithmetic with a constant -> whether the constant is a mean or a scale, and how to compute it.
_STEPS: dict[str, tuple[str, np.ufunc]] = {
    "Add": ("mean", np.negative),
    "Subtract": ("mean", np.positive),
    "Divide": ("scale", np.positive),
    "Multiply": ("scale", np.reciprocal),
}
#: Operations that may be between an input and its normalization, or between its steps.
_BETWEEN = ("Convert", "Gather", "Interpolate", "Pad", "Reshape", "Transpose", "Unsqueeze")


def first_steps(graph: Graph) -> Iterator[tuple[str, Array]]:
    """The means and scales of arithmetic with constants that directly follows an input."""
    for parameter in graph.in_file_order("Parameter"):
        for node in _readers(parameter):
            if (step := _step(node)) is not None:
                yield step


def steps_of(parameter: Node) -> list[tuple[str, Array]]:
    """The means and scales of arithmetic with constants that directly follows this input."""
    return [step for node in _readers(parameter) if (step := _step(node)) is not None]


def first_gain(parameter: Node) -> float | None:
    """How much the convolution that reads an input unchanged enlarges it: the weights of a channel, as a mean norm.

    The mean is that of squares: half the channels of a trained layer may be next to zero.

    None: there is no such convolution (see `_first_convolution`).
    """
    layer = _first_convolution(parameter)
    if layer is None or (weights := folded(layer.source(WEIGHTS_PORT))) is None:
        return None
    rows = weights.astype(np.float64).reshape(len(weights), -1)
    return float(np.sqrt((rows * rows).sum(axis=1).mean()))


def first_bias(parameter: Node) -> float | None:
    """The root mean square of the biases of that convolution; None without any."""
    layer = _first_convolution(parameter)
    port = bias_port(layer) if layer else None
    bias = folded(port.source) if port else None
    return None if bias is None else float(np.sqrt(np.square(bias.astype(np.float64)).mean()))


def _first_convolution(parameter: Node) -> Node | None:
    """The convolution that reads an input unchanged.

    None: there is none, arithmetic is in front of it, or an instance normalization behind it, which takes any mean and
    scale away.
    """
    last = None
    for last in _readers(parameter):
        if _step(last) is not None:
            return None
    return None if last is None or last.type != "Convolution" or _is_normalized(last) else last


def _is_normalized(layer: Node) -> bool:
    """Whether the only reader of a layer and its bias normalizes the places of each channel (MVN without its axis)."""
    bias = bias_port(layer)
    output = bias.node.output() if bias else layer.output()
    reader = output.consumers[0].node if len(output.consumers) == 1 else layer
    axes = folded(reader.source(1)) if reader.type == "MVN" and len(reader.inputs) > 1 else None
    rank = len(output.shape)
    return axes is not None and output_channel_axis(layer) % rank not in {int(each) % rank for each in axes.ravel()}


def _readers(parameter: Node) -> Iterator[Node]:
    """The only readers behind an input, one after the other, up to the first that is neither a step nor a move."""
    output = parameter.output()
    while len(output.consumers) == 1 and (node := output.consumers[0].node).source(0) == output:
        yield node
        if _step(node) is None and node.type not in _BETWEEN:
            return
        output = node.output()


def _step(node: Node) -> tuple[str, Array] | None:
    constant = folded(node.source(1)) if node.type in _STEPS else None
    if constant is None:
        return None
    what, of = _STEPS[node.type]
    with np.errstate(divide="ignore"):
        return what, of(constant.astype(np.float64).ravel())
