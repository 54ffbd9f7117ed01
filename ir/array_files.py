"""Arrays in files (.npy, and the members of an .npz): no memory is taken on the word of a header.

`StoredArray` knows type and shape before anything is read. It is read as a whole if it fits a limit, or row by row.
"""

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np

from .user_files import ANY_SIZE, MOST_DATA, is_too_large

Array = np.ndarray[Any, np.dtype[Any]]
#: The most bytes of a header.
_MOST_HEADER = 1 << 16
#: What numpy itself can speak of.
_MOST_AXES, _MOST_BYTES = 32, 1 << 62
_VERSIONS: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class ArrayFileError(ValueError):
    """A file or a member of one holds no array, or not the one that it promises."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        open: Opens the file or the member, for each reading anew.
        start: Where in it the numbers begin.
        is_fortran: Whether the first axis changes fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    open: Callable[[], IO[bytes]]
    start: int
    is_fortran: bool

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        """The length of the first axis."""
        return self.shape[0]

    def whole(self, most: int = MOST_DATA) -> Array:
        """The array.

        Args:
            most: The most bytes that it may have.

        Raises:
            ArrayFileError: it is larger, or the file ends early.
        """
        self._refuse_larger(self.size, most)
        with self.open() as file:
            file.seek(self.start)
            return self._read(file, self.shape, "F" if self.is_fortran else "C")

    def rows(self, most: int = MOST_DATA) -> Iterator[Array]:
        """The parts along the first axis, one after the other; only the one in question is in memory.

        Args:
            most: The most bytes that a row may have; of the array, if it is stored column by column.

        Raises:
            ArrayFileError: it is larger, or the file ends early.
        """
        if self.is_fortran and self.ndim > 1:
            yield from self.whole(most)
            return
        self._refuse_larger(self.size // max(1, len(self)), most)
        with self.open() as file:
            file.seek(self.start)
            for _ in range(len(self)):
                yield self._read(file, self.shape[1:], "C")

    def row(self, index: int, most: int = MOST_DATA) -> Array:
        """One part along the first axis of an array that is not stored column by column.

        Args:
            index: Its number.
            most: The most bytes that it may have.

        Raises:
            ArrayFileError: it is larger, or the file ends early.
        """
        size = self.size // max(1, len(self))
        self._refuse_larger(size, most)
        with self.open() as file:
            file.seek(self.start + index * size)
            return self._read(file, self.shape[1:], "C")

    def _read(self, file: IO[bytes], shape: tuple[int, ...], order: Any) -> Array:
        array: Array = np.empty(shape, self.dtype, order=order)
        place = memoryview(cast(Any, array.reshape(-1, order="A").view(np.uint8)))
        done = 0
        while done < len(place):
            part = file.read(min(len(place) - done, 1 << 24))
            if not part:
                message = f"ends after {done:,} of the {len(place):,} bytes of {self.dtype}{list(shape)}"
                raise ArrayFileError(message)
            place[done : done + len(part)] = part
            done += len(part)
        return array

    def _refuse_larger(self, size: int, most: int) -> None:
        if is_too_large(size, most):
            came = f"{self.dtype}{list(self.shape)} takes {size:,} bytes"
            message = f"{came}, expected {most:,} or less; {ANY_SIZE}=1 allows it"
            raise ArrayFileError(message)


def stored_array(open_: Callable[[], IO[bytes]]) -> StoredArray:
    """The array of a file in numpy's format.

    Args:
        open_: Opens the file.

    Raises:
        ArrayFileError: it is none.
    """
    with open_() as file:
        head = io.BytesIO(file.read(_MOST_HEADER))
    try:
        read_header = _VERSIONS[np.lib.format.read_magic(head)]
        shape, is_fortran, dtype = read_header(head)
    except Exception as error:  # whatever ast and numpy raise about what is no header
        message = f"no array: {' '.join(str(error).split())[:200] or type(error).__name__}"
        raise ArrayFileError(message) from error
    if dtype.hasobject or dtype.subdtype or not dtype.itemsize:
        message = f"an array of {dtype}, expected numbers"
        raise ArrayFileError(message)
    if any(type(each) is not int or each < 0 for each in shape) or not _can_be(shape, dtype):
        message = f"a shape that no array has: {str(list(shape))[:100]}"
        raise ArrayFileError(message)
    return StoredArray(shape, dtype, open_, head.tell(), is_fortran)


def _can_be(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether numpy can speak of such an array, in whatever memory."""
    return len(shape) <= _MOST_AXES and math.prod(max(1, each) for each in shape) * dtype.itemsize < _MOST_BYTES
