"""Writes an .xml and its .bin, or a single file, whole or not at all, even if the process is killed.

All files of a run appear together at its end, inside `written_together`: an error before that leaves none of them.

Both files of a model are written under temporary names and synced. Then a journal with both names is written. From then
on the new model counts: if the process ends between the moves, the next reader or writer of the path completes them. So
a .bin that such an end left alone is known to be irquant's. During the moves the old .xml is missing, so that no reader
(not even the runtime) combines layers of one with weights of the other. Ctrl-C waits until all files are moved.
"""

import glob
import hashlib
import json
import os
import secrets
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .errors import IRError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


#: The signals that must not come between two moves.
_DELAYED = ("SIGINT", "SIGTERM", "SIGHUP")
#: The most bytes of a name that leave room for what hidden names add.
_LONGEST_STEM = 200


class NotSyncedError(OSError):
    """The new files are in place, but a power failure may undo that."""


class UnfinishedWriteError(OSError):
    """The new model is whole, but not in place yet: whoever reads the path through `ir` completes that."""


@dataclass
class _Together:
    """What is written and not yet moved into place.

    Attributes:
        parts: Removes the hidden files that are left.
        moves: Path and what moves its files there, in the order of writing.
    """

    parts: ExitStack
    moves: list[tuple[Path, Callable[[], None]]] = field(default_factory=list[tuple[Path, Callable[[], None]]])


_TOGETHER: ContextVar[_Together | None] = ContextVar("_TOGETHER", default=None)


@contextmanager
def written_together() -> Generator[None]:
    """Keeps all files that are written inside under hidden names, and moves them into place at the end.

    The order is that of writing. If the inside raises, no file appears.

    Raises:
        IRError: a file cannot be moved; those before it are in place then. Or the system does not confirm that the
            files last; all of them are in place.
    """
    with ExitStack() as parts:
        together = _Together(parts)
        token = _TOGETHER.set(together)
        try:
            yield
        finally:
            _TOGETHER.reset(token)
        with _uninterrupted():
            _move_all(together)


def _move_all(together: _Together) -> None:
    unsure = ""
    for path, move in together.moves:
        try:
            move()
        except NotSyncedError as error:  # the file is in place, and so must be those behind it
            unsure = unsure or write_failure(path, error)
        except OSError as error:
            raise IRError(write_failure(path, error)) from None
    if unsure:
        raise IRError(unsure)


def write_failure(path: Path, error: OSError) -> str:
    """What to tell the user of a file that could not be written."""
    reason = error.strerror or error
    if isinstance(error, NotSyncedError):
        return f"{path}: is written, but the disk does not confirm it ({reason}): check the disk"
    if isinstance(error, UnfinishedWriteError):
        return f"{path}: is whole, but not in place yet ({reason}): `irquant inspect {path}` completes it"
    return f"{path}: cannot be written: {reason}"


def write_pair(path: Path, write_bin: Callable[[BinaryIO], None], xml: bytes) -> None:
    """Writes `path` (.xml) and the .bin next to it, and replaces an existing model.

    Raises:
        NotSyncedError: both files are in place, but the system does not confirm that they last.
        UnfinishedWriteError: the new model counts, but its files are not all in place.
        OSError: a file could not be written; the former files are unchanged.
    """
    _put(path, _staged_pair(path, write_bin, xml))


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Writes a single file, replacing one that is there; it appears whole or not at all.

    Raises:
        NotSyncedError: it is written, but the system does not confirm that it lasts.
        OSError: it could not be written; what was there before is there still.
    """
    _put(path, _staged_file(path, write))


def _put(path: Path, staged: AbstractContextManager[Callable[[], None]]) -> None:
    """Moves what is written into place, now or with the other files of the run."""
    if together := _TOGETHER.get():
        together.moves.append((path, together.parts.enter_context(staged)))
        return
    with staged as move, _uninterrupted():
        move()


@contextmanager
def _uninterrupted() -> Generator[None]:
    """Delays Ctrl-C and its like to the end: between two moves, they would leave some of the files."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _DELAYED if hasattr(signal, name)]
    handlers = {
        each: before for each in numbers if (before := signal.getsignal(each)) is not None
    }  # None: not Python's
    came: list[int] = []
    for each in handlers:
        signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for each in came[:1]:
            signal.raise_signal(each)


@contextmanager
def _staged_pair(path: Path, write_bin: Callable[[BinaryIO], None], xml: bytes) -> Generator[Callable[[], None]]:
    """Both files under hidden names, and what moves them into place; what was not moved is removed at the end."""
    token = secrets.token_hex(8)
    parts = {suffix: path.with_name(f".{_stem(path)}.{token}{suffix}") for suffix in (".bin", ".xml")}

    try:
        with ExitStack() as files:

            def move() -> None:
                with _locked(path.parent):
                    files.close()  # Windows moves no open file; the lock of the folder keeps others off the closed ones
                    _move_into_place(path, parts)

            with _locked(path.parent):
                _remove_orphans(path)
                binary, text = (files.enter_context(_new_file(part)) for part in parts.values())
            write_bin(binary)
            text.write(xml)
            for file in (binary, text):
                file.flush()
                os.fsync(file.fileno())
            yield move
    finally:
        _remove(path, parts.values())


