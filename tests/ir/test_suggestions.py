"""Suggestions for misspelt words."""

import pytest

from irquant.ir.suggestions import closest, did_you_mean

KNOWN = ("MatMul", "Convolution", "ReLU")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("Matmul", "MatMul"), ("Convolutoin", "Convolution"), ("LeakyReLU", "ReLU")],
    ids=["one letter", "letters swapped", "part of a word"],
)
def test_the_closest_word_comes_as_it_is_spelt(given: str, expected: str) -> None:
    assert closest(given, KNOWN) == expected


def test_words_in_another_case_of_letters_are_suggested_on_request() -> None:
    assert not closest("relu6", KNOWN)
    assert closest("relu6", KNOWN, ignore_case=True) == "ReLU"


@pytest.mark.parametrize("given", ["", "Softmax", "MatMul"], ids=["nothing", "nothing similar", "a known word"])
def test_no_word_is_suggested(given: str) -> None:
    assert not closest(given, KNOWN)


def test_no_word_is_suggested_if_none_is_known() -> None:
    assert not closest("MatMul", [])


def test_the_first_of_words_that_differ_in_case_is_suggested() -> None:
    assert closest("AB", ["ab", "Ab"], ignore_case=True) == "ab"


def test_a_lower_cutoff_suggests_less_similar_words() -> None:
    assert not closest("cpu", ["gpux"])
    assert closest("cpu", ["gpux"], cutoff=0.4) == "gpux"


@pytest.mark.parametrize(
    ("close", "rest", "expected"),
    [
        ("cpu", "there are: cpu", "no target 'cpv'; did you mean 'cpu'? there are: cpu"),
        ("", "there are: cpu", "no target 'cpv'; there are: cpu"),
        ("cpu", "", "no target 'cpv'; did you mean 'cpu'?"),
        ("", "", "no target 'cpv'"),
    ],
    ids=["all parts", "no suggestion", "no rest", "the problem alone"],
)
def test_a_message_has_the_parts_that_are_not_empty(close: str, rest: str, expected: str) -> None:
    assert did_you_mean("no target 'cpv'", close, rest) == expected
