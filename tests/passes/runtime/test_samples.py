"""What a sample may be, and what is said of one that does not fit."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_dtypes, arrays, scalar_dtypes

from irquant.ir import from_text, read_model
from irquant.ir.index_limits import IndexLimit
from irquant.passes import QuantizationConfig
from irquant.passes.calibration.subset import chosen_samples
from irquant.passes.runtime.samples import DataError, ModelInput, Sample, checked_feed, model_inputs
from irquant.tools.cli import run

IMAGE = ModelInput("image", frozenset({"image", "alias"}), "f32", (1, 3, 2, 2))
IDS = ModelInput("ids", frozenset({"ids"}), "i32", (1, -1))
GOOD = np.zeros((1, 3, 2, 2), np.float32)
#: What a message says of a dict that is given as data.
RECIPE = (
    "expected a list of dicts, one for each sample; of arrays with a sample a row: "
    "[dict(zip(d, rows)) for rows in zip(*d.values())]"
)
#: What a message says of a path that is given as data.
PATHS = (
    "expected the samples themselves, not where they are: read them first, or use the command line, which takes paths "
    "(irquant quantize MODEL --data"
)


async def later() -> AsyncIterator[object]:
    """Samples that come later."""
    yield GOOD


def saved(**arrays: Any) -> Any:
    """An open .npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return np.load(file)


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


TOKENS = ModelInput("ids", frozenset({"ids"}), "i32", (1, -1), limits=(IndexLimit(-30, 29, "Gather 'table' (id 3)"),))
FLOATS = replace(TOKENS, element_type="f32")


@pytest.mark.parametrize(
    ("values", "expected", "got"),
    [
        ([0, 30], TOKENS, "30"),
        ([-31, 0], TOKENS, "-31"),
        ([-31, 30], TOKENS, "-31"),
        ([2.0**40, 0.0], FLOATS, "1099511627776.0"),
        ([np.inf, 0.0], FLOATS, "inf"),
        ([-31.0, 0.0], FLOATS, "-31.0"),
    ],
)
def test_an_index_that_an_operation_does_not_take_is_named(values: list[float], expected: ModelInput, got: str) -> None:
    said = f"sample 7: input {expected}: got {got}, but Gather 'table' (id 3) takes -30..29"
    assert complaint(np.array([values]), expected) == said


@pytest.mark.parametrize(("values", "expected"), [([-30, 29], TOKENS), ([-30.9, 29.9], FLOATS), ([], TOKENS)])
def test_indices_within_their_limits_are_taken(values: list[float], expected: ModelInput) -> None:
    array = np.array([values], np.float32 if expected is FLOATS else np.int64)
    assert checked_feed(Sample("s", array), [expected])["ids"].shape == (1, len(values))


