"""Recognises scores that become probabilities only behind the model, and judges them as such.

Detectors such as BlazeFace give a logit and a box for each anchor, and the code behind the model applies the sigmoid.
Nearly all anchors see nothing. Their logits lie far below zero, where an error changes no probability, but they make up
nearly all of the signal's power. So the ratio of the logits tells nothing about the scores that matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from .choices import Choice

#: A detector has this many anchors or more, and boxes are made of four numbers, or of more with key points.
_LEAST_ANCHORS, _BOX = 64, 4
#: The share of the anchors that see nothing, at least, and the logit that their scores do not exceed (0.12).
_NOTHING, _LOW = 0.9, -2.0
#: The logit from which an anchor sees something (0.5).
_HIGH = 0.0


@dataclass(frozen=True)
class Probabilities:
    """The probabilities of a tensor of logits.

    Attributes:
        tensor: The number of the tensor.
        choice: None: each score is judged by its value.
    """

    tensor: int
    choice: Choice | None = None

    def of(self, array: Array) -> Array:
        """The sigmoid of a tensor; values far below zero or above it, also infinities, give 0 and 1."""
        return np.asarray(1 / (1 + np.exp(-np.clip(array.astype(np.float64), -80, 80))))

    def __str__(self) -> str:
        return "probabilities"


def are_score_logits(scores: Sequence[Array], others: Sequence[Array]) -> bool:
    """Whether a tensor holds logits of anchors: nearly all are low, some are high, and another output holds the boxes.

    Args:
        scores: The tensor in the float model, one array per sample.
        others: The other outputs of the first sample.
    """
    if not scores or scores[0].dtype.kind != "f" or scores[0].ndim < 2:
        return False
    *places, width = scores[0].shape
    if np.prod(places) < _LEAST_ANCHORS or not any(_are_boxes(each, places, width) for each in others):
        return False
    largest = np.concatenate([each.max(axis=-1).ravel() for each in scores])
    return bool((largest < _LOW).mean() >= _NOTHING and (largest > _HIGH).any())


def _are_boxes(array: Array, places: Sequence[int], width: int) -> bool:
    *others, numbers = array.shape or (0,)
    return others == list(places) and numbers >= _BOX and numbers % 2 == 0 and numbers != width
