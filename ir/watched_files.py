"""Which files a run has written so far, as the file system says and not as anybody believes."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

#: Device, number, size and time of change: what differs once a file is written.
Version = tuple[int, int, int, int]
_WATCHED: ContextVar[dict[Path, Version | None] | None] = ContextVar("_WATCHED", default=None)


@contextmanager
def watched_files() -> Generator[Callable[[], list[Path]]]:
    """Gives a function that looks which of the files that are watched from inside were written since."""
    watched: dict[Path, Version | None] = {}
    token = _WATCHED.set(watched)
    try:
        yield lambda: [path for path, before in watched.items() if version_of(path) not in (None, before)]
    finally:
        _WATCHED.reset(token)


def watch(path: Path) -> None:
    """Notes how a file is before it is written, if somebody wants to know."""
    if (watched := _WATCHED.get()) is not None:
        watched[path] = version_of(path)


def version_of(path: Path) -> Version | None:
    """What the file system says of a file; None if there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
