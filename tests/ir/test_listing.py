"""Lists in messages."""

import pytest

from irquant.ir.listing import first_few


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
