"""How messages spell what users write: with flags on the command line, with keywords in Python."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_HAS_FLAGS: ContextVar[bool] = ContextVar("has_flags", default=False)


@contextmanager
def spelt_with_flags() -> Generator[None]:
    """Messages name the flags of the command line inside."""
    token = _HAS_FLAGS.set(True)
    try:
        yield
    finally:
        _HAS_FLAGS.reset(token)


def worded(command: str, python: str) -> str:
    """The words for the user who is there.

    Args:
        command: For the command line.
        python: For Python.
    """
    return command if _HAS_FLAGS.get() else python


def option(name: str) -> str:
    """An option by its name: `--max-mb`, or `max_mb`."""
    return worded(f"--{name.replace('_', '-')}", name)


def switched_on(name: str) -> str:
    """An option that is switched on: `--force`, or `force=True`."""
    return worded(option(name), f"{name}=True")
