"""What this process is at work on, for a process that outlives it and has to say so."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Stage:
    """The foreign code that is running now, in words; only a process that outlives this one reads them.

    If several threads run some, it is what began last.
    """

    def __init__(self) -> None:
        self._tell: Callable[[str], None] | None = None
        self._open, self._telling = list[str](), threading.Lock()

    def tell(self, tell: Callable[[str], None]) -> None:
        """From now on, tells what begins to run, and an empty text when it has returned."""
        self._tell = tell

    @contextmanager
    def at(self, what: str) -> Generator[None]:
        """Tells what runs inside, e.g. "compiling a model of 20 layers"."""
        if self._tell is None:
            yield
            return
        with self._telling:
            self._open.append(what)
            self._tell(what)
        try:
            yield
        finally:
            with self._telling:
                self._open.remove(what)
                self._tell(self._open[-1] if self._open else "")


STAGE = Stage()
