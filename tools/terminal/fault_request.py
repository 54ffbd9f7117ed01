"""What to print and write if an internal error happens."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class FaultRequest:
    """Filled in while the command line is read.

    Attributes:
        folder: The folder for a reproduction; None: none is written.
        verbose: Whether to print the traceback.
    """

    folder: Path | None = None
    verbose: bool = False
