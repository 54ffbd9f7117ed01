"""What a sample may be, and what is said of one that does not fit."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (None, "input 'image' f32[1,3,2,2]: expected numbers but NoneType came"),
        (np.array(["a"]), "input 'image' f32[1,3,2,2]: expected numbers but ndarray came"),
        (GOOD.astype(complex), "input 'image' f32[1,3,2,2]: complex128[1, 3, 2, 2] came; convert it to f32 first"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(feed: object, said: str) -> None:
    assert complaint(feed) == f"sample 7: {said}"


class Broken:
    """Something that numpy asks for an array in vain."""

    def __array__(self, *_: object, **__: object) -> Any:
        message = "Can't call numpy() on Tensor that requires grad."
        raise RuntimeError(message)


class Elsewhere(Broken):
    """A tensor that knows its gradient, on another device."""

    def detach(self) -> "Elsewhere":
        return self

    def cpu(self) -> Any:
        return GOOD


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (Broken(), "Broken cannot be made an array of numbers: Can't call numpy() on Tensor that requires grad."),
        ({"image": [[1, 2, 3], [4, 5]]}, "list cannot be made an array of numbers: setting an array element"),
    ],
)
def test_what_numpy_cannot_read_is_told(feed: object, said: str) -> None:
    assert complaint(feed).startswith(f"sample 7: input 'image' f32[1,3,2,2]: {said}")


def test_tensors_are_brought_here() -> None:
    assert checked_feed(Sample("s", Elsewhere()), [IMAGE])["image"].shape == (1, 3, 2, 2)


def test_masks_of_infinities_are_data() -> None:
    assert np.isinf(checked_feed(Sample("s", np.full((1, 3, 2, 2), -np.inf)), [IMAGE])["image"]).all()


def test_bfloat16_is_taken_for_floats() -> None:
    array = checked_feed(Sample("s", GOOD.astype(ml_dtypes.bfloat16)), [IMAGE])["image"]
    assert array.dtype == np.float32


def test_a_model_of_several_samples_at_a_time_says_how_to_feed_it() -> None:
    baked = ModelInput("x", frozenset({"x"}), "f32", (10, 3, -1, 2))
    assert complaint(GOOD, baked) == (
        "sample 7: input 'x' f32[10,3,?,2]: float32[1, 3, 2, 2] came: the model takes 10 at a time; give stacks of 10, or "
        "convert it for one: ovc MODEL --input 'x[1,3,?,2]' (in Python: model.reshape)"
    )


_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(), st.datetimes(),
    st.just(Broken()), st.just(object()), st.just(GOOD), st.just(GOOD.astype(">f4")), st.just(GOOD[..., ::-1]),
    st.just(np.ma.masked_array(GOOD, GOOD == 0)), st.just(np.zeros((1, 0, 2, 2))), st.just(np.datetime64("2020-01-01")),
    st.just(np.zeros(1, [("a", "f4")])), st.just(x for x in range(3)),
)  # fmt: skip
_ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.one_of(st.lists(inner), st.tuples(inner), st.dictionaries(st.just("image"), inner))
)


@given(_ANYTHING)
def test_anything_is_fed_or_refused_in_one_line(feed: object) -> None:
    said, arrays = "", dict[str, Any]()
    try:
        arrays = checked_feed(Sample("s", feed), [IMAGE])
    except DataError as error:
        said = str(error)
    assert bool(arrays) != (said.startswith("s: ") and "\n" not in said)
    assert all((each.dtype, each.shape) == (np.dtype(np.float32), (1, 3, 2, 2)) for each in arrays.values())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"image": GOOD}, "the data are one dict ('image'): give a list of dicts, one for each sample"),
        ("photos/", "the data are str 'photos/': give the samples themselves; the command line reads files"),
        (np.float32(1), "the data are float32: give a list of samples, an array of them, or a data set"),
        (7, "the data are int: give a list of samples, an array of them, or a data set"),
    ],
)
def test_data_that_are_no_samples_are_told(data: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        list(chosen_samples(data, Config()))
    assert str(caught.value) == said


def test_an_array_is_a_set_of_samples() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    found = [checked_feed(sample, [IMAGE])["image"] for sample in chosen_samples(array, Config())]
    np.testing.assert_array_equal(np.concatenate(found), array)


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
