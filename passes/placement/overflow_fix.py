"""Widens the range of weights whose 8-bit products could overflow 16 bits: their codes get smaller, but stay int8.

Without VNNI, x86 kernels multiply unsigned data by signed weights and add the products of two neighbouring input
channels in 16 bits (instruction vpmaddubsw), which saturates: data of 255 and two weights of 127 give 64,770, but the
result is 32,767. This cannot happen if the codes of two neighbours never add up to more than 128, since 255 * 128 <
2^15. Rounding moves each code by up to a half, so that this holds if |w_c + w_c+1| <= 127 steps, that is, if the range
of an output channel is at least

    m_o = max over neighbours and taps of |W[o, c, k] + W[o, c + 1, k]|, both of the same sign

and at least max |W[o]|, as usual; codes of opposite signs add up to 128 at most in any range. If the user's options
give a narrower range, m_o still holds: both neighbours are clipped at the range itself, so that weights clipped at
another range do not give the bound. The published fix halves all codes of a layer instead; this fix changes only output
channels that could overflow, and only as much as necessary.
"""

from collections.abc import Iterator

import numpy as np

from ...ir import Graph, Node
from ...ir.ops import WEIGHTED_TYPES, WEIGHTS_PORT, weight_axes
from ...targets import Target
from ..analysis.ranges import Floats
from ..options.config import QuantizationConfig

_ALL_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def at_risk(graph: Graph, target: Target, config: QuantizationConfig) -> frozenset[Node]:
    """The layers whose weights need the wider range."""
    option = config.saturation_fix or ("all" if target.accumulator_bits == 16 else "no")
    if option == "no":
        return frozenset()
    everywhere = (node for each in graph.walk() for node in each.in_file_order(*WEIGHTED_TYPES))
    candidates = _first_convolutions(graph) if option == "first_layer" else everywhere
    return frozenset(node for node in candidates if (rule := target.rule(node)) and rule.saturates)


def _first_convolutions(graph: Graph) -> Iterator[Node]:
    """The first convolutions on the paths from inputs, as the published tool finds them."""
    waiting = list(graph.nodes("Parameter"))
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        for output in node.outputs:
            for port in output.consumers:
                if port.node in seen:
                    continue
                seen.add(port.node)
                if port.node.type in _ALL_CONVOLUTIONS:
                    yield port.node
                else:
                    waiting.append(port.node)


def largest_pair_sum(node: Node) -> Floats:
    """m_o of the formula above for each output channel, in the shape of the weights with ones for the other axes."""
    weights = node.source(WEIGHTS_PORT).node
    if weights.type == "FakeQuantize":
        weights = weights.source().node
    values: Floats = weights.array.astype(np.float32)
    axes = weight_axes(node)
    kept = {axis % values.ndim for axis in axes.outputs}
    others = tuple(axis for axis in range(values.ndim) if axis not in kept)
    inputs = axes.inputs % values.ndim
    first, second = (np.take(values, range(start, values.shape[inputs] - 1 + start), inputs) for start in (0, 1))
    sums = np.where(np.sign(first) == np.sign(second), np.abs(first + second), 0)
    largest: Floats = sums.max(axis=others, keepdims=True, initial=0)
    return largest
