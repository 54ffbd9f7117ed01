"""Selects the subset of the data to use: the first n samples, or n samples drawn at random.

Data may be any iterable, or a data set that only has a length and an index (the published tool's `DataLoader`, torch's
`Dataset`). Items of a data set are tuples: `(data, annotation)`, `(data, annotation, meta)` or, in old versions,
`((id, annotation), data)`; annotations are not needed here. A `Dataset` of NNCF gives its items by a method.
"""

import io
import itertools
import operator
import os
import random
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

from ..options.config import QuantizationConfig
from ..runtime.samples import DataError, Sample
from .asked import asked
from .tables import is_table

#: The most names of a dict that a message lists.
_NAMED = 3
_END: Any = object()


@runtime_checkable
class Indexed(Protocol):
    """Something with a length and an index."""

    def __len__(self) -> int:
        """The number of items."""
        ...

    def __getitem__(self, index: int, /) -> object:
        """The item of that number."""
        ...


@runtime_checkable
class NncfDataset(Protocol):
    """The data set of NNCF, which holds a source and perhaps a function that makes samples of its items."""

    def get_inference_data(self) -> Iterable[object]:
        """The samples."""
        ...


def chosen_samples(data: object, config: QuantizationConfig) -> Iterator[Sample]:
    """The samples to use, with their numbers in the data.

    Random samples are the same that the published tool draws with that seed (`random.sample` of the standard library).
    They keep its order if the data have an index, else the order of the data, which are then read twice.

    Raises:
        DataError: samples have to be drawn from data that can be read only once, or the data are not samples.
    """
    if wrong := what_is_wrong(data):
        message = f"the data are {wrong}"
        raise DataError(message)
    drawn = _drawn(data, config) if config.shuffle else enumerate(items_of(data))
    for index, item in itertools.islice(drawn, config.samples):
        yield sample_of(data, index, item)


def sample_of(data: object, index: int, item: object) -> Sample:
    """An item of the data as a sample, with its number in its label."""
    return item if isinstance(item, Sample) else Sample(_label(data, index), item)


def what_is_wrong(data: object) -> str:
    """Why the data are not samples, even if they can be iterated; empty if they may be samples."""
    kind, rank = type(data).__name__, _rank(data)
    if isinstance(data, FunctionType):
        return f"a function, expected its samples: call it, {data.__name__}()"
    if isinstance(data, Mapping):
        if kind == "NpzFile":
            return "one NpzFile with other keys than numbers of samples: give its path instead"
        keys = list(itertools.islice(cast(Mapping[object, object], data), _NAMED + 1))
        names = ", ".join([*map(repr, keys[:_NAMED]), *(["..."] if len(keys) > _NAMED else [])])
        return (
            f"one {type(cast(object, data)).__name__} ({names}), expected a list of dicts, one for each sample; of "
            "arrays with a sample a row: [dict(zip(d, rows)) for rows in zip(*d.values())]"
        )
    if isinstance(data, (str, os.PathLike)):
        return (
            f"{type(cast(object, data)).__name__} '{data}', expected the samples themselves, not where they are: read "
            f"them first, or use the command line, which takes paths (irquant quantize MODEL --data {data})"
        )
    if is_table(data):
        return f"{kind}, whose items are columns: give an array with a sample a row"
    if isinstance(data, io.IOBase):
        return f"{kind}, an open file: give its path instead"
    if isinstance(data, AsyncIterable):
        return f"{kind}, expected an iterable: collect the samples first, [each async for each in data]"
    is_iterable = isinstance(data, (Iterable, Indexed, NncfDataset)) and not isinstance(data, (bytes, bytearray))
    if not is_iterable or rank == 0:
        return f"{kind}, expected an iterable of samples"
    return ""


def _rank(data: object) -> object:
    """The number of axes of an array; None for anything else."""
    return getattr(data, "ndim", None)


def _label(data: object, index: int, of: str = "") -> str:
    if of:
        return f"sample {index} of {of}"
    return f"sample {index}" if _rank(data) is None else f"row {index} of the array {list(cast(Any, data).shape)}"


def expected_count(data: object) -> int | None:
    """The number of items, if the data know it.

    Raises:
        DataError: their length raises an error.
    """
    return None if data is None else asked(lambda: operator.length_hint(data)) or None


def items_of(data: object, of: str = "") -> Iterator[object]:
    """The items of the data in their order, without annotations.

    Args:
        data: The data.
        of: The source, in messages.

    Raises:
        DataError: the data raise an error.
    """
    if _is_data_set(data):
        return (item_at(data, index, of) for index in range(len(data)))
    if isinstance(data, NncfDataset) and not isinstance(data, Iterable):
        return _asked_in_turn(data, data.get_inference_data, of)
    given = cast(Iterable[object], data)
    return iter(given) if _is_own(given) else _asked_in_turn(given, lambda: given, of)


def _is_own(data: object) -> bool:
    """Whether irquant reads the data: what is raised there is its own error."""
    return type(data).__module__.partition(".")[0] == __name__.partition(".")[0]


def _asked_in_turn(data: object, source: Callable[[], Iterable[object]], of: str) -> Iterator[object]:
    items = asked(lambda: iter(source()), of)
    for index in itertools.count():
        item = asked(lambda: next(items, _END), _label(data, index, of))
        if item is _END:
            return
        yield item


def is_sequence(data: object) -> TypeGuard[Indexed]:
    """Whether items can be read by their index in any order.

    This holds for sequences, arrays, and data sets that only have a length and an index. Other iterables with an index
    may mean something else by it, as streams of torch do, or a table with named columns.
    """
    if what_is_wrong(data):
        return False
    is_known = isinstance(data, Sequence) or _rank(data) is not None or not isinstance(data, Iterable)
    return is_known and isinstance(data, Indexed)


def item_at(data: Indexed, index: int, of: str = "") -> object:
    """An item of data with an index, without annotations.

    Raises:
        DataError: the data raise an error.
    """
    item = whole_item_at(data, index, of)
    return _data_of(item) if _is_data_set(data) else item


def whole_item_at(data: Indexed, index: int, of: str = "") -> object:
    """Likewise, with annotations."""
    return asked(lambda: data[index], _label(data, index, of))


def _drawn(data: object, config: QuantizationConfig) -> Iterator[tuple[int, object]]:
    if not isinstance(data, Indexed) and data is iter(cast(Iterable[object], data)):
        message = (
            f"samples cannot be drawn at random (shuffle_data) from a {type(data).__name__}: give for example a list"
        )
        raise DataError(message)
    total = len(data) if isinstance(data, Indexed) else sum(1 for _ in items_of(data))
    count = total if config.samples is None else min(config.samples, total)
    order = random.Random(config.seed).sample(range(total), count)
    if isinstance(data, Indexed):
        yield from ((index, item_at(data, index)) for index in order)
    else:
        wanted = set(order)
        yield from ((index, item) for index, item in enumerate(items_of(data)) if index in wanted)


def _is_data_set(data: object) -> TypeGuard[Indexed]:
    return isinstance(data, Indexed) and not isinstance(data, Iterable)


def _data_of(item: object) -> object:
    """The data of an item of a data set, without annotation and meta data."""
    if not isinstance(item, tuple):
        return item
    parts = cast(tuple[object, ...], item)
    if len(parts) not in (2, 3):
        return parts
    return parts[1] if isinstance(parts[0], tuple) else parts[0]
