"""Splits batches of a loader into samples if the model takes one sample at a time, or any number.

Each sample counts then, for the size of the subset as well as for the held-out share.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from ...ir import DYNAMIC, Graph
from ..runtime.probe import takes_one_sample
from ..runtime.samples import ModelInput, Sample, brought_here, model_inputs, takes_shape
from ..runtime.shape_hints import shape_of
from .sample_order import Spread

#: An input of so many axes whose first one is dynamic takes batches; with fewer axes, that may be time, or points.
_SURELY_BATCHED = 4


@dataclass(frozen=True)
class TakesOne:
    """Answers whether the model takes one sample at some of its inputs; asks the runtime once, not for each size.

    Attributes:
        graph: The model.
        known: The numbers of inputs -> the answer for the sizes of the first data there.
    """

    graph: Graph
    known: dict[frozenset[int], bool] = field(default_factory=dict[frozenset[int], bool])

    def __call__(self, shapes: Mapping[int, tuple[int, ...]]) -> bool:
        """The answer for samples of these shapes, by the number of the input."""
        inputs = frozenset(shapes)
        if inputs not in self.known:
            self.known[inputs] = takes_one_sample(self.graph, shapes)
        return self.known[inputs]


def unbatched(graph: Graph, data: Iterable[Sample]) -> Iterable[Sample]:
    """The data with their batches split as a calibration splits them; the data themselves if they hold none."""
    inputs, takes_one = model_inputs(graph), TakesOne(graph)

    def split(samples: Iterable[Sample]) -> Iterator[Sample]:
        for each in samples:
            yield from split_batch(each, inputs, takes_one=takes_one)

    spread = Spread.of(data, 1)
    is_single = spread is not None and len(list(islice(split(spread.samples([0])), 2))) == 1
    return data if is_single else split(data)


def split_batch(
    sample: Sample,
    inputs: Sequence[ModelInput],
    labels: Sequence[object] = (),
    batch_size: int | None = None,
    takes_one: Callable[[Mapping[int, tuple[int, ...]]], bool] = lambda _: True,
) -> Iterator[Sample]:
    """The samples in an item of a loader; the item itself if it is no batch.

    Args:
        sample: The item, without labels.
        inputs: The inputs of the model.
        labels: The labels of the item, which may have a row for each sample.
        batch_size: The number of samples that the loader puts into an item; None: unknown.
        takes_one: Whether the model takes one sample of these shapes at the inputs of these numbers: a batch may be
            dynamic there and fixed inside.
    """
    values = _by_input(sample.feed, inputs)
    batched = {each.name for each in inputs if each.name in values and _is_batched(each, values[each.name])}
    counts = {int(cast(Any, values[name]).shape[0]) for name in batched}
    count, several = min(counts, default=0), [each for each in inputs if each.name in batched]
    is_even = len(counts) == 1 and all(each.name in batched or _fits(each, values[each.name]) for each in inputs)
    dynamic = {
        inputs.index(each): (1, *(shape_of(values[each.name]) or ())[1:])
        for each in several
        if (each.shape or ())[:1] == (DYNAMIC,)
    }
    if not is_even or not _is_sure(count, several, labels, batch_size) or (dynamic and not takes_one(dynamic)):
        yield sample
        return
    arrays: dict[str, Any] = {name: brought_here(value) for name, value in values.items()}
    for row in range(count):
        feed = {name: array[row : row + 1] if name in batched else array for name, array in arrays.items()}
        yield Sample(f"{sample.label}, row {row}", feed)


def is_batch(model: ModelInput, shape: tuple[int, ...]) -> bool:
    """Whether an array holds several samples of an input that takes one, or any number."""
    expected = model.shape or ()
    if not shape or not expected or len(shape) != len(expected):
        return False
    if shape[0] < 2 or expected[0] not in (1, DYNAMIC):
        return False
    return takes_shape(model, (1, *shape[1:])) and (model.layout or "N").startswith("N")


def _is_batched(model: ModelInput, value: object) -> bool:
    shape = shape_of(value)
    return shape is not None and is_batch(model, shape)


def _fits(model: ModelInput, value: object) -> bool:
    shape = shape_of(value)
    return shape is not None and takes_shape(model, shape)


def _by_input(feed: object, inputs: Sequence[ModelInput]) -> dict[str, object]:
    """The arrays of a sample by input; empty if the sample has no array for each input."""
    if isinstance(feed, Mapping):
        given = cast(Mapping[object, object], feed)
        found = {each.name: given[name] for each in inputs for name in each.names if name in given}
        return found if len(found) == len(given) == len(inputs) else {}
    values: list[object] = list(cast(Sequence[object], feed)) if isinstance(feed, (tuple, list)) else [feed]
    return {each.name: value for each, value in zip(inputs, values, strict=True)} if len(values) == len(inputs) else {}


def _is_sure(count: int, batched: Sequence[ModelInput], labels: Sequence[object], batch_size: int | None) -> bool:
    """Whether the rows are samples, although an input with a dynamic first axis would take them all at once."""
    if any((each.shape or ())[:1] == (1,) for each in batched):
        return True
    by_label = any((shape_of(each) or ())[:1] == (count,) for each in labels)
    by_loader = batch_size is not None and count <= batch_size
    return by_label or by_loader or all(len(each.shape or ()) >= _SURELY_BATCHED for each in batched)
