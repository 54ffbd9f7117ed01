"""Stores the numbers of any number of observations in constant memory: written by rows, read by columns."""

import tempfile
import threading
import weakref

import numpy as np

from .request import Numbers

#: The number of rows that are transposed at once, and the bytes in memory before a temporary file is used.
_ROWS, _IN_MEMORY = 64, 8 << 20


class ColumnStore:
    """A table [observations, width] of f32 numbers.

    Blocks of rows are transposed before they are stored, so that a column lies in few pieces. Threads may read at the
    same time.

    Args:
        width: The number of numbers per observation.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._rows = np.empty((_ROWS, width), np.float32)
        self._count = 0
        self._reading = threading.Lock()  # the file has one position
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives as long as the table
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._count

    def append(self, rows: Numbers) -> None:
        """Adds observations: [any number, width]."""
        for row in rows:
            at = self._count % _ROWS
            self._rows[at] = row
            self._count += 1
            if at == _ROWS - 1:
                self._file.seek(0, 2)
                self._file.write(np.ascontiguousarray(self._rows.T).tobytes())

    def columns(self, start: int, stop: int) -> Numbers:
        """Columns [start, stop) of all rows: [observations, stop - start]."""
        size = self.width * _ROWS * 4
        parts: list[Numbers] = []
        for block in range(self._count // _ROWS):
            with self._reading:
                self._file.seek(block * size + start * _ROWS * 4)
                raw = self._file.read((stop - start) * _ROWS * 4)
            parts.append(np.frombuffer(raw, np.float32).reshape(stop - start, _ROWS).T)
        parts.append(self._rows[: self._count % _ROWS, start:stop])
        return np.concatenate(parts)


def memory_of(width: int) -> int:
    """The most bytes of memory that a table of this width takes."""
    return _ROWS * width * 4 + _IN_MEMORY
