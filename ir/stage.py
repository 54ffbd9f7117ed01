"""What this process is at work on, for a process that outlives it and has to say so."""

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Stage:
    """The foreign code that is running now, in words; only a process that outlives this one reads them."""

    def __init__(self) -> None:
        self._tell: Callable[[str], None] | None = None

    def tell(self, tell: Callable[[str], None]) -> None:
        """From now on, tells what begins to run, and an empty text when it has returned."""
        self._tell = tell

    @contextmanager
    def at(self, what: str) -> Generator[None]:
        """Tells what runs inside, e.g. "compiling a model of 20 layers"."""
        if self._tell is None:
            yield
            return
        self._tell(what)
        try:
            yield
        finally:
            self._tell("")


STAGE = Stage()
