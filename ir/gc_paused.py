"""Building a graph makes hundreds of thousands of objects that all stay."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Generator[None]:
    """Keeps the cyclic collector off, which would look at all of them again and again and take most of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():
                gc.freeze()  # both together: new objects join the oldest generation without being looked at once more
                gc.unfreeze()
            gc.enable()
