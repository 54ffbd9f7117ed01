"""Instruments that watch every pass and never change the graph."""

import logging
import time
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from weakref import ReferenceType, ref

from ...ir import Graph, IRError, UserError, to_text, verify, write_model
from ...ir.atomic_write import written_together
from ...ir.verify import verify_structure
from ..runtime.core import RuntimeRejectedError
from ..runtime.engine import Engine
from ..runtime.modes import LATENCY
from .base import Pass
from .internal_errors import left_broken

_log = logging.getLogger(__name__)


class Instrument(Protocol):
    """An object that acts around every pass."""

    def around(self, pass_: Pass, graph: Graph) -> AbstractContextManager[None]:
        """Entered before the pass and left after it, also when it raised."""
        ...


@dataclass
class Timing:
    """Collects the wall seconds of each pass, in order; repeated runs add up."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Times one pass."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[pass_.name] = self.seconds.get(pass_.name, 0.0) + time.perf_counter() - start


@dataclass
class DumpAfter:
    """Writes the graph's text form to `folder` after each pass: 00_normalize.txt, 01_...; also when the pass raised.

    Attributes:
        folder: A new or empty folder: no existing file is ever overwritten.
        number: The number of the next dump.
        with_models: Whether to write the IR, too, if the graph is valid: all FakeQuantizes need ranges.

    Raises:
        UserError: the folder is not empty.
    """

    folder: Path
    number: int = 0
    with_models: bool = False

    def __post_init__(self) -> None:
        if self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            message = f"{self.folder}: exists and is not an empty folder; give a new one for the dumps"
            raise UserError(message)

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Dumps after one pass."""
        try:
            yield
        finally:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.number:02d}_{pass_.name}.txt"
            path.write_text(_text(graph), encoding="utf-8")
            if self.with_models and _is_model(graph):
                with written_together():  # at once, even if the run fails later
                    write_model(graph, path.with_suffix(".xml"), compact=True)
            self.number += 1
            _log.debug("wrote %s", path)


def _text(graph: Graph) -> str:
    """The text form, also of a broken graph: the error of the pass is the one to report."""
    try:
        return to_text(graph)
    except IRError as error:
        return f"the graph is broken: {error}\n"


def _is_model(graph: Graph) -> bool:
    """Whether the graph can be written: it is valid, and has all its ranges."""
    whole = (len(node.inputs) == 5 for each in graph.walk() for node in each.in_file_order("FakeQuantize"))
    return _holds(verify_structure, graph) and all(whole)


@dataclass(frozen=True)
class PrintAfter:
    """Shows the graph's text form after some passes; also when one raised.

    Attributes:
        show: Takes the text.
        names: The names of the passes; None: all.
    """

    show: Callable[[str], None]
    names: Collection[str] | None = None

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Shows it after one pass."""
        try:
            yield
        finally:
            if self.names is None or pass_.name in self.names:
                self.show(f"---- after {pass_.name} ----\n{_text(graph)}")


@dataclass
class WriteAfter:
    """Keeps the model after the pass of that name, to be written at the end of a successful run.

    Attributes:
        pass_name: The pass.
        path: The path of the .xml.
        kept: The model after the pass; None before.
    """

    pass_name: str
    path: Path
    kept: Graph | None = None

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Keeps a copy after that pass."""
        yield
        if pass_.name == self.pass_name:
            self.kept = graph.copy()

    def write(self) -> None:
        """Writes the kept model."""
        if self.kept is not None:
            write_model(self.kept, self.path, compact=True)


@dataclass
class Verify:
    """Checks the graph's invariants before the first pass and after each.

    Attributes:
        runtime: Whether the runtime has to compile the graph, too, when all FakeQuantizes have their ranges.
    """

    runtime: bool = False
    _last: "ReferenceType[Graph] | None" = field(default=None, init=False, repr=False)
    _is_right: bool = field(default=True, init=False, repr=False)

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Verifies after one pass.

        Raises:
            PassFailure: the pass left a broken graph.
        """
        if self._last is None or self._last() is not graph:
            self._last, self._is_right = ref(graph), _holds(verify, graph)
        yield
        try:
            self._check(graph)
            if self.runtime and _is_model(graph):
                Engine(graph, LATENCY)
        except (IRError, RuntimeRejectedError) as error:
            raise left_broken(pass_, error) from error

    def _check(self, graph: Graph) -> None:
        """Checks the graph after a pass.

        Wrong shapes in the model itself, which the runtime infers again, are not a fault of the pass.
        """
        was_right, self._is_right = self._is_right, False
        try:
            verify(graph)
            self._is_right = True
        except IRError:
            if was_right:
                raise
            verify_structure(graph)


def _holds(check: Callable[[Graph], None], graph: Graph) -> bool:
    """Whether a check of a graph finds nothing."""
    try:
        check(graph)
    except IRError:
        return False
    return True
