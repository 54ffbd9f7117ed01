"""The imports at the beginning of a command's work."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

from irquant.ir.gc_paused import gc_paused
from irquant.tools.terminal.interrupts import INTERRUPTS


@contextmanager
def importing() -> Generator[None]:
    """An interrupt ends the process at once meanwhile, as before a command, and no garbage is collected.

    An exception in the middle of an import may come out as another one, or get lost. Imported objects stay: the
    collector takes as long to scan them again and again as a third of the imports.
    """
    before, INTERRUPTS.is_at_work = INTERRUPTS.is_at_work, False
    with gc_paused():
        try:
            yield
        finally:
            INTERRUPTS.is_at_work = before
            if gc.get_freeze_count():  # the command has a process of its own: see `start`
                gc.freeze()
