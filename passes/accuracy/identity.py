"""The identity of a metric: a hash of its code, of the values that it was made with, and of the data that it holds.

The file that holds them identifies functions and classes. Functions also have their own code, since a file may hold
several of one name, and the values that they enclose or have as defaults. Objects are identified by their `pickle`
content; `pickle` fails rather than leave out what it cannot see. Data that a function reads from elsewhere stay
unknown.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Protocol, TypeGuard, cast

import numpy as np

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))


class UnknownIdentityError(Exception):
    """Something cannot be identified; the message says what."""


class OverItems(Protocol):
    """An object that is identified by items that it reads one after the other."""

    def identifying(self) -> Iterable[object]:
        """All values that identify it."""
        ...


def identity_of(*things: object) -> str:
    """A hash of several things, which changes if any of them changes.

    Raises:
        UnknownIdentityError: one of them cannot be identified.
    """
    try:
        return _Teller().digest(things).hex()[:32]
    except RecursionError:
        message = "its values are nested too deeply"
        raise UnknownIdentityError(message) from None


@dataclass
class _Teller:
    """The state of one walk: hashes of the files that were read, and the values that are being hashed."""

    files: dict[str, str] = field(default_factory=dict[str, str])
    open: list[int] = field(default_factory=list[int])

    def digest(self, value: Any) -> bytes:
        """The hash of a value."""
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return hashlib.sha256(f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")).digest()
        if id(value) in self.open:
            return b"around %d" % self.open.index(id(value))
        self.open.append(id(value))
        found = hashlib.sha256(type(value).__qualname__.encode())
        for part in self._parts(value):
            found.update(part if isinstance(part, bytes) else self.digest(part))
        self.open.pop()
        return found.digest()

    def _parts(self, value: Any) -> Iterable[Any]:
        """The parts of a value; bytes are hashes already."""
        if _is_over_items(value):
            return value.identifying()
        if type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject:
            return _of_array(value)
        if type(value) in (list, tuple):
            return [self.digest(each) for each in value]
        if type(value) in (set, frozenset):
            return sorted(self.digest(each) for each in value)
        if type(value) is dict:
            return [self.digest(each) for item in cast(Mapping[Any, Any], value).items() for each in item]
        return self._of_code(value) or self._reduced(value)

    def _of_code(self, value: Any) -> Iterable[Any]:
        if isinstance(value, FunctionType):
            made_with = [value.__closure__ or (), value.__defaults__ or (), value.__kwdefaults__ or {}]
            return [self._place(value), value.__code__, *made_with]
        if isinstance(value, CodeType):
            return [value.co_qualname, value.co_firstlineno, value.co_code.hex(), value.co_names, value.co_consts]
        if isinstance(value, CellType):
            return [_content(value)]
        if isinstance(value, ModuleType):
            return [self._place(value)]
        return [self._place(each) for each in value.__mro__] if isinstance(value, type) else []

    def _reduced(self, value: Any) -> Iterable[Any]:
        try:
            reduced: Any = value.__reduce_ex__(4)
        except Exception as error:
            message = f"the content of a {type(value).__name__} is unknown"
            raise UnknownIdentityError(message) from error
        if isinstance(reduced, str):  # a name in a module
            return [self._place(value), reduced, getattr(value, "__wrapped__", None)]
        made, arguments, state, items, pairs = (*reduced, None, None, None, None)[:5]
        return [made, arguments, state, list(items or ()), list(pairs or ())]

    def _place(self, value: Any) -> str:
        """The name of a function, class or module, with a hash of its file."""
        module: str = getattr(value, "__module__", None) or getattr(value, "__name__", None) or type(value).__module__
        name = f"{module}:{getattr(value, '__qualname__', '')}"
        if module.partition(".")[0] in sys.stdlib_module_names:
            return name
        file = _file_of(value, module)
        if file not in self.files:
            self.files[file] = _hash_of(file, name.rstrip(":"))
        return f"{name} {self.files[file]}"


def _is_over_items(value: object) -> TypeGuard[OverItems]:
    return hasattr(type(value), "identifying")


def _of_array(array: "np.ndarray[Any, Any]") -> Iterable[Any]:
    content = hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest()
    return [str(array.dtype.descr if array.dtype.names else array.dtype.str), array.shape, content]


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return "nothing yet"


def _file_of(value: Any, module: str) -> str:
    try:
        return inspect.getfile(value)
    except (OSError, TypeError):
        return str(getattr(sys.modules.get(module), "__file__", None) or "")


def _hash_of(file: str, name: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        message = f"there is no file with the source of {name}"
        raise UnknownIdentityError(message) from error
