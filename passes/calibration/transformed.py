"""Applies the user's function to each item of the data, as NNCF's `Dataset` does."""

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..runtime.samples import DataError, Sample, reason_of
from .subset import Indexed, is_sequence, items_of, sample_of, what_is_wrong, whole_item_at


@dataclass(frozen=True)
class Transformed:
    """Data whose items are made by a function.

    Attributes:
        data: The data.
        function: Makes a sample of an item.

    Raises:
        DataError: the data raise an error, or the function does for an item.
    """

    data: object
    function: Callable[[Any], object]

    def __iter__(self) -> Iterator[object]:
        """Makes one sample after the other."""
        return (
            self._made(index, item.feed if isinstance(item, Sample) else item)
            for index, item in enumerate(self._items())
        )

    def count_parts(self) -> int:
        """The number of items; 0 if the data have no index."""
        return len(self.data) if is_sequence(self.data) else 0

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """The samples of the items of these numbers."""
        assert is_sequence(self.data), "else it has no parts"
        for index in order:
            yield (sample_of(self, index, self._made(index, whole_item_at(self.data, index))),)

    def __length_hint__(self) -> int:
        """The number of items, if it is known."""
        return operator.length_hint(self.data)

    @property
    def batch_size(self) -> int | None:
        """How many samples a loader puts into an item, if it says so."""
        return getattr(self.data, "batch_size", None)

    def _made(self, index: int, item: object) -> object:
        try:
            return self.function(item)
        except Exception as error:
            message = f"sample {index}: transform raised {type(error).__name__}: {reason_of(error)}"
            raise DataError(message) from error

    def _items(self) -> Iterable[object]:
        data = self.data
        if wrong := what_is_wrong(data):
            message = f"the data are {wrong}"
            raise DataError(message)
        if isinstance(data, Indexed) and not isinstance(data, Iterable):
            return (whole_item_at(data, index) for index in range(len(data)))
        return items_of(data)
