"""The errors that a user can act on: each names the thing, what was found, what was expected and what to do."""


def printable(text: str) -> str:
    """A text with control characters spelt out: names of files and nodes may hold anything, also line breaks."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class UserError(Exception):
    """Something that the user gave is wrong. The command line prints it as one line and exits with 2."""


class IRError(UserError):
    """The model file or the graph is wrong: it cannot be read, written, or is not a valid OpenVINO IR."""
