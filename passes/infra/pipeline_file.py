"""Pipelines in files: a YAML list of passes, each a name, or a name with its options.

- normalize
- calibrate: {save-to: measured.npz}
- my_passes.py:RemoveDropout
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from ...ir.user_files import read_user_text
from ...targets import Lines, YamlMistake
from .pass_spec import PassSpec, PassSpecError


def read_pipeline(path: Path) -> list[PassSpec]:
    """The passes that a file lists.

    Raises:
        PassSpecError: the file cannot be read, or is not such a list.
    """
    try:
        content = Lines(read_user_text(path)).content()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise PassSpecError(message) from None
    except YamlMistake as error:
        message = f"{path}: not YAML: {error}"
        raise PassSpecError(message) from None
    if not isinstance(content, list):
        message = f"{path}: expected a list of passes, '- name' or '- name: {{option: value}}' a line"
        raise PassSpecError(message)
    entries = cast(Iterable[object], content)
    return [_spec(entry, f"{path}: [{index}]") for index, entry in enumerate(entries)]


def _spec(entry: object, where: str) -> PassSpec:
    if isinstance(entry, str):
        return PassSpec(entry)
    if isinstance(entry, dict) and len(pairs := list(cast(dict[object, object], entry).items())) == 1:
        name, options = pairs[0]
        if isinstance(name, str) and (options is None or isinstance(options, dict)):
            given = cast(dict[object, object], options or {})
            return PassSpec(name, {str(key): value for key, value in given.items()})
    message = f"{where} is {entry!r}; expected a name, or one name with its options: '- name: {{option: value}}'"
    raise PassSpecError(message)
