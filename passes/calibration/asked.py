"""Asks the user's code for data. What it raises is told as an error of the data, not as one of irquant."""

from collections.abc import Callable
from typing import TypeVar

from ...ir import UserError
from ..runtime.samples import DataError, reason_of

_Answer = TypeVar("_Answer")


def asked(question: Callable[[], _Answer], where: str = "") -> _Answer:
    """The answer of the user's data, e.g. an item.

    Args:
        question: Asks the data.
        where: What is asked for, in messages; empty: the data as a whole.

    Raises:
        DataError: the data raise an error, which is chained.
    """
    try:
        return question()
    except (UserError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # GeneratorExit and SystemExit, too, would end more than the data
        problem = f"the data raised {type(error).__name__}: {reason_of(error)}"
        raise DataError(": ".join(filter(None, [where, problem]))) from error
