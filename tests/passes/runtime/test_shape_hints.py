"""What a message says of a sample of the wrong shape."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.passes.runtime.samples import DataError, ModelInput, Sample, checked_feed, model_inputs

IMAGE = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 8, 9))
ANY_SIZE = replace(IMAGE, shape=(-1, 3, -1, -1))
LAST = replace(IMAGE, shape=(1, 8, 9, 3))
DIGIT = replace(IMAGE, shape=(-1, 1, 28, 28))
SOUND = replace(IMAGE, shape=(1, 80, -1))
IDS = ModelInput("ids", frozenset({"ids"}), "i64", (1, 128))
WORDS = replace(IMAGE, name="words", names=frozenset({"words"}), shape=(1, 5, 16))


def hint(feed: object, *inputs: ModelInput) -> str:
    """What comes after the statement of the facts."""
    with pytest.raises(DataError) as caught:
        checked_feed(Sample("s", feed), inputs)
    return str(caught.value).partition("; ")[2]


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("shape", "expected", "said"),
    [
        ((1, 8, 9, 3), IMAGE, "it looks like NHWC: array.transpose(0, 3, 1, 2)"),
        ((16, 8, 9, 3), IMAGE, "it looks like NHWC: array.transpose(0, 3, 1, 2)"),
        ((1, 50, 70, 3), ANY_SIZE, "it looks like NHWC: array.transpose(0, 3, 1, 2)"),
        ((1, 3, 8, 9), LAST, "it looks like NCHW: array.transpose(0, 2, 3, 1)"),
        ((8, 9, 3), IMAGE, "it looks like HWC: array.transpose(2, 0, 1)"),
        ((50, 70, 3), ANY_SIZE, "it looks like HWC: array.transpose(2, 0, 1)"),
        ((3, 8, 9), LAST, "it looks like CHW: array.transpose(1, 2, 0)"),
        ((28, 28, 1), DIGIT, "it looks like HWC: array.transpose(2, 0, 1)"),
        ((3, 9, 8), IMAGE, "its axes fit in another order: array.transpose(0, 2, 1)"),
        ((1, 300, 80), SOUND, "its axes fit in another order: array.transpose(0, 2, 1)"),
        ((28, 28), DIGIT, "array.reshape(1, 1, 28, 28) fits"),
        ((1, 1, 1, 3, 8, 9), IMAGE, "array.reshape(1, 3, 8, 9) fits"),
        ((1, 3, 8, 10), IMAGE, "it looks like a picture of 8x10: resize it to 8x9 (height x width)"),
        ((7, 3, 8, 10), IMAGE, "it looks like a picture of 8x10: resize it to 8x9 (height x width)"),
        (
            (60, 50, 3),
            IMAGE,
            "it looks like a picture of 60x50: resize it to 8x9 (height x width), and turn HWC into CHW",
        ),
        (
            (3, 60, 50),
            LAST,
            "it looks like a picture of 60x50: resize it to 8x9 (height x width), and turn CHW into HWC",
        ),
        ((1, 1, 8, 10), IMAGE, ""),
        ((1, 1, 8, 9), IMAGE, ""),
        ((8, 9), IMAGE, ""),
        ((), IMAGE, ""),
        ((7, 11, 13, 5, 3, 2, 17), IMAGE, ""),
    ],
)
def test_other_axes_are_told(shape: tuple[int, ...], expected: ModelInput, said: str) -> None:
    assert hint(zeros(*shape), expected) == said


@pytest.mark.parametrize("shape", [(1, 8, 9, 3), (8, 9, 3), (28, 28), (1, 300, 80)])
def test_what_a_hint_says_to_write_fits(shape: tuple[int, ...]) -> None:
    expected = {(28, 28): DIGIT, (1, 300, 80): SOUND}.get(shape, IMAGE)
    code = hint(zeros(*shape), expected).partition("array.")[2].removesuffix(" fits")
    assert checked_feed(Sample("s", eval(f"array.{code}", {"array": zeros(*shape)})), [expected])


@pytest.mark.parametrize("labels", [np.int64(3), np.array([3, 1, 2]), 7])
def test_labels_alone_are_told(labels: object) -> None:
    assert hint(labels, IMAGE) == "it looks like labels: give the data that they belong to"


@pytest.mark.parametrize(("labels", "expected"), [(np.array([3, 1, 2]), IDS), (np.array([0.5, 1.5]), IMAGE)])
def test_other_numbers_are_not_called_labels(labels: object, expected: ModelInput) -> None:
    assert hint(labels, expected) == ""


@pytest.mark.parametrize(
    ("feed", "index"),
    [((3, zeros(3, 8, 9)), 1), ((np.zeros(4, int), zeros(4, 3, 8, 9)), 1), (["a", 3, zeros(3, 8, 9)], 2)],
)
def test_the_element_with_the_data_is_named(feed: Any, index: int) -> None:
    said = hint(feed, IMAGE)
    assert said == f"element {index} fits: transform=lambda item: item[{index}]"


def test_no_element_is_named_if_none_fits_or_the_model_has_several_inputs() -> None:
    assert hint((3, zeros(3, 8, 10)), IMAGE) == ""
    assert hint((3, zeros(3, 8, 9), 4), IMAGE, IDS) == ""


def test_arrays_in_another_order_are_told_by_name() -> None:
    given = (np.zeros((1, 128), int), zeros(1, 5, 16), zeros(3, 8, 9))
    assert hint(given, IMAGE, IDS, WORDS) == (
        "they fit in another order: give them by name, {'ids': ..., 'words': ..., 'image': ...}"
    )


def test_an_order_is_not_told_if_an_array_fits_nothing() -> None:
    assert hint((np.zeros((1, 128), int), zeros(3, 8, 7)), IMAGE, IDS) == ""


def test_an_order_is_not_told_if_it_is_that_of_the_inputs() -> None:
    assert hint((zeros(4, 3, 8, 9), np.zeros((1, 128), int)), IMAGE, IDS) == ""


STEP = """
sound: f32[1,8] = Parameter()
state: f32[2,1,24] = Parameter()
a: f32[1,8] = ReLU(sound)
b: f32[2,1,24]<"next"> = ReLU(state)
r = Result(a)
q = Result(b)
"""
SAID = (
    "if 'state' is the state that output 'next' hands to the next step, run the float model step by step and record it "
    "(docs/recipes/voice_activity.md)"
)


@pytest.mark.parametrize("feed", [{"sound": zeros(1, 8)}, [zeros(1, 8)], zeros(1, 8)])
def test_a_missing_state_is_told(feed: object) -> None:
    state = next(each for each in model_inputs(from_text(STEP)) if each.name == "state")
    sound = ModelInput("sound", frozenset({"sound"}), "f32", (1, 8))
    assert hint(feed, sound, state) == SAID


def test_an_input_is_no_state_if_no_output_is_like_it() -> None:
    text = STEP.replace("state: f32[2,1,24]", "state: f32[2,1,25]").replace("b: f32[2,1,24]", "b: f32[2,1,25]")
    (other,) = [each for each in model_inputs(from_text(text)) if each.name == "state"]
    assert other.returned_as == "next"
    half = from_text('x: f16[2,4] = Parameter()\ny: f32[2,4] = Convert(x) destination_type="f32"\nr = Result(y)\n')
    sizes = from_text("x: f32[1,?] = Parameter()\ny: f32[1,?] = ReLU(x)\nr = Result(y)\n")
    assert [model_inputs(each)[0].returned_as for each in (half, sizes)] == ["", ""]


def test_another_missing_input_is_told_without_a_state() -> None:
    assert hint({"image": zeros(3, 8, 9)}, IMAGE, IDS) == ""
