"""The front of a package: the module of a name is imported when the name is first used.

A command that prints its help, or a program that only reads models, does not wait for the other modules.

Why not a library: lazy_loader has the same idea. But a module that is imported before the function of its name is used
(`passes/quantize.py`) takes the function's place there.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType


class _LazyFront(ModuleType):
    """A package; `_homes` has the place of each name: a module in the package, and the name there."""

    _homes: Mapping[str, tuple[str, str]]

    def __getattr__(self, name: str) -> object:
        """Finds a name that is used for the first time."""
        if name == "_homes" or name not in self._homes:
            message = f"module '{self.__name__}' has no attribute '{name}'"
            raise AttributeError(message)
        module, there = self._homes[name]
        found = getattr(import_module(f".{module}", self.__name__), there)
        vars(self)[name] = found
        return found

    def __setattr__(self, name: str, value: object) -> None:
        """Sets an attribute, but never a module in the place of a function: the import system would do that."""
        if not (name in self._homes and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """What is imported already, and all public names."""
        return sorted({*vars(self), *vars(self)["__all__"]})


def make_lazy(package: str, names: Mapping[str, Sequence[str]], former: Mapping[str, str] | None = None) -> None:
    """Gives a package names whose modules are not imported yet.

    Args:
        package: The name of the package, which is being imported.
        names: Module, relative to the package -> its names.
        former: Former name, for older code -> its module and its name today, as in `module:name`.
    """
    homes = {name: (module, name) for module, found in names.items() for name in found}
    for name, today in (former or {}).items():
        module, _, there = today.partition(":")
        homes[name] = module, there
    front = sys.modules[package]
    vars(front)["_homes"] = homes
    front.__class__ = _LazyFront
