"""The .bin file as one memory map: constants are views of it, nothing is copied before somebody needs it."""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import IRError


@dataclass(frozen=True, eq=False)
class Weights:
    """The bytes of a .bin file (`path` is None for bytes that live in memory only). Views keep the map alive.

    The map is private (copy on write), so that it can be lent to the runtime, which insists on writeable memory;
    nobody writes to it, and the file could not change if somebody did.
    """

    path: Path | None
    data: np.ndarray[Any, np.dtype[np.uint8]]

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


EMPTY = Weights(None, np.empty(0, np.uint8))


def open_weights(path: Path) -> Weights:
    """Maps `path` into memory; an empty file gives empty weights."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return Weights(path, np.empty(0, np.uint8))
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return Weights(path, np.frombuffer(mapped, np.uint8))
