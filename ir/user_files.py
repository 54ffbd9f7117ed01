"""The one place that opens files of users: regular files only, and none that is larger than what it should be.

A pipe would be waited for, a device has no end, and a text of gigabytes is no configuration.
"""

import codecs
import errno
import io
import ntpath
import os
import re
import stat
from itertools import islice
from pathlib import Path

from .suggestions import closest, did_you_mean

#: The most bytes of a text, and of one array or picture in memory.
MOST_TEXT, MOST_DATA = 4 << 20, 1 << 30
#: The most files of a folder among which a similar name is looked for, and how similar it must be.
_MOST_NAMES, _ALIKE = 10_000, 0.8
#: How the text begins that a clone without Git LFS has in place of a large file.
_LFS = b"version https://git-lfs.github.com/spec/"
#: The scheme of an address; `Path` joins its slashes.
_URL = re.compile(r"([a-z][a-z0-9+.]+):/", re.IGNORECASE)
#: What lifts these limits if it is in the environment, e.g. as 1.
ANY_SIZE = "IRQUANT_ANY_SIZE"


def is_too_large(size: int, most: int) -> bool:
    """Whether something is larger than it may be, and the environment does not allow that."""
    return size > most and not os.environ.get(ANY_SIZE)


def no_such_file(path: Path | str, what: str = "file") -> str:
    """The message about a path that does not exist; backslashes separate folders on Windows only.

    Args:
        path: The path as the user wrote it.
        what: What was expected there.
    """
    if url := _URL.match(str(path)):
        return f"{path}: no such {what}; {url[1]} addresses are not read: download it first"
    if str(path) == "-":
        return f"{path}: no such {what}; standard input is not read: save it to a file"
    if "\\" not in str(path) or os.sep == "\\":
        return did_you_mean(f"{path}: no such {what}", _beside(Path(path)))
    drive, tail = ntpath.splitdrive(str(path))
    slashed = tail.replace("\\", "/")
    hint = f"write {slashed}" if not drive else "write the path on this system, with / between folders"
    return f"{path}: no such {what}; {hint}"


def _beside(path: Path) -> str:
    """The path of a file or folder with a similar name in the same folder; empty if there is none."""
    try:
        names = [each.name for each in islice(path.parent.iterdir(), _MOST_NAMES)]
    except (OSError, ValueError):
        return ""
    close = closest(path.name, names, cutoff=_ALIKE)
    return str(path.with_name(close)) if close else ""


def open_user_file(path: Path) -> io.BufferedReader:
    """Opens a regular file for reading, without ever waiting.

    Raises:
        OSError: it cannot be opened, is no regular file, or a pointer of Git LFS; `strerror` says which.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a zero byte
        raise FileNotFoundError(errno.ENOENT, "no path of a file", str(path)) from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        file = os.fdopen(handle, "rb")
        if not file.peek(len(_LFS)).startswith(_LFS):
            return file
        file.close()
        message = "a pointer of Git LFS in place of the file: fetch it, git lfs pull"
        raise OSError(errno.EINVAL, message, str(path))
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "no regular file", str(path))


def read_user_file(path: Path, most: int = MOST_TEXT) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        most: The most bytes that it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is too large; `strerror` says which.
    """
    with open_user_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if is_too_large(size, most):
            raise OSError(errno.EFBIG, f"{size:,} bytes, expected {most:,} or less; {ANY_SIZE}=1 allows it", str(path))
        return file.read()


def read_user_text(path: Path, most: int = MOST_TEXT, encoding: str = "utf-8") -> str:
    """The text of a regular file; each of its lines ends in one line feed.

    Raises:
        OSError: see `read_user_file`; or it is no text.
    """
    content = read_user_file(path, most)
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, _no_text(content, error), str(path)) from None


def _no_text(content: bytes, error: UnicodeDecodeError) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "a text in UTF-16: save it as UTF-8"
    read = error.object  # without a mark at the beginning, if the encoding takes it off
    line = read.count(b"\n", 0, error.start) + 1
    return f"no text in UTF-8: byte 0x{read[error.start]:02x} in line {line}"
