"""Suggests what a misspelt word was meant to be."""

import difflib
from collections.abc import Iterable

#: The least similarity of words that are only shown.
_SOMEWHAT = 0.4


def closest(given: str, known: Iterable[str], *, cutoff: float = 0.6, ignore_case: bool = False) -> str:
    """The known word that is spelt most like the given one.

    Args:
        given: What the user wrote.
        known: The words that exist.
        cutoff: The least similarity, from 0 to 1 (`difflib.SequenceMatcher.ratio`).
        ignore_case: Whether words are similar in any case of letters.

    Returns:
        The known word as it is spelt; empty if none is similar, or if the given word is known.
    """
    known = list(known)
    if given in known:
        return ""
    fold = str.lower if ignore_case else str
    spelling = {fold(word): word for word in reversed(known)}
    close = difflib.get_close_matches(fold(given), spelling, n=1, cutoff=cutoff)
    return spelling[close[0]] if close else ""


def near(given: str, known: Iterable[str], count: int) -> list[str]:
    """The known words that are spelt somewhat like the given one, the most similar first.

    Args:
        given: What the user wrote.
        known: The words that exist.
        count: The most words.
    """
    return difflib.get_close_matches(given, list(dict.fromkeys(known)), n=count, cutoff=_SOMEWHAT)


def did_you_mean(problem: str, close: str, rest: str = "") -> str:
    """The message `problem; did you mean 'close'? rest`, without the parts that are empty."""
    hints = [f"did you mean '{close}'?" if close else "", rest]
    return "; ".join(filter(None, [problem, " ".join(filter(None, hints))]))
