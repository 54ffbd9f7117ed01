"""The command line as the user typed it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TypedCommand:
    """Suggests changed commands, with the user's own paths and options.

    Attributes:
        words: What follows the name of the program.
    """

    words: Sequence[str] = ()

    def gives(self, flag: str) -> bool:
        """Whether the user gave an option."""
        names = (word.partition("=")[0].replace("_", "-") for word in self.words)
        return flag in names

    def changed(self, *more: str, without: str = "") -> str:
        """The same command for a shell.

        Args:
            more: Options to add; they override those that the user gave.
            without: A flag to leave out.
        """
        return shlex.join(["irquant", *(word for word in self.words if word.replace("_", "-") != without), *more])
