"""Selects the subset of the data to use: the first n samples, or n samples drawn at random.

Data may be any iterable, or a data set that only has a length and an index (the published tool's `DataLoader`, torch's
`Dataset`). Items of a data set are tuples: `(data, annotation)`, `(data, annotation, meta)` or, in old versions,
`((id, annotation), data)`; annotations are not needed here. A `Dataset` of NNCF gives its items by a method.
"""

import itertools
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

from ..options.config import QuantizationConfig
from ..runtime.samples import DataError, Sample

#: The most names of a dict that a message lists.
_NAMED = 3


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
    if isinstance(data, Mapping):
        keys = list(itertools.islice(cast(Mapping[object, object], data), _NAMED + 1))
        names = ", ".join([*map(repr, keys[:_NAMED]), *(["..."] if len(keys) > _NAMED else [])])
        return (
            f"one {type(cast(object, data)).__name__} ({names}), expected a list of dicts, one for each sample; of "
            "arrays with a sample a row: [dict(zip(d, rows)) for rows in zip(*d.values())]"
        )
    if isinstance(data, (str, os.PathLike)):
        return f"{type(cast(object, data)).__name__} '{data}', expected the samples themselves, not where they are"
    is_iterable = isinstance(data, (Iterable, Indexed, NncfDataset)) and not isinstance(data, (bytes, bytearray))
    if not is_iterable or rank == 0:
        return f"{kind}, expected an iterable of samples"
    return ""


def _rank(data: object) -> object:
    """The number of axes of an array; None for anything else."""
    return getattr(data, "ndim", None)


def _label(data: object, index: int) -> str:
    return f"sample {index}" if _rank(data) is None else f"row {index} of the array {list(cast(Any, data).shape)}"


def items_of(data: object) -> Iterable[object]:
    """The items of the data in their order, without annotations."""
    if _is_data_set(data):
        return (item_at(data, index) for index in range(len(data)))
    if isinstance(data, NncfDataset) and not isinstance(data, Iterable):
        return data.get_inference_data()
    return cast(Iterable[object], data)


def is_sequence(data: object) -> TypeGuard[Indexed]:
    """Whether items can be read by their index in any order.

    This holds for sequences, arrays, and data sets that only have a length and an index. Other iterables with an index
    may mean something else by it, as streams of torch do, or a table with named columns.
    """
    if what_is_wrong(data):
        return False
    is_known = isinstance(data, Sequence) or _rank(data) is not None or not isinstance(data, Iterable)
    return is_known and isinstance(data, Indexed)


def item_at(data: Indexed, index: int) -> object:
    """An item of data with an index, without annotations."""
    return _data_of(data[index]) if _is_data_set(data) else data[index]


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
