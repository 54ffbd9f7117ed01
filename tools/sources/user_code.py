"""Loads the user's Python code: `module:name` or `file.py:name`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from irquant.ir import UserError
from irquant.ir.suggestions import closest, did_you_mean
from irquant.passes.runtime.samples import DataError, reason_of
from irquant.tools.sources.failing_line import failing_line


def load_function(text: str) -> Callable[..., Any]:
    """The function that `text` names.

    Raises:
        DataError: the function does not exist, or its module cannot be imported.
    """
    function = named_object(text, DataError)
    if not callable(function):
        message = f"{text}: is {type(function).__name__}, expected a function"
        raise DataError(message)
    return cast(Callable[..., Any], function)


def named_object(text: str, complaint: type[UserError]) -> object:
    """The object that a text names.

    Args:
        text: `module:name`, the module in the current folder or installed; or `file.py:name`.
        complaint: The error class to raise.

    Raises:
        UserError: of the class `complaint`: the object does not exist, or its import failed.
    """
    module_name, _, name = text.rpartition(":")
    module = _module(module_name, complaint)
    if not hasattr(module, name):
        raise complaint(did_you_mean(f"{text}: '{module_name}' has no '{name}'", closest(name, dir(module))))
    return getattr(module, name)


def _module(name: str, complaint: type[UserError]) -> ModuleType:
    """Imports a .py file or a module, also from the current folder."""
    if name.endswith(".py") and not Path(name).is_file():
        message = f"{name}: no such file"
        raise complaint(message)
    try:
        if name.endswith(".py"):
            return _from_file(Path(name))
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"no module '{error.name}', which '{name}' needs" if error.name != name else f"no module '{name}'"
        raise complaint(message) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too, which would end more than the import
        message = f"importing '{name}' raised {type(error).__name__}: {reason_of(error)}{failing_line(error)}"
        raise complaint(message) from error


class _Script(SourceFileLoader):
    """Loads a .py file as `python file.py` does: no `__pycache__` appears beside it."""

    def set_data(self, *_: object, **__: object) -> None:
        """Would write the compiled file."""


def _from_file(path: Path) -> ModuleType:
    loader = _Script(str(path), str(path.absolute()))
    spec = importlib.util.spec_from_file_location(str(path), path, loader=loader)
    assert spec is not None, "a .py file has a spec"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses resolve annotations there
    spec.loader.exec_module(module)
    return module
