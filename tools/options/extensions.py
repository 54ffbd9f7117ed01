"""Extensions of the runtime with operations that are not in OpenVINO: `--extension`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from irquant.passes.runtime.engine import Extension, ExtensionError, check_extensions
from irquant.tools.options.completion import words_or_files
from irquant.tools.sources.data import names_function
from irquant.tools.sources.user_code import named_object
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option


def open_extensions(texts: Sequence[str]) -> tuple[Extension, ...]:
    """The named extensions: libraries, and operations written in Python.

    Args:
        texts: Paths of libraries; `module:Class` or `file.py:Class`.

    Raises:
        ExtensionError: an extension does not exist, or cannot be loaded.
    """
    found = tuple(
        cast(Extension, named_object(text, ExtensionError)) if names_function(text) else Path(text) for text in texts
    )
    check_extensions(found)
    return found


def extension_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option to a command, which gets `extension`, the texts."""
    option = grouped_option(
        HelpGroup.INPUT,
        "--extension",
        multiple=True,
        metavar="FILE",
        shell_complete=words_or_files(),
        help="The library of an extension, for operations that are not in OpenVINO; or file.py:Class. May be repeated.",
    )
    return option(command)
