"""Writes an .xml and its .bin, or a single file, whole or not at all, even if the process is killed.

Both files are written under temporary names and synced. If there is no model at the path, they are moved into place,
the .bin first: without its .xml it is not a model. To replace a model, a journal with both names is written first.
From then on the new model counts: the next reader or writer of the path completes the moves. During the moves the old
.xml is missing, so that no reader, not even the runtime, combines layers of one model with weights of the other.
"""

import glob
import json
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def write_pair(path: Path, write_bin: Callable[[BinaryIO], None], xml: bytes) -> None:
    """Writes `path` (.xml) and the .bin next to it, and replaces an existing model.

    Raises:
        OSError: a file could not be written; the former files are unchanged.
    """
    token = secrets.token_hex(8)
    parts = {suffix: path.with_name(f".{path.stem}.{token}{suffix}") for suffix in (".bin", ".xml")}
    try:
        with ExitStack() as files:
            with _locked(path.parent):
                _remove_orphans(path)
                binary, text = (files.enter_context(_new_file(part)) for part in parts.values())
            write_bin(binary)
            text.write(xml)
            for file in (binary, text):
                file.flush()
                os.fsync(file.fileno())
            with _locked(path.parent):
                _move_into_place(path, parts)
    finally:
        for part in set(parts.values()).difference(_noted(path) or ()):
            part.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Writes a single file, whole or not at all, and replaces an existing one.

    Raises:
        OSError: the file could not be written; the former file is unchanged.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(8)}{path.suffix}")
    try:
        with ExitStack() as files:
            with _locked(path.parent):
                _remove_orphans(path)
                file = files.enter_context(_new_file(part))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a single file from memory; see `write_whole`.

    Raises:
        OSError: the file could not be written; the former file is unchanged.
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
        with _locked(path.parent):
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
    return path.with_name(f".{path.stem}.commit")


def _move_into_place(path: Path, parts: dict[str, Path]) -> None:
    _finish(path)
    if path.exists():
        note = parts[".xml"].with_suffix(".commit")
        try:
            with _new_file(note) as file:
                file.write(json.dumps([part.name for part in parts.values()]).encode())
                file.flush()
                os.fsync(file.fileno())
            note.replace(_journal(path))
        finally:
            note.unlink(missing_ok=True)
        _sync(path.parent)
        _finish(path)
    else:
        for suffix, part in parts.items():
            part.replace(path.with_suffix(suffix))
        _sync(path.parent)


def _finish(path: Path) -> None:
    """Completes the moves in the journal, from the point of interruption."""
    parts = _noted(path)
    if parts is None:
        return
    binary, xml = parts
    if xml.exists():
        path.unlink(missing_ok=True)
        if binary.exists():
            binary.replace(path.with_suffix(".bin"))
        xml.replace(path)
        _sync(path.parent)
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
    return name.startswith(f".{path.stem}.") and Path(name).name == name


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
    found = path.parent.glob(f".{glob.escape(path.stem)}.{'[0-9a-f]' * 16}.*")
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
    """Makes the moves survive a power failure, if the system supports that."""
    if fcntl is None:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
