"""Which layers get 4 bits: the cheapest first, up to a share, a size, or a result that is good enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.passes.analysis.bit_choice import Candidate, by_share, by_size, by_trial, in_order

LAYERS = [
    Candidate("cheap", 100, 0.001, 50),
    Candidate("dear", 100, 0.1, 50),
    Candidate("large", 400, 0.01, 200),
    Candidate("small", 20, 0.001, 10),
]
CANDIDATES = st.lists(
    st.builds(Candidate, st.text("abc", min_size=1), st.integers(1, 99), st.floats(0, 1), st.integers(1, 99)),
    unique_by=lambda each: each.name,
)


def test_the_least_error_for_a_saved_byte_comes_first() -> None:
    assert [each.name for each in in_order(LAYERS)] == ["cheap", "large", "small", "dear"]


@pytest.mark.parametrize(
    ("ratio", "eight"),
    [
        (0.0, {"cheap", "dear", "large", "small"}),
        (0.19, {"dear", "large", "small"}),
        (0.2, {"dear", "large"}),
        (0.5, {"large"}),  # smaller layers get what a larger one leaves
        (0.81, {"dear", "small"}),
        (0.84, {"dear"}),
        (1.0, set()),
    ],
)
def test_a_share_is_not_exceeded(ratio: float, eight: set[str]) -> None:
    assert by_share(LAYERS, ratio) == eight


@pytest.mark.parametrize(
    ("excess", "eight"),
    [(-5, {"cheap", "dear", "large", "small"}), (0, {"cheap", "dear", "large", "small"}),
     (1, {"dear", "large", "small"}), (51, {"dear", "small"}), (260, {"dear"}), (310, set())],
)  # fmt: skip
def test_no_more_layers_get_4_bits_than_the_size_needs(excess: int, eight: set[str]) -> None:
    assert by_size(LAYERS, excess) == frozenset(eight)


def test_what_4_bits_cannot_save_is_not_saved() -> None:
    assert by_size(LAYERS, 311) is None
    assert by_size([], 1) is None


@pytest.mark.parametrize("needed", range(5))
def test_a_trial_finds_the_fewest_layers_in_8_bits(needed: int) -> None:
    tried: list[int] = []

    def is_enough(eight: frozenset[str]) -> bool:
        tried.append(len(eight))
        return len(eight) >= needed

    found = by_trial(LAYERS, is_enough)
    assert found is not None
    assert len(found) == needed
    assert found == frozenset(each.name for each in in_order(LAYERS)[4 - needed :])
    assert len(tried) == len({*tried}) <= 4


def test_a_trial_that_is_never_enough_is_told() -> None:
    assert by_trial(LAYERS, lambda _: False) is None
    assert by_trial([], lambda eight: not eight) == frozenset()


@given(CANDIDATES, st.floats(0, 1))
def test_the_share_of_weights_in_4_bits_is_at_most_the_ratio(candidates: list[Candidate], ratio: float) -> None:
    eight = by_share(candidates, ratio)
    four = sum(each.elements for each in candidates if each.name not in eight)
    assert four <= ratio * sum(each.elements for each in candidates) + 1e-3
