"""How messages spell what users write: with flags on the command line, with keywords in Python."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Reader:
    """Who reads the messages of this process, those of all its threads."""

    has_flags: bool = False


_reader = _Reader()


@contextmanager
def spelt_with_flags() -> Generator[None]:
    """Messages name the flags of the command line inside."""
    before = _reader.has_flags
    _reader.has_flags = True
    try:
        yield
    finally:
        _reader.has_flags = before


def has_flags() -> bool:
    """Whether the user writes flags, and so may be told to add one."""
    return _reader.has_flags


def worded(command: str, python: str) -> str:
    """The words for the user who is there.

    Args:
        command: For the command line.
        python: For Python.
    """
    return command if _reader.has_flags else python


def option(name: str) -> str:
    """An option by its name: `--max-mb`, or `max_mb`."""
    return worded(f"--{name.replace('_', '-')}", name)


def switched_on(name: str) -> str:
    """An option that is switched on: `--force`, or `force=True`."""
    return worded(option(name), f"{name}=True")
