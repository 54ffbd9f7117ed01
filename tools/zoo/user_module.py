"""The files of modules that users name, found without running them."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from irquant.passes import DataError


def module_file(name: str, folder: Path) -> Path | None:
    """The file of a module, or the .py file itself; None for what has no file.

    Args:
        name: Of the module, with dots, or the path of a .py file.
        folder: Where to look first.

    Raises:
        DataError: there is no such module.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            message = f"{name}: no such file"
            raise DataError(message)
        return Path(name)
    spec = _spec(name, [str(folder), *sys.path])
    return Path(spec.origin) if spec.origin and spec.has_location else None


def _spec(name: str, places: list[str]) -> ModuleSpec:
    first, *parts = name.split(".")
    spec = PathFinder.find_spec(first, places) or _installed(first)
    so_far = first
    for part in parts:
        if spec is None:
            break
        so_far = f"{so_far}.{part}"
        spec = PathFinder.find_spec(so_far, spec.submodule_search_locations)
    if spec is None:
        message = f"no module '{so_far}'" + (f", which '{name}' needs" if so_far != name else "")
        raise DataError(message)
    return spec


def _installed(name: str) -> ModuleSpec | None:
    """What hooks find, those of editable installs say."""
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # __main__, say
        return None
