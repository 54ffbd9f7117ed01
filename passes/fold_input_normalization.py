"""Mean and scale of the model's inputs go into the first convolution, where that changes nothing."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import DYNAMIC, Graph, Node
from ..ir.ops import DATA_PORT, WEIGHTS_PORT
from .base import Context, Fact, NoRequests
from .biases import change_bias
from .coverage import needs_sizes
from .ranges import Floats

_CHANNELS = 1


@dataclass(frozen=True)
class FoldInputNormalization(NoRequests):
    """Folds arithmetic with constants between an input and its only reader, a convolution.

    Given::                                          Result::

        y = Multiply(x, [2, 4])                          conv = Convolution(x, w * [2, 4])
        conv = Convolution(y, w)

    1. conv(a x, W) = conv(x, W a) for a factor a channel, padded or not, since zero stays zero.
    2. conv(x + b, W) = conv(x, W) + sum_{c,k} W[o, c, k] b_c for a summand a channel, only without padding.
    Steps are folded from the convolution upwards, as far as it goes. Pictures then come in as they are: 8-bit pixels
    are exact on a grid of 256 levels, and normalized ones are not.
    """

    name: ClassVar[str] = "fold-input-normalization"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.AS_MEASURED})

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every step that may go."""
        changed = 0
        for conv in list(graph.nodes("Convolution")):
            if conv.source(WEIGHTS_PORT).node.type != "Const" or not _normalizes_an_input(conv.source(DATA_PORT).node):
                continue
            while (step := conv.source(DATA_PORT).node).type != "Parameter" and _fold(step, conv):
                changed += 1
        return changed


def _normalizes_an_input(node: Node) -> bool:
    """Whether a chain of steps with one reader each leads up to an input."""
    while _constant(node) is not None and len(node.output().consumers) == 1:
        node = node.source(0).node
    return node.type == "Parameter"


def _constant(node: Node) -> Floats | None:
    """The second operand of a step, one number a channel; None if the node is no such step."""
    if node.type not in ("Add", "Subtract", "Multiply", "Divide") or node.source(1).node.type != "Const":
        return None
    shape, operand = node.output().shape, node.source(1)
    if len(shape) < 3 or shape[_CHANNELS] == DYNAMIC or operand.element_type.name not in ("f16", "f32"):
        return None
    aligned = (1,) * (len(shape) - len(operand.shape)) + operand.shape
    if any(size != 1 for axis, size in enumerate(aligned) if axis != _CHANNELS):
        return None
    values: Floats = operand.node.array.astype(np.float64).reshape(-1)
    return np.broadcast_to(values, shape[_CHANNELS])


def _fold(step: Node, conv: Node) -> bool:
    """Folds one step into the convolution behind it, if that changes nothing."""
    constant, port = _constant(step), conv.input(WEIGHTS_PORT)
    old = port.source.node
    if constant is None or old.array.shape[_CHANNELS] != len(constant):
        return False
    weights: Floats = old.array.astype(np.float64)
    if step.type in ("Add", "Subtract"):
        if needs_sizes(conv):  # it pads, with zeros that the sum must not reach
            return False
        sums = weights.sum(axis=tuple(range(2, weights.ndim))) @ constant
        change_bias(conv, sums if step.type == "Add" else -sums)
    else:
        factor = constant if step.type == "Multiply" else 1 / constant
        scaled = weights * factor.reshape(-1, *[1] * (weights.ndim - 2))
        folded = np.asarray(scaled, old.array.dtype)
        port.connect(conv.graph.add_constant(f"{conv.name}/weights", folded, near=conv).output())
        conv.graph.prune(old)
    conv.input(DATA_PORT).connect(step.source(0))
    conv.graph.prune(step)
    return True
