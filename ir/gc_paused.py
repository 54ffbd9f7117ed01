"""Pauses garbage collection while a graph is built or modules are imported: hundreds of thousands of objects stay."""

import functools
import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

_changing, _pauses = threading.Lock(), list[bool]()  # for each pause that is open, whether it found the collector on


@contextmanager
def gc_paused() -> Generator[None]:
    """Pauses the cyclic garbage collector, which would scan all objects again and again and take most of the time.

    Of several threads, the last one that ends its pause goes on with it.
    """
    with _changing:
        _pauses.append(gc.isenabled() or any(_pauses))
        gc.disable()
    try:
        yield
    finally:
        with _changing:
            was_enabled = _pauses.pop()
            if was_enabled and not _pauses:
                if not _is_frozen():
                    gc.freeze()  # with unfreeze: new objects move to the oldest generation without another scan
                    gc.unfreeze()
                gc.enable()


@functools.cache
def _is_frozen() -> bool:
    """Whether the process keeps objects frozen; asked once, since Python counts them one by one."""
    return gc.get_freeze_count() > 0