@contextmanager
def _staged_file(path: Path, write: Callable[[BinaryIO], None]) -> Generator[Callable[[], None]]:
    """A file under a hidden name, and what moves it into place; if it was not moved, it is removed at the end."""
    part = path.with_name(f".{_stem(path)}.{secrets.token_hex(8)}{path.suffix[:8]}")

    try:
        with ExitStack() as files:

            def move() -> None:
                with _locked(path.parent):
                    files.close()  # as in `_staged_pair`
                    part.replace(path)
                _sync(path.parent)

            with _locked(path.parent):
                _remove_orphans(path)
                file = files.enter_context(_new_file(part))
            write(file)
            file.flush()
            os.fsync(file.fileno())
            yield move
    finally:
        _remove(path, [part])


def _remove(path: Path, parts: Iterable[Path]) -> None:
    """Removes hidden files that were not moved; one that cannot be removed is an orphan for the next writer."""
    for part in parts:
        with suppress(OSError):
            if part not in (_noted(path) or ()):
                part.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    """What hidden names begin with: the stem of a file, or a short form of one that leaves no room."""
    stem = os.fsencode(path.stem)
    return path.stem if len(stem) <= _LONGEST_STEM else hashlib.sha256(stem).hexdigest()[:32]


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a single file from memory; see `write_whole`.

    Raises:
        OSError: see `write_whole`.
    """

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_whole(path, write)


def finish_interrupted_write(path: Path) -> None:
    """Completes a write of `path` that was interrupted after both files were whole.

    Raises:
        OSError: the folder cannot be written.
    """
    if _journal(path).exists():
        with _locked(path.parent), _uninterrupted():
            _finish(path)


@contextmanager
def undisturbed(path: Path) -> Generator[None]:
    """Prevents writers from moving a pair of files while a reader opens them."""
    try:
        handle = None if fcntl is None else os.open(path.parent, os.O_RDONLY)
    except OSError:  # the folder may not be readable
        handle = None
    try:
        if handle is not None:
            _lock(handle, shared=True)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _journal(path: Path) -> Path:
    return path.with_name(f".{_stem(path)}.commit")


def _move_into_place(path: Path, parts: dict[str, Path]) -> None:
    _finish(path)
    note = parts[".xml"].with_suffix(".commit")
    try:
        with _new_file(note) as file:
            file.write(json.dumps([part.name for part in parts.values()]).encode())
            file.flush()
            os.fsync(file.fileno())
        note.replace(_journal(path))
    except OSError:
        _remove(path, [note])
        raise
    try:
        _sync(path.parent)
    finally:  # the journal is there, so that the new model counts
        _finish_or_tell(path)


def _finish_or_tell(path: Path) -> None:
    """Completes the moves in the journal, in a second attempt if the first one fails: there is no way back.

    Raises:
        UnfinishedWriteError: both attempts failed; the journal remains.
    """
    for is_last in (False, True):
        try:
            return _finish(path)
        except NotSyncedError:
            raise
        except OSError as error:
            if is_last:
                raise UnfinishedWriteError(error.errno, error.strerror) from error
    return None


def _finish(path: Path) -> None:
    """Completes the moves in the journal, from the point of interruption."""
    parts = _noted(path)
    if parts is None:
        return
    binary, xml = parts
    if not xml.exists():
        _journal(path).unlink()
        return
    path.unlink(missing_ok=True)
    if binary.exists():
        binary.replace(path.with_suffix(".bin"))
    xml.replace(path)
    try:
        _sync(path.parent)
    finally:  # where the moves may not last, neither may the journal
        _journal(path).unlink()


def _noted(path: Path) -> tuple[Path, Path] | None:
    """The .bin and the .xml in the journal; None without a valid journal."""
    try:
        names = json.loads(_journal(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    match names:
        case [str(binary), str(xml)] if all(_is_part(path, name) for name in (binary, xml)):
            return path.with_name(binary), path.with_name(xml)
        case _:
            return None


def _is_part(path: Path, name: str) -> bool:
    return name.startswith(f".{_stem(path)}.") and Path(name).name == name


@contextmanager
def _new_file(path: Path) -> Generator[BinaryIO]:
    """A new file with the usual permissions; its lock shows that its writer is alive."""
    with os.fdopen(
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666), "wb"
    ) as file:
        _lock(file.fileno())
        yield file


def _remove_orphans(path: Path) -> None:
    """Removes temporary files of killed writers of the same path."""
    if fcntl is None:
        return
    found = path.parent.glob(f".{glob.escape(_stem(path))}.{'[0-9a-f]' * 16}.*")
    for part in set(found).difference(_noted(path) or ()):
        with suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while a writer is alive
            part.unlink()


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """A lock: only one process at a time moves models in a folder."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, *, shared: bool = False) -> None:
    """Waits for the lock of a file, which a process releases at its end; some network drives have no locks."""
    if fcntl:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def _sync(folder: Path) -> None:
    """Makes the moves last through a power failure, where the system can.

    Raises:
        NotSyncedError: the system does not confirm that.
    """
    if fcntl is None:
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise NotSyncedError(error.errno, error.strerror) from error
