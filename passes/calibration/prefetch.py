"""Reads and decodes samples in a separate thread, while the runtime computes."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

_Item = TypeVar("_Item")
#: The most decoded samples that wait.
_AHEAD = 4
_END: Any = object()


@contextmanager
def prefetched(items: Iterable[_Item]) -> Generator[Iterator[_Item]]:
    """Iterates over `items` in a thread, a few items ahead of the reader; an error is raised in place of its item.

    Leaving the context ends the thread after the current item; only Ctrl-C does not wait for that.
    """
    source = iter(items)
    reader = ThreadPoolExecutor(1, "irquant-reader")

    def taken() -> Iterator[_Item]:
        ahead = deque(reader.submit(next, source, _END) for _ in range(_AHEAD))
        while (item := ahead.popleft().result()) is not _END:
            ahead.append(reader.submit(next, source, _END))
            yield item

    try:
        yield taken()
    except KeyboardInterrupt:
        reader.shutdown(wait=False, cancel_futures=True)  # the source may wait for something that never comes
        raise
    except BaseException:
        reader.shutdown(cancel_futures=True)
        raise
    reader.shutdown(cancel_futures=True)
