"""Finds the choices of a model: tensors whose largest element along an axis is all that counts, like class scores.

The graph shows the softmaxes. Elsewhere, scores and features are outputs of the same layers, so that their values must
decide. Scores differ clearly; if they do not, the float model is unsure, too. Features differ like random numbers. More
cannot be known without labels: an optical flow with motions as distinct as classes, or features with one far above the
others, count as scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Node, OutPort
from ...ir.folding import FORM_CHANGES
from ...ir.ops import WEIGHTED_TYPES, output_channel_axis
from .ranges import Floats

_SOFTMAXES = ("LogSoftmax", "SoftMax")
#: The share of the usual distance below which the two largest are a tie, and the most ties of scores. Measured ties:
#: 1.8 % of a U-Net's scores of three classes; 8 % of two normal deviates and 13 % of many; 48 % of an image's colours.
_TIE, _MOST_TIES = 0.1, 0.05
#: The least share of neighbouring pixels of one class: 98.7 % for that U-Net, 83 % for the colours.
_LEAST_ALIKE = 0.9
#: The least share of pixels outside of the most frequent class: a single class shows nothing.
_LEAST_SEEN = 0.01
#: Widths of features are multiples of this; numbers of classes (10, 100, 1000) rarely are.
_WIDTH = 32
#: The least distance of the largest score from the second, as a multiple of the distance for random numbers. On photos,
#: a weak classifier of 1000 classes reaches 1.6 and another one 5, but 1000 is not a multiple of `_WIDTH`.
_LEAST_LEAD = 2.0
#: The share of a norm below which two norms are the same.
_ONE_NORM = 1e-3


@dataclass(frozen=True)
class Choice:
    """A choice of the largest element in each row.

    Attributes:
        axis: The axis of the rows.
        least: Rows whose largest is below this in the float model choose nothing, like boxes without an object.
        is_guess: Whether samples must confirm it.
    """

    axis: int
    least: float = -math.inf
    is_guess: bool = False

    def same(self, reference: Floats, output: Floats) -> tuple[int, int]:
        """The number of rows with the same choice, and the number of rows with a choice."""
        if reference.ndim <= self.axis or not reference.size:
            return 0, 0
        is_same = reference.argmax(self.axis) == output.argmax(self.axis)
        chooses = reference.max(self.axis) >= self.least
        return int((is_same & chooses).sum()), int(chooses.sum())


def choice_of(tensor: OutPort, *, is_alone: bool) -> Choice | None:
    """The choice of an output, as far as its graph shows: behind a softmax, or as a guess behind a layer.

    Args:
        tensor: The output.
        is_alone: Whether it is the only output.
    """
    last = unmoved(tensor)
    if last.node.type in _SOFTMAXES:
        axis = axis_behind(tensor, last, int(last.node.attributes.get("axis", "1")) % max(1, len(last.shape)))
        return None if axis is None else Choice(axis)
    last = unmoved(tensor, (*FORM_CHANGES, "Interpolate"))
    layer = _layer_of(last.node)
    rank = len(tensor.shape)
    if layer is None or not last.shape or rank not in (2, 4) or (rank == 2 and not is_alone):
        return None
    axis = axis_behind(tensor, last, output_channel_axis(layer) % len(last.shape))
    if axis is None or not axis or 0 <= tensor.shape[axis] < (3 if rank == 2 else 2):
        return None
    return Choice(axis, is_guess=True)


def unmoved(tensor: OutPort, moves: Sequence[str] = FORM_CHANGES) -> OutPort:
    """The tensor above the operations that only move it."""
    while tensor.node.type in moves:
        tensor = tensor.node.source()
    return tensor


def _layer_of(node: Node) -> Node | None:
    """The node itself if it is a layer, or the layer whose bias it adds."""
    sources = [port.source.node for port in node.inputs] if node.type == "Add" else [node]
    return next((each for each in sources if each.type in WEIGHTED_TYPES), None)


def axis_behind(tensor: OutPort, source: OutPort, axis: int) -> int | None:
    """The position of an axis after operations that only move a tensor; None if it is unknown.

    Args:
        tensor: The tensor behind the operations.
        source: The tensor in front of them.
        axis: An axis of `source`, counted from the front.
    """
    if tensor == source:
        return axis
    node = tensor.node
    above = axis_behind(node.source(), source, axis)
    if above is None or node.type in ("Convert", "Interpolate"):
        return above
    if node.type == "Transpose":
        order = [int(k) for k in node.source(1).node.array] if node.source(1).node.type == "Const" else []
        return order.index(above) if above in order else None
    return _reshaped(node.source().shape, tensor.shape, above)


def _reshaped(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """The axis with the same size and equally many numbers behind it; dynamic sizes count as equal."""
    behind = math.prod(before[axis + 1 :])
    fitting = (
        k for k, size in enumerate(after) if size == before[axis] and abs(math.prod(after[k + 1 :])) == abs(behind)
    )
    return next(fitting, None)


def chooses_for_pixels(maps: Sequence[Array], axis: int) -> bool:
    """Whether maps hold scores of classes for each pixel: few ties, and one class over whole regions, but not all."""
    winners, leads = list[Array](), list[Array]()
    for each in (it for it in maps if it.size):  # one after the other: a copy in float64 may take a gigabyte
        if each.ndim != 4 or each.shape[axis] < 2 or not np.isfinite(each).all():
            return False
        scores = np.moveaxis(each.astype(np.float64), axis, -1)
        winners.append(scores.argmax(-1))
        leads.append(_leads(scores).ravel())
    alike = [np.diff(each, axis=k) == 0 for each in winners for k in (1, 2) if each.shape[k] > 1]
    if not alike or _has_many_ties(np.concatenate(leads)):
        return False
    seen = np.bincount(np.concatenate([each.ravel() for each in winners]))
    is_varied = 1 - seen.max() / seen.sum() >= _LEAST_SEEN
    return bool(is_varied and np.concatenate([each.ravel() for each in alike]).mean() >= _LEAST_ALIKE)


def _has_many_ties(leads: Floats) -> bool:
    are_ties: Array = leads < _TIE * np.sqrt(np.square(leads).mean())
    return bool(are_ties.mean() > _MOST_TIES)


def are_features(rows: Sequence[Array]) -> bool:
    """Whether rows of a layer's output are features rather than scores of classes: of one norm, or in random order.

    Without any row, they count as features.
    """
    known = [each.reshape(-1, each.shape[-1]) for each in rows if each.size]
    if not known:
        return True
    values = np.concatenate(known).astype(np.float64)
    norms = np.linalg.norm(values, axis=-1)
    if len(norms) > 1 and norms.max() - norms.min() <= _ONE_NORM * norms.max():
        return True
    count, spread = values.shape[-1], values.std(axis=-1)
    if count % _WIDTH or not spread.all():
        return False
    # The two largest of n normal deviates are 1 / sqrt(2 ln n) apart on average, for large n (extreme value theory).
    at_random = 1 / math.sqrt(2 * math.log(count))
    return bool((_leads(values) / spread).mean() < _LEAST_LEAD * at_random)


def _leads(values: Floats) -> Floats:
    """The distance of the largest element along the last axis from the second."""
    two = np.partition(values, -2, axis=-1)[..., -2:]
    leads: Floats = two[..., 1] - two[..., 0]
    return leads
