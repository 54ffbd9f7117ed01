"""Samples from the user's own code: `module:function` or `file.py:function`."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import cast

from irquant.ir import UserError
from irquant.passes.calibration.samples import DataError, Sample
from irquant.passes.calibration.subset import Indexed, items_of


@dataclass(frozen=True)
class FunctionSource:
    """What a function without arguments gives: any iterable of samples."""

    text: str

    def __iter__(self) -> Iterator[Sample]:
        """Calls the function, and numbers what comes."""
        items = iter(self._items())
        index = 0
        while True:
            label = f"sample {index} of {self.text}"
            try:
                item = next(items)
            except StopIteration:
                return
            except UserError:
                raise
            except Exception as error:
                message = f"{label}: {type(error).__name__}: {error}"
                raise DataError(message) from error
            yield Sample(label, item)
            index += 1

    def __length_hint__(self) -> int:
        """Unknown until the function is called."""
        return 0

    def _items(self) -> Iterable[object]:
        function = self._function()
        try:
            items = function()
        except Exception as error:
            message = f"{self.text}: raised {type(error).__name__}: {error}"
            raise DataError(message) from error
        if not isinstance(items, (Iterable, Indexed)):
            message = f"{self.text}: gave {type(items).__name__}, expected an iterable of samples"
            raise DataError(message)
        return items_of(cast(object, items))

    def _function(self) -> Callable[[], object]:
        module_name, _, name = self.text.rpartition(":")
        module = _module(module_name)
        function: object = getattr(module, name, None)
        if function is None:
            close = difflib.get_close_matches(name, dir(module), n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            message = f"{self.text}: '{module_name}' has no '{name}'{hint}"
            raise DataError(message)
        if not callable(function):
            message = f"{self.text}: is {type(function).__name__}, expected a function"
            raise DataError(message)
        return cast(Callable[[], object], function)


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
