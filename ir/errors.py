"""Errors that a user can fix: messages name the thing, what was found, what was expected and what to do."""


def printable(text: str) -> str:
    """A text with escaped control characters; names of files and nodes may contain any, even line breaks."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shortened(text: str, most: int) -> str:
    """A text with its first characters alone if it has more than so many."""
    return text if len(text) <= most else f"{text[:most]}..."


_PLAIN = (type(None), str, int, float, list, tuple, dict)


def quoted(value: object) -> str:
    """A given value in a message: a plain one as it is written, others by their type only, since they may be long."""
    return repr(value) if issubclass(type(value), _PLAIN) else type(value).__name__


class UserError(Exception):
    """An error in what the user gave. The command line prints it as one line and exits with 2."""


class IRError(UserError):
    """The model file or the graph is wrong: it cannot be read, written, or is not a valid OpenVINO IR."""