def test_bytes_may_feed_a_float_input() -> None:
    array = checked_feed(Sample("s", np.full((1, 3, 2, 2), 255, np.uint8)), [IMAGE])["image"]
    assert array.max() == 255.0


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (np.zeros((1, 2, 2, 2)), "input 'image' f32[1,3,2,2]: got float64[1, 2, 2, 2]"),
        (np.zeros(3), "input 'image' f32[1,3,2,2]: got float64[3]"),
        ({"imge": GOOD}, "the model has no input 'imge'; did you mean 'image'? it takes 'image' f32[1,3,2,2]"),
        ({}, "no array for input 'image' f32[1,3,2,2]"),
        ({"wrong": np.zeros((1, 3))}, "the model has no input 'wrong'; it takes 'image' f32[1,3,2,2]"),
        (
            {"pixels": GOOD, "labels": np.zeros(1, int)},
            "the model has no input 'pixels'; it takes 'image' f32[1,3,2,2]; 'pixels' fits: "
            "transform=lambda item: item['pixels']",
        ),
        ({"wrong": GOOD, "more": GOOD}, "the model has no input 'wrong'; it takes 'image' f32[1,3,2,2]"),
        ({1: GOOD}, "the model has no input 1; it takes 'image' f32[1,3,2,2]; 1 fits: transform=lambda item: item[1]"),
        (
            {"a\nb": GOOD},
            r"the model has no input 'a\nb'; it takes 'image' f32[1,3,2,2]; 'a\nb' fits: transform=lambda item: item['a\nb']",
        ),
        ({"image": GOOD, "alias": GOOD}, "'image' and 'alias' are names of one input; give one of them"),
        (
            [GOOD, GOOD],
            "got a list of 2 (one array per input), but the model has 1 input: 'image' f32[1,3,2,2]; element 0 fits: "
            "transform=lambda item: item[0]",
        ),
        (np.full((1, 3, 2, 2), np.nan), "input 'image' f32[1,3,2,2]: the array holds NaN"),
        (None, "input 'image' f32[1,3,2,2]: expected numbers, got NoneType"),
        (np.array(["a"]), "input 'image' f32[1,3,2,2]: expected numbers, got <U1[1]"),
        (
            "photos/1.png",
            "input 'image' f32[1,3,2,2]: expected numbers, got str; if it is a path, read it: transform=FUNCTION, or give "
            "the folder or a glob of the files as data",
        ),
        ((x for x in range(3)), "input 'image' f32[1,3,2,2]: expected numbers, got generator"),
        (np.full((1, 3, 2, 2), 1e300), "input 'image' f32[1,3,2,2]: got 1e+300, which float32 cannot hold"),
        (
            np.ma.masked_array(GOOD, GOOD == 0),
            "input 'image' f32[1,3,2,2]: values are masked; fill them in: array.filled(VALUE)",
        ),
        (GOOD.astype(complex), "input 'image' f32[1,3,2,2]: got complex128[1, 3, 2, 2]; convert it to f32 first"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(feed: object, said: str) -> None:
    assert complaint(feed) == f"sample 7: {said}"


def test_one_array_for_two_inputs_is_told() -> None:
    said = "sample 7: got 1 array, but the model has 2 inputs: 'image' f32[1,3,2,2], 'ids' i32[1,?]"
    assert complaint(GOOD, IMAGE, IDS) == said


class Broken:
    """Something that numpy asks for an array in vain."""

    def __array__(self, *_: object, **__: object) -> Any:
        message = "Can't call numpy() on Tensor that requires grad."
        raise RuntimeError(message)


class Elsewhere(Broken):
    """A tensor that knows its gradient, on another device."""

    def __init__(self, here: object) -> None:
        self.here = here

    def detach(self) -> "Elsewhere":
        return self

    def cpu(self) -> object:
        return self.here


class Lazy(dict[str, Any]):
    """A dict that cannot compute what it holds."""

    def items(self) -> Any:
        raise KeyError("x" * 500)


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (
            "a.png",
            "expected numbers, got str; if it is a path, read it: transform=FUNCTION, or give the folder or a glob of ",
        ),
        ({"image": Path("a.png")}, f"expected numbers, got {type(Path()).__name__}; if it is a path, read it: "),
        (Broken(), "Broken cannot be made an array of numbers: Can't call numpy() on Tensor that requires grad."),
        (
            Elsewhere(Broken()),
            "Elsewhere cannot be made an array of numbers: Can't call numpy() on Tensor that requires",
        ),
        ({"image": [[1, 2, 3], [4, 5]]}, "list cannot be made an array of numbers: setting an array element"),
    ],
)
def test_what_numpy_cannot_read_is_told(feed: object, said: str) -> None:
    assert complaint(feed).startswith(f"sample 7: input 'image' f32[1,3,2,2]: {said}")


def test_what_is_computed_in_vain_is_told_without_quoting_all_of_it() -> None:
    assert complaint(Lazy(image=0)) == f"sample 7: Lazy cannot be read: '{'x' * 239}..."


@pytest.mark.parametrize("tensor", [Elsewhere(GOOD + 1), ov.Tensor(GOOD + 1), np.ma.masked_array(GOOD + 1, GOOD > 0)])
def test_tensors_are_brought_here(tensor: object) -> None:
    np.testing.assert_array_equal(checked_feed(Sample("s", tensor), [IMAGE])["image"], GOOD + 1)


@pytest.mark.parametrize(
    "array", [np.arange(12).astype(">f4"), np.arange(12).astype(np.longdouble), np.arange(24.0)[::2] / 2]
)
def test_the_order_of_bytes_and_elements_does_not_matter(array: Any) -> None:
    came = checked_feed(Sample("s", array.reshape(1, 3, 2, 2)), [IMAGE])["image"]
    np.testing.assert_array_equal(came.ravel(), np.arange(12, dtype=np.float32))
    assert came.flags.c_contiguous


def test_masks_of_infinities_are_data() -> None:
    assert np.isinf(checked_feed(Sample("s", np.full((1, 3, 2, 2), -np.inf)), [IMAGE])["image"]).all()


