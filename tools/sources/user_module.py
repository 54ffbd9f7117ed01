"""Finds the modules and functions that users name, without running them."""

import importlib.util
import symtable
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from irquant.ir.suggestions import closest, did_you_mean
from irquant.passes.runtime.samples import DataError

#: Ways to define names that the symbol table of a module does not show.
_OTHER_WAYS = ("import *", "globals(", "locals(", "vars(", "__dict__", "setattr(", "exec(", "global ", "sys.modules")


def module_file(name: str, folder: Path) -> Path | None:
    """The file of a module, or the .py file itself; None for a module without file.

    Args:
        name: The dotted name of the module, or the path of a .py file.
        folder: The first folder to search.

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


def source_of(module: str, folder: Path) -> Path | None:
    """The file of a module; None if it is not found, since the later import reports the reason."""
    try:
        return module_file(module, folder)
    except (DataError, ImportError):
        return None


def check_function(text: str, folder: Path) -> None:
    """Searches the source of a module for a function. A module that may define names in other ways passes the check.

    Args:
        text: `module:function` or `file.py:function`.
        folder: The first folder to search for modules.

    Raises:
        DataError: the module does not exist, is not valid Python, or does not define the function.
    """
    module, _, function = text.rpartition(":")
    file = module_file(module, folder)
    names = _names_in(file) if file and file.suffix == ".py" else None
    if names is None or function in names:
        return
    raise DataError(did_you_mean(f"{text}: '{module}' has no '{function}'", closest(function, names)))


def _names_in(file: Path) -> list[str] | None:
    """The names that a module's source defines; None if it may define others in ways that the source does not show."""
    try:
        text = importlib.util.decode_source(file.read_bytes())
        table = symtable.symtable(text, str(file), "exec")
    except SyntaxError as error:
        message = f"{file}: line {error.lineno}: {error.msg}"
        raise DataError(message) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"{file}: cannot be read: {error}"
        raise DataError(message) from None
    names = [each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()]
    is_open = "__getattr__" in names or any(way in text for way in _OTHER_WAYS)
    return None if is_open else names


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
    """A module that import hooks find, for example those of editable installs."""
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # for example __main__
        return None
