"""Checks the files of a run: a written file must not be a file that is read, or another written file.

All files are checked before any work is done, by identity and not by name: a link to a file is that file. A file that
irquant did not make is only replaced if the user says so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...ir import UserError
from ...ir.spelling import switched_on
from ...ir.watched_files import version_of, watch
from ...ir.writer import check_suffix
from ..calibration.calibrate import Calibrate
from ..infra.base import Pass
from ..options.config import QuantizationConfig
from ..transforms.set_ranges import SetRanges
from .own_files import is_own_file

if TYPE_CHECKING:  # most runs keep no intermediate model
    from ..infra.instruments import WriteAfter

#: The name of a file or folder in messages, and its path.
RunFile = tuple[str, Path]
_Identity = tuple[int, int]


class RunFilesError(UserError):
    """A run would overwrite one of its own files, or a file that irquant did not make."""


def check_run_files(
    reads: Iterable[RunFile],
    writes: Iterable[RunFile],
    *,
    force: bool = False,
    is_own: Callable[[Path], bool] = is_own_file,
) -> None:
    """Refuses a run that would overwrite its inputs, write two files to one path, or destroy files of others.

    Args:
        reads: The files that are read, if they exist; only checked if a file is overwritten.
        writes: The files and folders that are written.
        force: Whether files that irquant did not make may be replaced.
        is_own: Decides whether irquant made a file.

    Raises:
        RunFilesError: a written file is another file or lies in one, or it may not be replaced.
    """
    written = [_Written(what, path, _resolved(path), _identity(path)) for what, path in writes]
    _refuse_shared(written)
    there: dict[_Identity | None, _Written] = {each.identity: each for each in written if each.identity}
    for what, path in reads if there else ():
        if result := there.get(_identity(path)):
            message = f"{result.path}: is {what} that is being read; give another path for {result.what}"
            raise RunFilesError(message)
    for each in written:
        _refuse_foreign(each, is_own, force=force)
    for each in written:  # whoever looks at weights completes an interrupted write of their model
        watch(each.path)


@dataclass(frozen=True)
class _Written:
    """A file or folder that is written.

    Attributes:
        what: Its name in messages.
        path: The path as given.
        real: The path that it resolves to.
        identity: The identity of the existing file, if there is one.
    """

    what: str
    path: Path
    real: Path
    identity: _Identity | None


def _resolved(path: Path) -> Path:
    """The path that a path resolves to.

    Raises:
        RunFilesError: the path cannot be resolved.
    """
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        message = f"{path}: is no path for a file: {getattr(error, 'strerror', None) or error}"
        raise RunFilesError(message) from None


def _refuse_foreign(each: _Written, is_own: Callable[[Path], bool], *, force: bool) -> None:
    """Refuses an existing file that may not be replaced; code that writes to a folder checks the folder itself."""
    path = each.path
    if path.is_symlink():
        message = f"{path}: is a symbolic link; give the real path of a file to write"
        raise RunFilesError(message)
    if each.identity is None or path.is_dir():
        return
    if not path.is_file():
        message = f"{path}: is no regular file; give another path for {each.what}"
        raise RunFilesError(message)
    if not force and not is_own(path):
        message = (
            f"{path}: exists, and irquant did not make it; give another path for {each.what}, or add "
            f"{switched_on('force')}"
        )
        raise RunFilesError(message)


def _refuse_shared(written: Sequence[_Written]) -> None:
    """Refuses two files with one path, or a file in a folder that is another file."""
    places = {each.real: each for each in reversed(written)}
    there: dict[_Identity | None, _Written] = {each.identity: each for each in reversed(written) if each.identity}
    for each in written:
        around = (place for parent in each.real.parents if (place := places.get(parent)))
        other = next(
            (it for it in (places[each.real], there.get(each.identity, each), *around) if it is not each), None
        )
        if other:
            message = f"{each.path}: {other.what} and {each.what} would both be written there; give one another path"
            raise RunFilesError(message)


def result_files(result: Path, watching: "Iterable[WriteAfter]" = ()) -> Iterator[RunFile]:
    """The files of a model that is written, with the intermediate models.

    Raises:
        IRError: the result is no .xml.
    """
    check_suffix(result)
    yield "the result", result
    yield "the weights of the result", result.with_suffix(".bin")
    for each in watching:
        yield "the intermediate model", each.path
        yield "the weights of the intermediate model", each.path.with_suffix(".bin")


def watching_for(output: Path, config: QuantizationConfig) -> "list[WriteAfter]":
    """The instruments that keep the model before bias correction, to be written next to the result, if requested."""
    if not config.keep_intermediate:
        return []
    from ..infra.instruments import WriteAfter  # here: rarely requested

    return [WriteAfter(SetRanges.name, output.parent / f"{output.stem}_before_bias_correction.xml")]


def files_of_passes(passes: Iterable[Pass]) -> tuple[list[RunFile], list[RunFile]]:
    """The files that passes read, and those that they write, by their options."""
    read: list[RunFile] = []
    written: list[RunFile] = []
    for each in passes:
        for name, value in vars(each).items():
            if isinstance(value, Path):
                is_written = isinstance(each, Calibrate) and name == "save_to"
                (written if is_written else read).append((f"the {name} of the pass {each.name}", value))
    return read, written


def named(**paths: Path | None) -> Iterator[RunFile]:
    """The given files with their names in messages: `_` stands for a space."""
    yield from ((f"the {name.replace('_', ' ')}", path) for name, path in paths.items() if path is not None)


def _identity(path: Path) -> _Identity | None:
    """The identity of a file, independent of its path; None if it does not exist."""
    version = version_of(path)
    return None if version is None else version[:2]