def test_bfloat16_is_taken_for_floats() -> None:
    array = checked_feed(Sample("s", GOOD.astype(ml_dtypes.bfloat16)), [IMAGE])["image"]
    assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "why"), [("string", "give the model without its tokenizer"), ("u4", "numpy has no u4 arrays")]
)
def test_data_that_are_no_numbers_are_refused(kind: str, why: str) -> None:
    text = ModelInput("x", frozenset({"x"}), kind, (1,))
    said = f"input 'x' {kind}[1]: the model cannot be calibrated with {kind} data: {why}"
    assert complaint(np.array(["a"]), text) == said


@pytest.mark.parametrize(("name", "dtype", "limit"), [("f16", "float16", 65504.0), ("bf16", "bfloat16", 3e38)])
def test_numbers_beyond_a_half_are_not_made_infinite(name: str, dtype: str, limit: float) -> None:
    half = ModelInput("x", frozenset({"x"}), name, (2,))
    assert np.isfinite(checked_feed(Sample("s", np.array([limit, -limit])), [half])["x"]).all()
    assert (
        complaint(np.array([0.0, 1e39]), half) == f"sample 7: input 'x' {name}[2]: got 1e+39, which {dtype} cannot hold"
    )


@pytest.mark.parametrize("feed", [GOOD, GOOD[0], np.zeros((20, 3, 2, 2))])
def test_a_model_of_several_samples_at_a_time_says_how_to_feed_it(feed: np.ndarray[Any, Any]) -> None:
    baked = ModelInput("x", frozenset({"x"}), "f32", (10, 3, -1, 2))
    mask = ModelInput("mask", frozenset({"mask"}), "f32", (10, 4))
    size = ModelInput("size", frozenset({"size"}), "f32", (2,))
    assert complaint([feed, GOOD, GOOD], baked, mask, size) == (
        f"sample 7: input 'x' f32[10,3,?,2]: got {feed.dtype}{list(feed.shape)}; the model takes 10 samples at a time: "
        "give stacks of 10, or reshape it in Python: model = openvino.Core().read_model(FILE); "
        "model.reshape({'x': [1, 3, -1, 2], 'mask': [1, 4]})"
    )


def test_a_smaller_last_batch_says_how_a_loader_leaves_it_out() -> None:
    baked = ModelInput("x", frozenset({"x"}), "f32", (8, 3, 2, 2))
    assert complaint(np.zeros((6, 3, 2, 2), np.float32), baked).startswith(
        "sample 7: input 'x' f32[8,3,2,2]: got float32[6, 3, 2, 2]; the model takes 8 samples at a time: give stacks of 8 "
        "(a loader leaves out a smaller last one with drop_last=True), or reshape it in Python: "
    )


def test_the_reshape_that_a_message_names_works(tmp_path: Path) -> None:
    x = op.parameter([10, 3, 8, 8], np.float32, name="x")
    x.output(0).set_names({"x"})
    ov.save_model(ov.Model([op.relu(x)], [x]), tmp_path / "m.xml")
    said = complaint(np.zeros((1, 3, 8, 8)), *model_inputs(read_model(tmp_path / "m.xml")))
    steps = said.partition("in Python: ")[2].replace("FILE", repr(str(tmp_path / "m.xml")))
    here: dict[str, Any] = {"openvino": ov}
    exec(steps, here)
    assert list(here["model"].input().shape) == [1, 3, 8, 8]


