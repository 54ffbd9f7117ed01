"""Messages to the user that ask for nothing."""

from collections.abc import Iterable


class Note(str):
    """A message that needs no action, such as an option without effect; all other messages are warnings."""

    __slots__ = ()


def warnings_in(messages: Iterable[str]) -> list[str]:
    """The messages that ask for a look or for more."""
    return [each for each in messages if not isinstance(each, Note)]


def notes_in(messages: Iterable[str]) -> list[str]:
    """The messages that ask for nothing."""
    return [each for each in messages if isinstance(each, Note)]
