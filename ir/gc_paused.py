"""Pauses garbage collection while a graph is built or modules are imported: hundreds of thousands of objects stay."""

import functools
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
            if not _is_frozen():
                gc.freeze()  # with unfreeze: new objects move to the oldest generation without another scan
                gc.unfreeze()
            gc.enable()


@functools.cache
def _is_frozen() -> bool:
    """Whether the process keeps objects frozen; asked once, since Python counts them one by one."""
    return gc.get_freeze_count() > 0
