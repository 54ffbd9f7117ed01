"""Standard input, output and error, as the command line finds them: closed, full, or unable to spell a name."""

import errno
import io
import os
import sys
from typing import Any


class OutputError(Exception):
    """Standard output takes nothing more.

    Attributes:
        is_unread: Whether the reader has gone, which is no mistake.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        self.is_unread = error.errno == errno.EPIPE


def prepare_streams() -> None:
    """Makes the streams such that all text can be written, and messages never fail.

    A number that is closed leads nowhere from now on. Else the next file that is opened would get it, and messages
    would be written into that.
    """
    for number in range(3):
        _fill(number)
    if not _is_open(sys.stdin):
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process runs
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _is_open(stream: Any) -> bool:
    return stream is not None and not stream.closed


def _text(raw: io.RawIOBase, replaced: Any) -> io.TextIOWrapper:
    """A stream that spells out what its encoding lacks."""
    encoding = getattr(replaced, "encoding", None) or "utf-8"
    return _Text(io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True)


class _Text(io.TextIOWrapper):
    """A stream that the user's code cannot close."""

    def close(self) -> None:
        """Writes what waits."""
        self.flush()


class _Output(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Writes.

        Raises:
            OutputError: that cannot be.
        """
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OutputError(error) from None


class _Messages(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Writes; what cannot be said is no reason to fail."""
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)
