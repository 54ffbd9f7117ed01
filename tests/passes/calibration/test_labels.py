"""What a loader yields besides the data of a model."""

from typing import Any

import numpy as np
import pytest

from irquant.passes.calibration.labels import LabelFilter
from irquant.passes.runtime.data_look import DataLook
from irquant.passes.runtime.samples import ModelInput

IMAGE = ModelInput("image", frozenset({"image", "alias"}), "f32", (1, 3, 2, 2))
IDS = ModelInput("ids", frozenset({"ids"}), "i64", (1, -1))
X, Y = np.zeros((1, 3, 2, 2), np.float32), np.zeros((1, 5), np.int64)
LABEL = np.array([3])


def split(feed: object, *inputs: ModelInput) -> tuple[Any, list[object], str]:
    look = DataLook()
    data, labels = LabelFilter(inputs or (IMAGE,), look).split(feed)
    assert look.told == []
    return data, labels, look.parts


@pytest.mark.parametrize(
    ("feed", "inputs", "data", "labels", "said"),
    [
        ((X, LABEL), (IMAGE,), [X], [LABEL], "the first of 2 elements is used"),
        ([X, 3, "path"], (IMAGE,), [X], [3, "path"], "the first of 3 elements is used"),
        (
            (X, Y, LABEL),
            (IMAGE, IDS),
            [X, Y],
            [LABEL],
            "the first 2 of 3 elements are used",
        ),
        (
            ((X, Y), LABEL),
            (IMAGE, IDS),
            (X, Y),
            [LABEL],
            "the first of 2 elements is used",
        ),
        (({"alias": X}, 3), (IMAGE,), {"alias": X}, [3], "the first of 2 elements is used"),
        ({"image": X, "label": 3}, (IMAGE,), {"image": X}, [3], "'label' is not used"),
        (
            {"image": X, "a": 1, "b": 2},
            (IMAGE,),
            {"image": X},
            [1, 2],
            "'a', 'b' are not used",
        ),
    ],
)
def test_labels_are_left_out(
    feed: object, inputs: tuple[ModelInput, ...], data: object, labels: list[object], said: str
) -> None:
    found = split(feed, *inputs)
    assert found[:2] == (data, labels)
    assert found[2] == said


@pytest.mark.parametrize(
    ("feed", "inputs"),
    [
        (X, (IMAGE,)),
        ([X], (IMAGE,)),
        ((X, Y), (IMAGE, IDS)),
        ((LABEL, X), (IMAGE,)),  # no image comes first
        ([[1, 2], [3, 4]], (ModelInput("a", frozenset({"a"}), "f32", (2, 2)),)),  # one array
        ({"imge": X, "label": 3}, (IMAGE,)),  # a misspelt name is an error, told later
        ({"image": X}, (IMAGE,)),
        ({"image": X, "alias": X}, (IMAGE,)),
        ({}, (IMAGE,)),
        ((), (IMAGE,)),
        (None, (IMAGE,)),
        ((X,), (IMAGE, IDS)),
    ],
)
def test_other_samples_do_not_change(feed: object, inputs: tuple[ModelInput, ...]) -> None:
    data, labels, said = split(feed, *inputs)
    assert (data, labels, said) == (feed, [], "")


def test_a_batch_of_another_number_than_the_model_takes_is_data_too() -> None:
    """It is refused later, for its number."""
    eight = ModelInput("image", frozenset({"image"}), "f32", (8, 3, 2, 2))
    batch, labels = np.zeros((6, 3, 2, 2), np.float32), np.zeros(6, np.int64)
    assert split((batch, labels), eight) == ([batch], [labels], "the first of 2 elements is used")


@pytest.mark.parametrize("feed", [(X, X), ((X,), X), ({"alias": X}, 3, X)])
def test_parts_that_are_alike_are_told_once(feed: object) -> None:
    look = DataLook()
    labels = LabelFilter((IMAGE,), look)
    for _ in range(3):
        labels.split(feed)
    is_pair = isinstance(feed, tuple) and not isinstance(feed[0], dict)
    assert len(look.told) == is_pair
    assert look.parts.endswith(" elements is used")
