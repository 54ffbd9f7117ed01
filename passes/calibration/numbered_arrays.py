"""Samples as arrays by key, `00012|name`: sample 12 of input `name`, as in irquant's .npz files."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast, overload

#: Of the number of a sample in a key.
_MOST_DIGITS = 18


class NumberedArrays(Sequence[dict[str, object]]):
    """The samples of a mapping with such keys; an array is read when its sample is."""

    def __init__(self, arrays: Mapping[str, object]) -> None:
        self._arrays = arrays
        self._samples = [*by_number(arrays).values()]

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._samples)

    @overload
    def __getitem__(self, index: int, /) -> dict[str, object]: ...

    @overload
    def __getitem__(self, index: slice, /) -> list[dict[str, object]]: ...

    def __getitem__(self, index: int | slice, /) -> dict[str, object] | list[dict[str, object]]:
        """A sample, or several: dicts by input name."""
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        return {name: self._arrays[key] for name, key in self._samples[index].items()}


def holds_numbered(data: object) -> bool:
    """Whether some data are a mapping whose keys all have the number of a sample."""
    keys = [*cast(Mapping[object, object], data)] if isinstance(data, Mapping) else []
    return bool(keys) and all(isinstance(key, str) and is_numbered(key) for key in keys)


def is_numbered(key: str) -> bool:
    """Whether a key has the number of a sample."""
    number, bar, _ = key.partition("|")
    return bool(bar) and number.isdecimal() and len(number) <= _MOST_DIGITS


def by_number(keys: Iterable[str]) -> dict[int, dict[str, str]]:
    """Number of a sample -> name of an input -> key, in the order of the numbers; empty if keys have no numbers.

    Names that start with "_" are not inputs.
    """
    found: dict[int, dict[str, str]] = {}
    for key in filter(is_numbered, keys):
        number, name = key.split("|", 1)
        if not name.startswith("_"):
            found.setdefault(int(number), {})[name] = key
    return dict(sorted(found.items()))
