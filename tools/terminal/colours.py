"""Colours of verdicts, warnings and errors; only on terminals, and not if the user sets NO_COLOR."""

import os
import re

import click

_VERDICTS = {"good": "green", "fair": "yellow", "poor": "red", "unknown, since the data look wrong": "red"}
_VERDICT = re.compile(rf"(?<=: )({'|'.join(_VERDICTS)})\b")
_STARTS = {"warning:": "yellow", "note:": "cyan", "next:": "cyan", "NOT REACHED:": "red"}


def coloured(line: str) -> str:
    """A line of a summary; `click.echo` drops the colours where they do not belong."""
    start = line.partition(" ")[0] if not line.startswith("NOT REACHED:") else "NOT REACHED:"
    if colour := _STARTS.get(start):
        return click.style(start, fg=colour, bold=True) + line.removeprefix(start)
    return _VERDICT.sub(lambda found: click.style(found[0], fg=_VERDICTS[found[0]], bold=True), line)


def tell_error(message: str) -> None:
    """Prints an error, one line, on standard error."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True, color=wants_colour())


def wants_colour() -> bool | None:
    """The `color` of `click.echo`: False if the user wants none (https://no-color.org), None: terminals have it."""
    return False if os.environ.get("NO_COLOR") else None
