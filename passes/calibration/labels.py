"""Leaves out labels: a loader yields what a training loop needs, and the inputs of the model decide what is data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...ir import DYNAMIC
from ..runtime.data_look import DataLook
from ..runtime.samples import ModelInput, takes_shape
from ..runtime.shape_hints import fits, shape_of
from .split_batches import is_batch


@dataclass
class LabelFilter:
    """Takes the data out of pairs (data, label) and of dicts with labels.

    Attributes:
        inputs: The inputs of the model.
        look: Gets what is used of the items, at the first labels; and a doubt, if these may be the data.
    """

    inputs: Sequence[ModelInput]
    look: DataLook

    def split(self, feed: object) -> tuple[object, list[object]]:
        """The data of an item, and its labels; no labels if it is unclear what is data."""
        if isinstance(feed, Mapping):
            return self._of_dict(cast(Mapping[object, object], feed))
        if not isinstance(feed, (tuple, list)):
            return feed, []
        values, count = list(cast(Sequence[object], feed)), len(self.inputs)
        if len(values) > 1 and self._is_whole(values[0]):
            self._tell_once(f"the first of {len(values)} elements is used", values[1:], values[0])
            data, labels = self.split(values[0])
            return data, [*labels, *values[1:]]
        if len(values) > count and self._is_whole(values[:count]):
            first = "the first" if count == 1 else f"the first {count}"
            used = f"{first} of {len(values)} elements {'is' if count == 1 else 'are'} used"
            self._tell_once(used, values[count:], values[:count])
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

    def _tell_once(self, what: str, labels: Sequence[object] = (), data: object = ()) -> None:
        if self.look.parts:
            return
        self.look.parts = what
        used = list(cast(Sequence[object], data)) if isinstance(data, (tuple, list)) else [data]
        if {shape_of(each) for each in labels} & {shape for each in used if (shape := shape_of(each))}:
            takes = ", ".join(map(str, self.inputs))
            doubt = "another has the same shape; transform= makes samples of other parts"
            self.look.told.append(f"samples hold more than the model takes ({takes}): {what}, and {doubt}")


def _takes(model: ModelInput, value: object) -> bool:
    """Whether an array is one sample of an input, or a batch, also of another number than the model takes.

    With another number it is refused later, for this reason.
    """
    shape, (count, *rest) = shape_of(value), model.shape or (DYNAMIC,)
    if shape is None:
        return False
    is_other_number = count > 1 and len(shape) > 1 and fits(shape[1:], tuple(rest))
    return takes_shape(model, shape) or is_batch(model, shape) or is_other_number
