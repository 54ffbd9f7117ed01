"""The modules and functions that users name, found without running them."""

import importlib.util
import symtable
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from irquant.ir.suggestions import closest, did_you_mean
from irquant.passes.runtime.samples import DataError

#: How a module gets names that its own statements do not show.
_OTHER_WAYS = ("import *", "globals(", "locals(", "vars(", "__dict__", "setattr(", "exec(", "global ", "sys.modules")


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


def source_of(module: str, folder: Path) -> Path | None:
    """The file of a module; None where there is none, whatever the reason: whoever imports it will say."""
    try:
        return module_file(module, folder)
    except (DataError, ImportError):
        return None


def check_function(text: str, folder: Path) -> None:
    """Looks for a function in the source of its module; what gets there otherwise than by name is not looked for.

    Args:
        text: `module:function` or `file.py:function`.
        folder: Where to look for modules first.

    Raises:
        DataError: there is no such module, it is no Python, or has no such function.
    """
    module, _, function = text.rpartition(":")
    file = module_file(module, folder)
    names = _names_in(file) if file and file.suffix == ".py" else None
    if names is None or function in names:
        return
    raise DataError(did_you_mean(f"{text}: '{module}' has no '{function}'", closest(function, names)))


def _names_in(file: Path) -> list[str] | None:
    """What a module's source gives a name; None where it may give others, too."""
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
    """What hooks find, those of editable installs say."""
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # __main__, say
        return None