class Hostile:
    """Something that answers no question."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(), st.datetimes(),
    st.builds(Broken), st.builds(object), st.builds(Hostile), st.builds(Lazy), st.builds(Elsewhere, st.none()),
    st.just(np.ma.masked_array(GOOD, GOOD == 0)), st.just(np.zeros((1, 0, 2, 2))), st.just(np.datetime64("2020-01-01")),
    st.just(np.zeros(1, [("a", "f4")])), st.builds(lambda: (x for x in range(3))), st.just(np.ma.masked), st.just(Broken),
    st.just(GOOD.astype(">f4")), st.just(GOOD[..., ::-1]), arrays(array_dtypes() | scalar_dtypes(), (1, 3, 2, 2)),
)  # fmt: skip
_NAMES = st.sampled_from(["image", "alias", "a\nb"]) | st.text(max_size=3) | st.integers() | st.none() | st.binary()
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.sets(st.integers()),
        st.dictionaries(_NAMES, inner, max_size=3),
    ),
    max_leaves=8,
)


@given(_ANYTHING)
def test_anything_is_fed_or_refused_in_one_line(feed: object) -> None:
    array, said = fed_or_told(feed)
    if array is None:
        assert said.startswith("s: ")
        assert "\n" not in said
    else:
        assert (array.dtype, array.shape) == (np.dtype(np.float32), (1, 3, 2, 2))
        assert not np.isnan(array).any()


def fed_or_told(feed: object) -> tuple[np.ndarray[Any, Any] | None, str]:
    try:
        return checked_feed(Sample("s", feed), [IMAGE])["image"], ""
    except DataError as error:
        return None, str(error)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"image": GOOD}, f"one dict ('image'), {RECIPE}"),
        (Lazy(a=1, b=2, c=3, d=4), f"one Lazy ('a', 'b', 'c', ...), {RECIPE}"),
        ("photos/", f"str 'photos/', {PATHS} photos/)"),
        (Path("photos"), f"{type(Path()).__name__} 'photos', {PATHS} photos)"),
        (b"photos", "bytes, expected an iterable of samples"),
        (np.float32(1), "float32, expected an iterable of samples"),
        (7, "int, expected an iterable of samples"),
        (complaint, "a function, expected its samples: call it, complaint()"),
        (io.BytesIO(b"a"), "BytesIO, an open file: give its path instead"),
        (later(), "async_generator, expected an iterable: collect the samples first, [each async for each in data]"),
        (saved(image=GOOD), "one NpzFile with other keys than numbers of samples: give its path instead"),
    ],
)
def test_data_that_are_no_samples_are_told(data: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        list(chosen_samples(data, QuantizationConfig()))
    assert str(caught.value) == f"the data are {said}"


def test_the_list_that_a_message_makes_of_a_dict_of_arrays_is_right() -> None:
    d = {"image": np.arange(24.0).reshape(2, 3, 2, 2), "ids": np.arange(8).reshape(2, 4)}
    rows = eval(RECIPE.rpartition(": ")[2], {"d": d})
    feeds = [checked_feed(sample, [IMAGE, IDS]) for sample in chosen_samples(rows, QuantizationConfig())]
    np.testing.assert_array_equal(np.concatenate([feed["image"] for feed in feeds]), d["image"])
    np.testing.assert_array_equal(np.concatenate([feed["ids"] for feed in feeds]), d["ids"])


def test_an_array_is_a_set_of_samples() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    found = [checked_feed(sample, [IMAGE])["image"] for sample in chosen_samples(array, QuantizationConfig())]
    np.testing.assert_array_equal(np.concatenate(found), array)


def test_a_row_of_an_array_that_does_not_fit_is_called_a_row() -> None:
    (first, *_) = chosen_samples(GOOD[0], QuantizationConfig())
    with pytest.raises(DataError) as caught:
        checked_feed(first, [IMAGE])
    assert str(caught.value) == "row 0 of the array [3, 2, 2]: input 'image' f32[1,3,2,2]: got float32[2, 2]"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (np.zeros((1, 4)), "input 'ids' i32[1,?]: got float64[1, 4]; convert it to i32 first"),
        (np.array([2**40]), "input 'ids' i32[1,?]: got values 1099511627776..1099511627776, which int32 cannot hold"),
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


def test_an_input_is_called_as_in_the_file_that_it_came_from() -> None:
    """Converters write further names of the same tensor, of casts that do nothing, in the order of letters."""
    graph = from_text('image: f32[1,3]<"/Cast_1_output_0,image"> = Parameter()\nr = Result(image)\n')
    (found,) = model_inputs(graph)
    assert (found.name, sorted(found.names)) == ("image", ["/Cast_1_output_0", "image"])


def test_items_without_a_label_are_numbered() -> None:
    assert [sample.label for sample in chosen_samples([1, Sample("mine", 2), 3], QuantizationConfig())] == [
        "sample 0",
        "mine",
        "sample 2",
    ]


def test_the_runtime_does_not_get_an_index_that_it_would_die_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = op.parameter([2, 1], np.int64, name="places")
    rows = op.gather_nd(np.eye(4, 8, dtype=np.float32), places, 0, name="rows")
    net = op.matmul(rows, np.eye(8, dtype=np.float32), False, True)
    ov.save_model(ov.Model([op.result(net)], [places], "m"), tmp_path / "m.xml")
    np.savez(tmp_path / "d.npz", places=np.array([[[0], [3]], [[10**8], [0]]]))
    assert run(["quantize", str(tmp_path / "m.xml"), "--data", str(tmp_path / "d.npz")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("input 'places' i64[2,1]: got 100000000, but GatherND 'rows' (id 3) takes -4..3")
