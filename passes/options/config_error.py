"""The error of everything that users configure."""

from collections.abc import Sequence

from ...ir import UserError


class ConfigError(UserError):
    """An option, or the configuration file, is wrong.

    Attributes:
        mistakes: All mistakes, one per line; the message has the first.
    """

    def __init__(self, message: str, mistakes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.mistakes = tuple(mistakes) or (message,)
