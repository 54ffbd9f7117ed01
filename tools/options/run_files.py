"""The files that a command reads and must not overwrite."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from irquant.passes.files.run_files import RunFile
from irquant.tools.sources.data import names_function, source_members
from irquant.tools.sources.user_module import source_of


def data_files(text: str | None, what: str = "the data", folder: Path | None = None) -> Iterator[RunFile]:
    """The files of a source of samples: its members, and the list or the module that gives them.

    Args:
        text: The source; None: there is none.
        what: What messages call the files.
        folder: The first folder to search for modules; default: the current one.
    """
    if text is None:
        return
    if names_function(text):
        yield from code_files([text], what, folder)
    else:
        yield from ((what, path) for path in source_members(text))


def code_files(texts: Iterable[str], what: str, folder: Path | None = None) -> Iterator[RunFile]:
    """The files of things that are named as `module:name`, `file.py:name`, or by path."""
    for text in texts:
        path = source_of(text.rpartition(":")[0], folder or Path()) if ":" in text else Path(text)
        if path is not None:
            yield what, path


def target_files(target: str | None) -> Iterator[RunFile]:
    """The file of the user's own target."""
    if target and target.endswith((".yaml", ".yml")):
        yield "the target", Path(target)
