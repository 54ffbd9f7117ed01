"""How people see a run and its report: the folders above provide it, since no code here prints."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..infra.progress import Progress, no_progress

if TYPE_CHECKING:
    from .report import Report


@dataclass(frozen=True)
class FrontEnd:
    """How people see a run and its report.

    Attributes:
        progress: Shows the progress of a run in a terminal or a notebook.
        text: The report as text.
        page: The report as HTML for a notebook.
    """

    progress: Callable[[], AbstractContextManager[Progress]]
    text: Callable[["Report"], str]
    page: Callable[["Report"], str]


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


def shown(progress: bool | Progress | None) -> AbstractContextManager[Progress]:
    """What to call during long work.

    Args:
        progress: The user's own function; False: nothing is shown; True or None: the front end shows it.
    """
    if callable(progress):
        return nullcontext(progress)
    if progress is False or _installed.front_end is None:
        return nullcontext(no_progress)
    return _installed.front_end.progress()
