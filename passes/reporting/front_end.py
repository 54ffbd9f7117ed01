"""What the folders above provide: how people see a run and its report, and which samples the path of data names."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...ir import Graph
from ..infra.progress import Progress, no_progress
from ..options.config_error import ConfigError

if TYPE_CHECKING:
    from .shown_report import ShownReport


class Save(Protocol):
    """How a report is written."""

    def __call__(self, report: "ShownReport", path: Path, *, force: bool) -> None:
        """Writes a report as a page; `force` also replaces a file that irquant did not make."""
        ...


@dataclass(frozen=True)
class FrontEnd:
    """How people see a run and its report, and where data are.

    Attributes:
        progress: Shows the progress of a run in a terminal or a notebook.
        text: A report as text.
        framed: A report as HTML for a notebook.
        save: Writes a report as a page.
        values: A report as plain values for JSON.
        open_data: The samples that a source names, as the command line takes it, for a model.
    """

    progress: Callable[[], AbstractContextManager[Progress]]
    text: Callable[["ShownReport"], str]
    framed: Callable[["ShownReport"], str]
    save: "Save"
    values: Callable[["ShownReport"], dict[str, Any]]
    open_data: Callable[[str, Graph], Iterable[object]]


@dataclass
class _Installed:
    """The front end of this process; None: without one, a run shows nothing, and a report is a plain value."""

    front_end: FrontEnd | None = field(default=None)


_installed = _Installed()


def install(front_end: FrontEnd) -> None:
    """Makes a front end that of this process."""
    _installed.front_end = front_end


def front_end() -> FrontEnd | None:
    """The front end of this process, if there is one."""
    return _installed.front_end


def opened(data: Iterable[object] | Path | None, graph: Graph) -> Iterable[object] | Path | None:
    """The samples that a path of data names; other data as they are, and so all of them without a front end.

    Args:
        data: The data from the user.
        graph: The model.

    Raises:
        DataError: there are no such data.
    """
    if isinstance(data, (str, Path)) and (shows := _installed.front_end):
        return shows.open_data(str(data), graph)
    return data


def shown(progress: bool | Progress | None) -> AbstractContextManager[Progress]:
    """What to call during long work.

    Args:
        progress: The user's own function; False: nothing is shown; True or None: the front end shows it.

    Raises:
        ConfigError: it is something else.
    """
    if not callable(progress) and progress not in (True, False, None):
        message = f"progress is {progress!r}, expected True, False, None or a function of (task, done, total)"
        raise ConfigError(message)
    if callable(progress):
        return nullcontext(progress)
    if progress is False or _installed.front_end is None:
        return nullcontext(no_progress)
    return _installed.front_end.progress()
