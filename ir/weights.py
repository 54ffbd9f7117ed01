"""The .bin file as one memory map: constants are views of it, without copies."""

import hashlib
import mmap
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import IRError
from .user_files import open_user_file


@dataclass(frozen=True, eq=False)
class Weights:
    """The bytes of a .bin file (`path` is None for bytes that live in memory only). Views keep the map alive.

    The map is private (copy on write), so that the runtime, which requires writeable memory, can use it. The code never
    writes to it, and a write would not change the file.

    Attributes:
        path: The file.
        data: Its bytes.
        version: The identity of the file at the time of mapping; another identity means another file.
    """

    path: Path | None
    data: np.ndarray[Any, np.dtype[np.uint8]]
    version: tuple[int, ...] = ()
    _digests: dict[tuple[int, int], bytes] = field(default_factory=dict[tuple[int, int], bytes], repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.data.size

    def view(self, offset: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Bytes [offset, offset + size) without a copy."""
        if offset + size > self.size:
            message = f"bytes {offset}..{offset + size} lie outside the weights, which have {self.size} bytes"
            raise IRError(message)
        view = self.data[offset : offset + size]
        view.flags.writeable = False
        return view

    def digest(self, offset: int, size: int) -> bytes:
        """The SHA-256 of bytes [offset, offset + size); they are read once."""
        if (offset, size) not in self._digests:
            self._digests[offset, size] = hashlib.sha256(self.view(offset, size).data).digest()
        return self._digests[offset, size]

    def release(self) -> None:
        """Releases the memory of pages that were read; a later access reads them again."""
        mapped = getattr(self.data.base, "obj", None)
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def check_unchanged(self, handle: int) -> None:
        """Checks that an open file of the same path is the mapped file.

        Raises:
            IRError: it is another file, or has changed.
        """
        if _version(handle) != self.version:
            message = f"{self.path}: changed since the model was read; read it again"
            raise IRError(message)


_MAP_NORESERVE = 0x4000  # Linux; Python's mmap has no name for it
EMPTY = Weights(None, np.empty(0, np.uint8))


def open_weights(path: Path) -> Weights:
    """Maps `path` into memory; an empty file gives empty weights."""
    with open_user_file(path) as file:
        version = _version(file.fileno())
        if not os.fstat(file.fileno()).st_size:
            return Weights(path, np.empty(0, np.uint8), version)
        return Weights(path, np.frombuffer(_mapped(file.fileno()), np.uint8), version)


def _mapped(handle: int) -> mmap.mmap:
    if sys.platform != "linux":
        return mmap.mmap(handle, 0, access=mmap.ACCESS_COPY)
    # Without NORESERVE the system would reserve memory for possible writes, and refuse larger files.
    flags = mmap.MAP_PRIVATE | _MAP_NORESERVE
    return mmap.mmap(handle, 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)


def _version(handle: int) -> tuple[int, ...]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
