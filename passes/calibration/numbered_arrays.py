"""Samples as arrays by key, `00012|name`: sample 12 of input `name`, as in irquant's .npz files.

Samples that are sequences have steps: `00012.003|name`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast, overload

from ..runtime.samples import DataError, Steps

#: Of the number of a sample, or of a step, in a key.
_MOST_DIGITS = 18
#: The number of the step of a sample that is no sequence.
ALONE = -1


_Feed: TypeAlias = dict[str, object] | Steps


class NumberedArrays(Sequence[_Feed]):
    """The samples of a mapping with such keys; an array is read when its sample is."""

    def __init__(self, arrays: Mapping[str, object]) -> None:
        self._arrays = arrays
        numbered = by_number(arrays)
        self._samples = [*numbered.values()]
        for number, steps in numbered.items():
            if ALONE in steps and len(steps) > 1:
                message = f"sample {number} has arrays with a step's number and without: give all one, or none"
                raise DataError(message)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._samples)

    @overload
    def __getitem__(self, index: int, /) -> _Feed: ...

    @overload
    def __getitem__(self, index: slice, /) -> list[_Feed]: ...

    def __getitem__(self, index: int | slice, /) -> _Feed | list[_Feed]:
        """A sample, or several: dicts by input name, or the steps of a sequence."""
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        return feed_of(self._samples[index], lambda key: self._arrays[key])


def feed_of(by_step: Mapping[int, Mapping[str, str]], read: Callable[[str], object]) -> _Feed:
    """A sample of its keys (see `by_number`): a dict by input name, or the steps of a sequence.

    Args:
        by_step: Number of a step -> name of an input -> key.
        read: Reads the array of a key.
    """
    ordered = (keys for _, keys in sorted(by_step.items()))
    steps = [{name: read(key) for name, key in keys.items()} for keys in ordered]
    return steps[0] if ALONE in by_step else Steps(steps)


def holds_numbered(data: object) -> bool:
    """Whether some data are a mapping whose keys all have the number of a sample."""
    keys = [*cast(Mapping[object, object], data)] if isinstance(data, Mapping) else []
    return bool(keys) and all(isinstance(key, str) and is_numbered(key) for key in keys)


def is_numbered(key: str) -> bool:
    """Whether a key has the number of a sample."""
    number, bar, _ = key.partition("|")
    parts = number.split(".")
    return bool(bar) and len(parts) <= 2 and all(each.isdecimal() and len(each) <= _MOST_DIGITS for each in parts)


def by_number(keys: Iterable[str]) -> dict[int, dict[int, dict[str, str]]]:
    """Number of a sample -> of a step -> name of an input -> key, by their numbers; empty if keys have no numbers.

    Names that start with "_" are not inputs.
    """
    found: dict[int, dict[int, dict[str, str]]] = {}
    for key in filter(is_numbered, keys):
        number, name = key.split("|", 1)
        sample, _, step = number.partition(".")
        if not name.startswith("_"):
            found.setdefault(int(sample), {}).setdefault(int(step) if step else ALONE, {})[name] = key
    return dict(sorted(found.items()))
