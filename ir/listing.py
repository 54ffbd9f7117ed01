"""Lists and numbers in messages."""

from collections.abc import Sequence


def first_few(entries: Sequence[str], most: int, between: str = ", ") -> str:
    """The first entries of a list in one line; empty for an empty list.

    Args:
        entries: The entries, as they are to be shown.
        most: The number of entries that are shown.
        between: What stands between two of them.
    """
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return f"{between.join(entries[:most])}{more}"


def number_of(count: int, things: str) -> str:
    """How many things there are: `1 model`, `2 models`.

    Args:
        count: The number.
        things: Their plural, which ends in "s".
    """
    return f"{count} {things.removesuffix('s') if count == 1 else things}"
