"""The imports at the beginning of a command's work."""

from collections.abc import Generator
from contextlib import contextmanager

from irquant.tools.terminal.interrupts import INTERRUPTS


@contextmanager
def importing() -> Generator[None]:
    """An interrupt ends the process at once meanwhile, as before a command.

    An exception in the middle of an import may come out as another one, or get lost.
    """
    before, INTERRUPTS.is_at_work = INTERRUPTS.is_at_work, False
    try:
        yield
    finally:
        INTERRUPTS.is_at_work = before
