"""Folds mean and scale of the model's inputs into the first convolution, if that changes no result."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.folding import folded
from ...ir.match import Match, Miss
from ...ir.ops import DATA_PORT, WEIGHTS_PORT
from ...ir.pattern import Pattern, any_tensor, const, op
from ..analysis.biases import change_bias
from ..analysis.coverage import needs_sizes
from ..analysis.ranges import Floats
from ..infra.base import Context, Fact, Pass

_CHANNELS = 1
_TYPES = ("Add", "Divide", "Multiply", "Subtract")


@dataclass(frozen=True)
class FoldInputNormalization(Pass):
    """Folds arithmetic with constants between an input and its only reader, a convolution.

    Given::                                          Result::

        y = Multiply(x, [2, 4])                          conv = Convolution(x, w * [2, 4])
        conv = Convolution(y, w)

    1. conv(a x, W) = conv(x, W a) for one factor per channel, padded or not, since zero stays zero.
    2. conv(x + b, W) = conv(x, W) + sum_{c,k} W[o, c, k] b_c for one summand per channel, only without padding.
    3. Transposes and Converts among the steps stay where they are: the channels are followed through them.
    Steps are folded from the convolution upwards, as far as possible. Afterwards the convolution reads unchanged
    images: 8-bit pixels are exact on a grid of 256 levels, and normalized ones are not.
    """

    name: ClassVar[str] = "fold-input-normalization"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.AS_MEASURED, Fact.PLANNED})

    def attempt(self, layer: Node, context: Context) -> Match | Miss | None:
        """The step directly in front of a convolution, if it is arithmetic."""
        if layer.type != "Convolution" or (step := layer.source(DATA_PORT).node).type not in _TYPES:
            return None
        return _step_along(_CHANNELS).match(step)

    def run(self, graph: Graph, context: Context) -> int:
        """Folds every step that can be folded."""
        changed = 0
        for conv in list(graph.nodes("Convolution")):
            if conv.source(WEIGHTS_PORT).node.type != "Const":
                continue
            for step in _steps(conv):
                if not _fold(step, conv):
                    break
                changed += 1
        return changed


@dataclass(frozen=True)
class _Step:
    """A step of a normalization.

    Attributes:
        node: The operation.
        data: The operand that it changes.
        values: The other operand, one number per channel.
    """

    node: Node
    data: OutPort
    values: Floats


def _steps(conv: Node) -> list[_Step]:
    """The steps in front of a convolution, the nearest first; none unless each has one reader, up to an input."""
    steps: list[_Step] = []
    tensor, axis = conv.source(DATA_PORT), _CHANNELS
    while tensor.node.type != "Parameter":
        found = _step_along(axis).match(tensor.node)
        if not found:
            return []
        if order := found.get(_ORDER):
            axis = ([int(each) for each in order.array] or list(range(len(tensor.shape)))[::-1])[axis]
        elif (values := _values_of(found, axis)) is not None:
            steps.append(_Step(tensor.node, found[_DATA], values))
        tensor = found[_DATA]
    return steps


def _step_along(axis: int) -> Pattern[Node]:
    """A step with a single reader, and with channels along some axis."""

    def is_along(found: Match) -> bool:
        return found.get(_OPERAND) is None or _values_of(found, axis) is not None

    return _STEP.provided(is_along, "a constant of one number per channel as its operand")


def _is_exact(convert: Node) -> bool:
    """Whether a Convert rounds nothing: rounding and saturation do not commute with arithmetic."""
    given, taken = convert.source().element_type, convert.output().element_type
    is_wide = given.dtype is not None and taken.dtype is not None and given.dtype.itemsize <= taken.dtype.itemsize
    return taken.is_float and is_wide


def _values_of(found: Match, axis: int) -> Floats | None:
    """The operand of arithmetic as one number per channel; None if there is none, or if it broadcasts the data."""
    operand = found.get(_OPERAND)
    if operand is None or found[_DATA].shape != found[_ARITHMETIC].output().shape:
        return None
    return _values(operand, found[_DATA].shape, axis)


def _values(operand: OutPort, shape: tuple[int, ...], axis: int) -> Floats | None:
    """A constant as one number per channel; None for anything else."""
    if len(shape) < 3 or shape[axis] == DYNAMIC or operand.element_type.name not in ("f16", "f32"):
        return None
    aligned = (1,) * (len(shape) - len(operand.shape)) + operand.shape
    if any(size != 1 for each, size in enumerate(aligned) if each != axis) or (found := folded(operand)) is None:
        return None
    values: Floats = found.astype(np.float64).reshape(-1)
    return np.broadcast_to(values, shape[axis])


_DATA, _OPERAND, _ORDER = any_tensor(), any_tensor(), const()
_TRANSPOSE = op("Transpose", _DATA, _ORDER)
_CONVERT = op("Convert", _DATA).where(_is_exact, "a Convert that rounds nothing")
_COMMUTATIVE = op(("Add", "Multiply"), _DATA, _OPERAND).commutative()
_ARITHMETIC = _COMMUTATIVE | op(("Subtract", "Divide"), _DATA, _OPERAND)
_STEP = (_TRANSPOSE | _CONVERT | _ARITHMETIC).read_once()


def _fold(step: _Step, conv: Node) -> bool:
    """Folds one step into the convolution behind it, if that changes no result."""
    port, values = conv.input(WEIGHTS_PORT), step.values
    old = port.source.node
    if old.array.shape[_CHANNELS] != len(values):
        return False
    weights: Floats = old.array.astype(np.float64)
    if step.node.type in ("Add", "Subtract"):
        if needs_sizes(conv):  # the zeros of the padding must not be shifted
            return False
        sums = weights.sum(axis=tuple(range(2, weights.ndim))) @ values
        change_bias(conv, sums if step.node.type == "Add" else -sums)
    else:
        factor = values if step.node.type == "Multiply" else 1 / values
        scaled = np.asarray(weights * factor.reshape(-1, *[1] * (weights.ndim - 2)), old.array.dtype)
        port.connect(conv.graph.add_constant(f"{conv.name}/weights", scaled, near=conv).output())
        conv.graph.prune(old)
    step.node.replace_with(step.data)
    return True
