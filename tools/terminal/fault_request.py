"""What to print and write if a command fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class FaultRequest:
    """Filled in while the command line is read.

    Attributes:
        folder: The folder for a reproduction; None: none is written.
        verbose: Whether to print the traceback.
        written: Looks which files the command has written.
        arguments: The command line, without the name of the program.
        tell: Takes what is running, in words (see `outlive`); None: nobody wants to know.
    """

    folder: Path | None = None
    verbose: bool = False
    written: Callable[[], list[Path]] = list
    arguments: Sequence[str] = ()
    tell: Callable[[str], None] | None = None

    @property
    def resumes(self) -> bool:
        """Whether the same command line continues an interrupted run."""
        return any(each.partition("=")[0] == "--resume" for each in self.arguments)
