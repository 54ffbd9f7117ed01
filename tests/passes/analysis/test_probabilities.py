"""Scores that become probabilities behind the model: which outputs hold them, and how they are judged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from irquant.passes.analysis.agreement import Tallies, agreements
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs
from irquant.passes.analysis.probabilities import Probabilities, are_score_logits
from irquant.passes.runtime.samples import Sample, ValidationSample

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(3)
ANCHORS = 400
BOXES = RNG.uniform(0, 100, (1, ANCHORS, 16)).astype(np.float32)


def logits(*, seen: int = 5, classes: int = 1, anchors: int = ANCHORS) -> Array:
    """Logits of anchors far below zero, and of some above it."""
    found = np.minimum(RNG.normal(-40, 15, (1, anchors, classes)), -8)
    found[:, :seen] = RNG.uniform(0.5, 3, (1, seen, classes))
    return found.astype(np.float32)


@pytest.mark.parametrize("classes", [1, 3])
def test_logits_of_anchors_beside_their_boxes_are_scores(classes: int) -> None:
    assert are_score_logits([logits(classes=classes, seen=0), logits(classes=classes)], [BOXES])


@pytest.mark.parametrize(
    ("what", "scores", "others"),
    [
        ("no boxes", logits(), []),
        ("boxes of other anchors", logits(), [BOXES[:, 1:]]),
        ("no room for boxes", logits(), [BOXES[..., :2]]),
        ("no number of coordinates", logits(), [BOXES[..., :5]]),
        ("as many scores as coordinates", logits(classes=16), [BOXES]),
        ("few anchors", logits(anchors=60), [BOXES[:, :60]]),
        ("nothing is seen", logits(seen=0), [BOXES]),
        ("much is seen", logits(seen=60), [BOXES]),
        ("probabilities", 1 / (1 + np.exp(-logits())), [BOXES]),
        ("whole numbers", logits().astype(np.int64), [BOXES]),
        ("one axis", logits().ravel(), [BOXES]),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_other_outputs_are_no_scores(what: str, scores: Array, others: list[Array]) -> None:
    assert not are_score_logits([scores], others), what


def test_without_samples_nothing_is_known() -> None:
    assert not are_score_logits([], [BOXES])


OUTPUTS = Outputs((Output("boxes", OutputKind.VALUES, (0,)), Output("scores", OutputKind.VALUES, (1,))))


def seen(scores: Array) -> Outputs:
    return OUTPUTS.seen([ValidationSample(Sample("0", None), {}, [BOXES, scores])])


def test_outputs_know_their_scores() -> None:
    assert [each.parts for each in seen(logits()).each] == [(), (Probabilities(1),)]
    assert [each.parts for each in seen(logits(seen=0)).each] == [(), ()]


def test_an_error_of_low_logits_means_nothing_and_one_of_high_logits_counts() -> None:
    scores = logits()
    low, high = scores + np.where(scores < 0, -15, 0), scores + np.where(scores > 0, -2, 0)
    outputs = seen(scores)
    (_, first), (_, second) = (agreements(outputs, [[BOXES, scores]], [[BOXES, each]]) for each in (low, high))
    assert first.sqnr > 60
    assert first.whole < 12
    assert second.sqnr < 10
    assert second.whole > 30
    assert (first.part, second.part) == ("probabilities", "probabilities")
    assert first.verdict == "good"
    assert second.verdict == "poor"


def test_samples_are_hard_for_their_probabilities_and_not_for_their_logits() -> None:
    scores = logits()
    outputs = seen(scores)
    tallies = Tallies(outputs)
    for change in (np.where(scores < 0, -15, 0), np.where(scores > 0, -1, 0)):
        tallies.add([BOXES, scores], [BOXES, scores + change])
    assert tallies.hardest == [1, 0]


def test_the_largest_logits_give_finite_probabilities() -> None:
    found = Probabilities(0).of(np.array([-27000.0, -np.inf, 0.0, 500.0, np.inf], np.float32))
    assert found == pytest.approx([0, 0, 0.5, 1, 1])


def test_random_scores_are_not_judged() -> None:
    random = seen(logits()).without([1])
    assert random.each[1] == replace(OUTPUTS.each[1], kind=OutputKind.RANDOM)


def test_scores_that_are_no_numbers_are_poor() -> None:
    broken = logits()
    broken.ravel()[0] = np.nan
    _, scores = agreements(seen(logits()), [[BOXES, logits()]], [[BOXES, broken]])
    assert scores.verdict == "poor"
