"""The user's own functions: `module:function` or `file.py:function`."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from irquant.passes.calibration.samples import DataError


def load_function(text: str) -> Callable[..., Any]:
    """The function that `text` names.

    Raises:
        DataError: there is none, or its module cannot be imported.
    """
    module_name, _, name = text.rpartition(":")
    module = _module(module_name)
    function: object = getattr(module, name, None)
    if function is None:
        close = difflib.get_close_matches(name, dir(module), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        message = f"{text}: '{module_name}' has no '{name}'{hint}"
        raise DataError(message)
    if not callable(function):
        message = f"{text}: is {type(function).__name__}, expected a function"
        raise DataError(message)
    return cast(Callable[..., Any], function)


def _module(name: str) -> ModuleType:
    """Imports a module, from the current folder too, or a .py file."""
    try:
        if name.endswith(".py"):
            return _from_file(Path(name))
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"no module '{error.name}', which '{name}' needs" if error.name != name else f"no module '{name}'"
        raise DataError(message) from error
    except DataError:
        raise
    except Exception as error:
        message = f"importing '{name}' raised {type(error).__name__}: {error}"
        raise DataError(message) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        message = f"{path}: no such file"
        raise DataError(message)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, "a .py file has a spec"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
