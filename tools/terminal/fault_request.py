"""What the user wants to know of an internal error, in case there is one."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class FaultRequest:
    """Filled in while the command line is read.

    Attributes:
        folder: Where a reproduction goes.
        verbose: Whether to print the traceback.
    """

    folder: Path | None = None
    verbose: bool = False
