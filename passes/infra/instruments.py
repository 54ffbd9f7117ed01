"""What may be hung around every pass: watching, never changing."""

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
from ..runtime.engine import LATENCY, Engine, RuntimeRejectedError
from .base import Pass
from .internal_errors import left_broken

_log = logging.getLogger(__name__)


class Instrument(Protocol):
    """Something that happens around every pass."""

    def around(self, pass_: Pass, graph: Graph) -> AbstractContextManager[None]:
        """Entered before the pass and left after it, also when it raised."""
        ...


@dataclass
class Timing:
    """Collects the wall seconds of each pass, in order; those of one that is run again add up."""

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
        folder: A new or empty one: nothing that is there is ever overwritten.
        number: Of the next dump.
        with_models: Whether to write the IR, too, wherever the graph is one: a FakeQuantize without ranges is none.

    Raises:
        UserError: there is something in the folder.
    """

    folder: Path
    number: int = 0
    with_models: bool = False

    def __post_init__(self) -> None:
        if self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            message = f"{self.folder}: is there and not an empty folder; give a new one for the dumps"
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
                with written_together():  # at once, whatever becomes of the run
                    write_model(graph, path.with_suffix(".xml"), compact=True)
            self.number += 1
            _log.debug("wrote %s", path)


def _text(graph: Graph) -> str:
    """The text form, also of what a pass broke: the error to be told is the pass's."""
    try:
        return to_text(graph)
    except IRError as error:
        return f"the graph is broken: {error}\n"


def _is_model(graph: Graph) -> bool:
    """Whether the graph can be written: it is whole, and has all its ranges."""
    whole = (len(node.inputs) == 5 for each in graph.walk() for node in each.in_file_order("FakeQuantize"))
    return _holds(verify_structure, graph) and all(whole)


@dataclass(frozen=True)
class PrintAfter:
    """Shows the graph's text form after some passes; also when one raised.

    Attributes:
        show: Takes the text.
        names: Of the passes; None: all.
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
    """Keeps the model as it is after the pass of that name, to be written once all has gone well.

    Attributes:
        pass_name: The pass.
        path: Where the .xml goes.
        kept: The model, once the pass has run.
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
        """Writes what was kept."""
        if self.kept is not None:
            write_model(self.kept, self.path, compact=True)


@dataclass
class Verify:
    """Checks the graph's invariants before the first pass and after each.

    Attributes:
        runtime: Whether the runtime is to compile the graph, too, where all FakeQuantizes have their ranges.
    """

    runtime: bool = False
    _last: "ReferenceType[Graph] | None" = field(default=None, init=False, repr=False)
    _is_right: bool = field(default=True, init=False, repr=False)

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Verifies after one pass.

        Raises:
            PipelineError: the pass left a broken graph.
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

        Shapes that the model itself states wrongly, which the runtime infers anew, are no fault of the pass.
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
