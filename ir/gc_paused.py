"""Pauses garbage collection while a graph is built, which creates hundreds of thousands of permanent objects."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Generator[None]:
    """Pauses the cyclic garbage collector, which would scan all objects again and again and take most of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():
                gc.freeze()  # with unfreeze: new objects move to the oldest generation without another scan
                gc.unfreeze()
            gc.enable()
