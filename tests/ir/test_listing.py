"""Lists in messages."""

import pytest

from irquant.ir.listing import first_few, number_of


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a; b"),
        (["a", "b", "c"], "a; b and 1 more"),
        (list("abcde"), "a; b and 3 more"),
    ],
)
def test_the_first_entries_are_shown_and_the_others_counted(entries: list[str], text: str) -> None:
    assert first_few(entries, 2, "; ") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 models"), (1, "1 model"), (2, "2 models")])
def test_one_thing_has_no_plural(count: int, text: str) -> None:
    assert number_of(count, "models") == text
