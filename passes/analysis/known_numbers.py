"""Numbers that were computed before, by the numbers that they follow from.

Models that are made from one calibration have most of their weights and statistics in common, and each takes sums over
all weights, sorts and searches.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from ...ir import Array, Node

#: The most bytes that are kept of the results of one function.
_MOST_BYTES = 1 << 25

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(eq=False)
class KnownNumbers:
    """The results of functions so far; they are shared, so that nobody may write to them."""

    _found: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any])
    _bytes: Counter[Hashable] = field(default_factory=Counter[Hashable])

    def once(self, function: Callable[P, T], *inputs: P.args, **named: P.kwargs) -> T:
        """The result of a function of numbers, which is computed once for equal ones.

        Args:
            function: A function without state.
            inputs: Its arguments: arrays, constant nodes (which stand for their values and shapes), values that can be
                hashed, and dataclasses of such.
            named: Those that it takes by name.
        """
        key = (function, *map(_key, inputs), *((name, _key(each)) for name, each in sorted(named.items())))
        if key in self._found:
            return cast(T, self._found[key])
        found = function(*inputs, **named)
        size = _size(found)
        if self._bytes[function] + size <= _MOST_BYTES:
            self._found[key] = found
            self._bytes[function] += size
        return found


def _key(given: object) -> Hashable:
    if isinstance(given, Node):
        return given.digest
    if isinstance(given, np.ndarray):
        return _digest(cast(Array, given))
    if is_dataclass(given):
        return (type(given), *(_key(getattr(given, each.name)) for each in fields(given)))
    assert isinstance(given, Hashable), "else it is no argument for this"
    return given


def _digest(array: Array) -> tuple[object, ...]:
    content = hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return array.dtype, array.shape, content.digest()


def _size(found: object) -> int:
    if isinstance(found, np.ndarray):
        return cast(Array, found).nbytes
    if isinstance(found, tuple):
        return sum(map(_size, cast(tuple[object, ...], found)))
    return sum(_size(getattr(found, each.name)) for each in fields(found)) if is_dataclass(found) else 0
