"""The command line as the user typed it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Options that may be repeated.
_SEVERAL = ("--ignored",)


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
            more: Options to add; they replace those that the user gave, except for layers to ignore, which add up.
            without: A flag to leave out.
        """
        valued = {flag for flag, value in pairwise(more) if not value.startswith("-") and flag not in _SEVERAL}
        words = iter(self.words)
        kept: list[str] = []
        for word in words:
            name, equals, _ = word.replace("_", "-").partition("=")
            if word == "--":
                return shlex.join(["irquant", *kept, *more, word, *words])
            if name in valued and not equals:
                next(words, None)
            elif name not in valued and name != without:
                kept.append(word)
        return shlex.join(["irquant", *kept, *more])
