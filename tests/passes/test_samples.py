"""What a sample may be, and what is said of one that does not fit."""

from typing import Any

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.passes import Config
from irquant.passes.calibration.samples import DataError, ModelInput, Sample, checked_feed, model_inputs
from irquant.passes.calibration.subset import chosen_samples

IMAGE = ModelInput("image", frozenset({"image", "alias"}), "f32", (1, 3, 2, 2))
IDS = ModelInput("ids", frozenset({"ids"}), "i32", (1, -1))
GOOD = np.zeros((1, 3, 2, 2), np.float32)


def complaint(feed: object, *inputs: ModelInput) -> str:
    with pytest.raises(DataError) as caught:
        checked_feed(Sample("sample 7", feed), inputs or (IMAGE,))
    return str(caught.value)


@pytest.mark.parametrize("feed", [GOOD, [GOOD], (GOOD,), {"image": GOOD}, {"alias": GOOD}, GOOD[0], GOOD.tolist()[0]])
def test_a_sample_comes_in_many_forms(feed: object) -> None:
    if isinstance(feed, list) and not isinstance(feed[0], np.ndarray):
        feed = {"image": feed}
    (array,) = checked_feed(Sample("s", feed), [IMAGE]).values()
    assert array.shape == (1, 3, 2, 2)
    assert array.dtype == np.dtype(np.float32)


def test_two_inputs_are_fed_by_name_or_by_order() -> None:
    by_order = checked_feed(Sample("s", [GOOD, np.arange(3)]), [IMAGE, IDS])
    by_name = checked_feed(Sample("s", {"ids": np.arange(3), "image": GOOD}), [IMAGE, IDS])
    assert list(by_order) == list(by_name) == ["image", "ids"]
    assert by_name["ids"].dtype == np.int32
    assert by_name["ids"].shape == (1, 3)


def test_bytes_may_feed_a_float_input() -> None:
    array = checked_feed(Sample("s", np.full((1, 3, 2, 2), 255, np.uint8)), [IMAGE])["image"]
    assert array.max() == 255.0


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (np.zeros((1, 3, 2, 3)), "input 'image' f32[1,3,2,2]: float64[1, 3, 2, 3] came"),
        (np.zeros(3), "input 'image' f32[1,3,2,2]: float64[3] came"),
        ({"imge": GOOD}, "the model has no input 'imge'; did you mean 'image'? it takes 'image' f32[1,3,2,2]"),
        ({}, "nothing came for input 'image' f32[1,3,2,2]"),
        ([GOOD, GOOD], "2 arrays came, but the model has 1 inputs: 'image' f32[1,3,2,2]"),
        (np.full((1, 3, 2, 2), np.nan), "input 'image' f32[1,3,2,2]: the array holds NaN"),
        (np.full((1, 3, 2, 2), -np.inf), "input 'image' f32[1,3,2,2]: the array holds Inf"),
        (None, "input 'image' f32[1,3,2,2]: expected numbers but NoneType came"),
        (np.array(["a"]), "input 'image' f32[1,3,2,2]: expected numbers but ndarray came"),
        (GOOD.astype(complex), "input 'image' f32[1,3,2,2]: complex128[1, 3, 2, 2] came; convert it to f32 first"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(feed: object, said: str) -> None:
    assert complaint(feed) == f"sample 7: {said}"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (np.zeros((1, 4)), "input 'ids' i32[1,?]: float64[1, 4] came; convert it to i32 first"),
        (np.array([2**40]), "input 'ids' i32[1,?]: values 1099511627776..1099511627776 came, which int32 cannot hold"),
    ],
)
def test_integers_are_not_made_up_from_other_numbers(ids: Any, said: str) -> None:
    assert complaint([ids], IDS) == f"sample 7: {said}"


def test_inputs_are_those_of_the_graph_in_file_order() -> None:
    graph = from_text('b: f32[1,?]<"beta,b2"> = Parameter()\na: i64[2] = Parameter()\nr = Result(a)\nq = Result(b)\n')
    first, second = model_inputs(graph)
    assert (first.name, sorted(first.names), first.shape) == ("beta", ["b", "b2", "beta"], (1, -1))
    assert (second.name, second.element_type) == ("a", "i64")
    assert [str(first), str(second)] == ["'beta' f32[1,?]", "'a' i64[2]"]


def test_items_without_a_label_are_numbered() -> None:
    assert [sample.label for sample in chosen_samples([1, Sample("mine", 2), 3], Config())] == [
        "sample 0",
        "mine",
        "sample 2",
    ]
