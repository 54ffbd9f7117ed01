"""Renders a template and values to one HTML file that makes no requests.

Style and script are inside the file. Its content security policy forbids all requests, and all scripts except the one
with the given hash. Printed values are escaped, with visible control characters.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, Literal

from irquant.ir import UserError, printable
from irquant.ir.atomic_write import write_failure, write_whole
from irquant.tools.terminal.console import decibels, megabytes, times_smaller
from irquant.tools.terminal.latency import counts

#: How the names of files may end that tell of a run.
_SUFFIXES = {"report": (".html", ".htm"), "graph": (".json",)}


class PageError(UserError):
    """A page cannot be written."""


def check_page(path: Path) -> None:
    """Checks the path of a page before any work.

    Raises:
        PageError: the path is invalid, or cannot be written.
    """
    check_path(path, "report")


def check_path(path: Path, name: Literal["report", "graph"]) -> None:
    """Checks the path of a file that tells of a run, before any work.

    Args:
        path: The file to write.
        name: What it is.

    Raises:
        PageError: the path is invalid, or cannot be written.
    """
    if wrong := _complaint(path, name):
        message = f"{path}: {wrong}"
        raise PageError(message)
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        message = f"{path}: cannot be written: {os.strerror(error.errno or 0)}"
        raise PageError(message) from None


def _complaint(path: Path, name: Literal["report", "graph"]) -> str:
    if path.suffix.lower() not in _SUFFIXES[name]:
        return f"the {name} must end in {_SUFFIXES[name][0]}"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.is_symlink():
        return "is a symbolic link; give the real path of a file to write"
    return "is a folder; give the path of a file to write" if path.is_dir() else ""


def write_page(path: Path, text: str) -> None:
    """Writes a page, whole or not at all.

    Raises:
        PageError: it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        file.write(text.encode("utf-8"))

    try:
        write_whole(path, write)
    except OSError as error:
        raise PageError(write_failure(path, error)) from None


def render(template: str, values: Mapping[str, object]) -> str:
    """Renders a template with values.

    Args:
        template: The name of a file in `templates/`.
        values: Its variables.
    """
    # Imported here, because most runs write no page.
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    style, script = _file("style.css"), _file("page.js")
    return environment.get_template(template).render(
        values,
        style=Markup(style),
        script=Markup(script),
        script_hash=_hash(script),
    )


def _file(name: str) -> str:
    return (resources.files("irquant.tools.report") / "templates" / name).read_text(encoding="utf-8").strip()


def _hash(script: str) -> str:
    """The hash of a script, in the form of a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _visible(value: Any) -> Any:
    """Makes control characters in a text visible, since names may contain line breaks; HTML does not change."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _small_share(value: float) -> str:
    """A share that may be tiny: three digits of percent."""
    return f"{100 * value:.2g} %"


def _amount(value: int) -> str:
    """A large number in three digits: 1.23 M."""
    power = min(4, (len(str(value)) - 1) // 3)
    return f"{value / 1000**power:.3g} {['', 'k', 'M', 'G', 'T'][power]}".strip()


_FILTERS: Mapping[str, Callable[..., str]] = {
    "decibels": decibels,
    "megabytes": megabytes,
    "times_smaller": times_smaller,
    "number": _number,
    "percent": _percent,
    "latency_counts": counts,
    "small_share": _small_share,
    "amount": _amount,
}
