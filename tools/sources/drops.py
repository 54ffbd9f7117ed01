"""The largest drop of a metric, as users write it: a number, or a share of the float model's value in percent."""

import re
from dataclasses import dataclass

_PERCENT = re.compile(r"\s*(.+?)\s*%\s*")


@dataclass(frozen=True)
class Drop:
    """A limit.

    Attributes:
        value: The number.
        is_share: Whether it is a share of the float model's value.
    """

    value: float
    is_share: bool


def drop_of(text: str) -> Drop:
    """The limit that a text says.

    Raises:
        ValueError: it says none.
    """
    share = _PERCENT.fullmatch(text)
    try:
        value = float(share[1]) / 100 if share else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        message = f"'{text}' is not a drop; write a number from 0 on, or a share of the float model's value, e.g. 1%"
        raise ValueError(message)
    return Drop(value, is_share=share is not None)
