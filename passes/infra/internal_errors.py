"""Internal errors of irquant: the pass and the layer that failed, and a small reproduction for a report."""

import platform
import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from types import FrameType

from ...ir import InPort, IRError, Node, OutPort, UserError, neighbourhood, printable, to_text
from ..placement.plan import Site
from ..runtime.core import runtime_version
from .base import InternalError, Pass, PassFailure, PipelineError

#: How far around a layer the reproduction goes.
STEPS = 3
_ABOUT, _TEXT = "fault.txt", "neighbourhood.txt"


class FaultFolderError(UserError):
    """The folder for a reproduction cannot be used."""


def pass_failure(pass_: Pass, error: Exception) -> PassFailure:
    """The error to raise when a pass failed, from the error that it raised."""
    node, kind = blamed_node(error), _blaming(pass_)
    at = f" at {node}" if node else ""
    line = "" if kind is InternalError else _line_of(pass_, error)
    return kind(f"pass '{pass_.name}' failed{at}: {type(error).__name__}: {error}{line}", pass_.name, node)


def _line_of(pass_: Pass, error: Exception) -> str:
    """The innermost line of the module of a pass where an error was raised; empty if it is not known."""
    module = type(pass_).__module__
    found = traceback.walk_tb(error.__traceback__)
    lines = [(frame, line) for frame, line in found if frame.f_globals.get("__name__") == module]
    return f" ({lines[-1][0].f_code.co_filename}:{lines[-1][1]})" if lines else ""


def refuse_result(pass_: Pass, changes: object) -> None:
    """Refuses what a pass returned if it is no number of places.

    Raises:
        PassFailure: it is something else.
    """
    if not isinstance(changes, Integral):  # numpy's, too
        found = "None" if changes is None else f"{type(changes).__name__} {changes!r}"
        message = (
            f"pass '{pass_.name}' returned {found} from run, expected the number of places that it changed, an int"
        )
        raise _blaming(pass_)(message, pass_.name)


def left_broken(pass_: Pass, error: UserError) -> PassFailure:
    """The error to raise when a pass left an invalid graph."""
    return _blaming(pass_)(f"pass '{pass_.name}' left a broken graph: {error}", pass_.name)


def _blaming(pass_: Pass) -> type[PipelineError] | type[InternalError]:
    """The class of the error: internal for irquant's passes, not for the user's own."""
    is_ours = type(pass_).__module__.partition(".")[0] == __name__.partition(".")[0]
    return InternalError if is_ours else PipelineError


@contextmanager
def own_work() -> Generator[None]:
    """Around work of irquant that is no pass: a wrong use of a graph there is no mistake of the user.

    The reader has checked the model. Passes tell their failures themselves.

    Raises:
        InternalError: instead of an `IRError`, which is chained.
    """
    try:
        yield
    except IRError as error:
        if type(error) is not IRError:
            raise
        raise InternalError(described(error), node=blamed_node(error)) from error


def is_internal(error: Exception) -> bool:
    """Whether an error is internal: neither a mistake of the user nor a limit of the machine."""
    return not isinstance(error, (UserError, MemoryError))


def complaint(error: Exception) -> str:
    """The message to the user about an error that is not internal."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error or 'nothing is left'}; give fewer or smaller samples, or more memory"
    return str(error)


def blamed_node(error: BaseException) -> Node | None:
    """The node that was processed when an error was raised, from the variables of the active functions.

    The innermost function that holds a node decides, by its `node` or else by its first variable with a node.
    """
    for frame in _frames(error):
        held = frame.f_locals
        for value in (held.get("node"), *held.values()):
            node = _node_of(value)
            if node is not None and node.graph.has(node.id):
                return node
    return None


def _frames(error: BaseException) -> Iterator[FrameType]:
    """The active functions, the innermost first; those of the cause before those that passed the error on."""
    if error.__cause__ is not None:
        yield from _frames(error.__cause__)
    yield from reversed([frame for frame, _ in traceback.walk_tb(error.__traceback__)])


def _node_of(value: object) -> Node | None:
    if isinstance(value, (InPort, OutPort)):
        return value.node
    if isinstance(value, Site):
        return value.source.node
    return value if isinstance(value, Node) else None


def described(error: BaseException) -> str:
    """The failure, in one line."""
    if isinstance(error, PassFailure):
        return printable(str(error))
    node = blamed_node(error)
    at = f" at {node}" if node else ""
    return printable(f"irquant failed{at}: {type(error).__name__}: {error}")


def check_fault_folder(folder: Path) -> None:
    """Refuses a folder for a reproduction before any work is done.

    Raises:
        FaultFolderError: the folder is not empty, or is not a folder.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        message = f"{folder}: exists and is not an empty folder; give a new one for the reproduction"
        raise FaultFolderError(message)


def write_fault(error: BaseException, folder: Path, options: Mapping[str, str] | None = None) -> None:
    """Writes the data for an error report: versions, options, the traceback, and the layers around the failure.

    The layers are in the text form, without weights: constants by type and shape. `from_text(..., fill=True)` makes a
    model of it.

    Args:
        error: The error.
        folder: A new or empty folder.
        options: The user's options.

    Raises:
        FaultFolderError: the folder cannot be written.
    """
    check_fault_folder(folder)
    node = (error.node if isinstance(error, PassFailure) else None) or blamed_node(error)
    facts = {
        "irquant": version("irquant"),
        "OpenVINO": runtime_version(),
        "numpy": version("numpy"),
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "pass": error.pass_name if isinstance(error, PassFailure) else "",
        "layer": repr(node) if node else "",
        **(options or {}),
    }
    lines = [described(error), "", *(f"{name}: {value}" for name, value in facts.items() if value), ""]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _ABOUT).write_text("\n".join([*lines, *traceback.format_exception(error)]), encoding="utf-8")
        if node is not None:
            (folder / _TEXT).write_text(_around(node), encoding="utf-8")
    except OSError as failure:
        message = f"{folder}: the reproduction cannot be written: {failure.strerror}"
        raise FaultFolderError(message) from None


def _around(node: Node) -> str:
    try:
        return to_text(neighbourhood(node, STEPS), weights=False)
    except IRError as error:  # this may be the failure itself
        return f"the graph around {node} is broken: {error}\n"
