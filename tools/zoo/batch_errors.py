"""The mistakes in a batch file, all reported at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from irquant.ir import UserError


@dataclass(frozen=True, order=True)
class Mistake:
    """A mistake that the user can fix.

    Attributes:
        line: The line in the file, from 1; 0: the file cannot be read.
        message: What is wrong, with its path in the file.
    """

    line: int
    message: str


class BatchError(UserError):
    """A batch file is wrong.

    Attributes:
        lines: All mistakes as `file:line: what is wrong`, in the order of the file.
    """

    def __init__(self, path: Path, mistakes: Iterable[Mistake]) -> None:
        found = sorted(set(mistakes))
        self.lines = tuple(f"{path}:{f'{each.line}:' if each.line else ''} {each.message}" for each in found)
        count = f"{len(found)} mistakes" if len(found) > 1 else "a mistake"
        super().__init__(f"{path}: {count}, see above; nothing was done")
