"""Leaves out labels: a loader yields what a training loop needs, and the inputs of the model decide what is data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..runtime.samples import ModelInput, takes_shape
from .split_batches import is_batch, shape_of


@dataclass
class LabelFilter:
    """Takes the data out of pairs (data, label) and of dicts with labels.

    Attributes:
        inputs: The inputs of the model.
        tell: Called with a message at the first labels.
        is_told: Whether it was called.
    """

    inputs: Sequence[ModelInput]
    tell: Callable[[str], None]
    is_told: bool = False

    def split(self, feed: object) -> tuple[object, list[object]]:
        """The data of an item, and its labels; no labels if it is unclear what is data."""
        if isinstance(feed, Mapping):
            return self._of_dict(cast(Mapping[object, object], feed))
        if not isinstance(feed, (tuple, list)):
            return feed, []
        values, count = list(cast(Sequence[object], feed)), len(self.inputs)
        if len(values) > 1 and self._is_whole(values[0]):
            self._tell_once(f"the first of {len(values)} elements is used")
            data, labels = self.split(values[0])
            return data, [*labels, *values[1:]]
        if len(values) > count and self._is_whole(values[:count]):
            first = "the first" if count == 1 else f"the first {count}"
            self._tell_once(f"{first} of {len(values)} elements {'is' if count == 1 else 'are'} used")
            return values[:count], values[count:]
        return cast(object, feed), []

    def _of_dict(self, feed: Mapping[object, object]) -> tuple[object, list[object]]:
        names = frozenset[object]().union(*(each.names for each in self.inputs))
        if not self._is_whole(feed) or names >= feed.keys():
            return feed, []
        labels = [key for key in feed if key not in names]
        self._tell_once(f"{', '.join(map(repr, labels))} {'is' if len(labels) == 1 else 'are'} not used")
        return {key: feed[key] for key in feed if key in names}, [feed[key] for key in labels]

    def _is_whole(self, feed: object) -> bool:
        """Whether a dict or a sequence has an array for each input."""
        if isinstance(feed, Mapping):
            keys = cast(Mapping[str, object], feed).keys()
            return all(each.names & keys for each in self.inputs)
        values = list(cast(Sequence[object], feed)) if isinstance(feed, (tuple, list)) else []
        return len(values) == len(self.inputs) and all(map(_takes, self.inputs, values))

    def _tell_once(self, what: str) -> None:
        if not self.is_told:
            self.is_told = True
            self.tell(f"samples hold more than the model takes ({', '.join(map(str, self.inputs))}): {what}")


def _takes(model: ModelInput, value: object) -> bool:
    """Whether an array is one sample of an input, or a batch."""
    shape = shape_of(value)
    return shape is not None and (takes_shape(model, shape) or is_batch(model, shape))
