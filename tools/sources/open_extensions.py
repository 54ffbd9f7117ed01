"""Opens the extensions of the runtime that a command line names."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from irquant.passes.runtime.core import Extension, ExtensionError, check_extensions
from irquant.tools.sources.data import names_function
from irquant.tools.sources.user_code import named_object


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
