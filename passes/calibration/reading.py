"""Reads the samples of a run: which ones, in which order, without labels, checked against the model."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ...ir import Graph
from ..infra.base import Context
from ..infra.calibration import MOST_PROBES, PROBES
from ..options.config import ENOUGH_SAMPLES
from ..runtime.data_look import DataLook
from ..runtime.samples import DataError, ModelInput, PreparedSample, Sample, checked_feed, has_states, model_inputs
from ..runtime.sequences import in_sequence, split_steps, steps_of
from .labels import LabelFilter
from .sample_order import FEWEST, HeldOutSteps, Spread, held_out, measured_steps
from .split_batches import TakesOne, split_batch
from .subset import chosen_samples
from .tables import rows_of
from .transformed import Transformed

#: Samples of at most so many bytes are also kept up to `MOST_PROBES`, larger ones up to `PROBES`.
_SMALL = 1 << 18


@dataclass(frozen=True)
class CalibrationSample(PreparedSample):
    """A sample to be run.

    Attributes:
        is_held_out: Whether the model's outputs are needed instead of statistics.
        is_first: Whether both are needed.
    """

    is_held_out: bool
    is_first: bool = False


@dataclass(frozen=True)
class Reading:
    """The samples of a run, in their order; each part can be iterated once.

    Attributes:
        samples: The samples to measure. Held-out ones are among them if the data are read in their own order.
        held_out: The held-out samples that otherwise follow.
        count: The number of parts that hold the samples to measure; None: the data are read in their own order.
        has_sequences: Whether they are steps of sequences, which depend on one another.
    """

    samples: Iterator[CalibrationSample]
    held_out: Iterator[CalibrationSample]
    count: int | None
    has_sequences: bool = False

    @classmethod
    def of(cls, graph: Graph, context: Context, look: DataLook) -> "Reading":
        """The samples that the options select.

        Args:
            graph: The model.
            context: The run, with data and options.
            look: Gets what is left out of the items.

        Raises:
            DataError: the data are not samples, or the first sample does not fit.
        """
        data = rows_of(() if context.samples is None else context.samples)
        inputs = model_inputs(graph)
        size = getattr(data, "batch_size", None)
        splitting = _Splitting(inputs, LabelFilter(inputs, look), size, TakesOne(graph), has_states(graph))
        is_free = context.config.takes_enough_samples and not context.config.shuffle
        spread = Spread.of(data, ENOUGH_SAMPLES) if is_free else None
        items = chosen_samples(data, context.config)
        if splitting.has_states:
            given = spread.samples(range(len(spread.places))) if spread else items
            first = list(itertools.islice(given, 1))
            if first and steps_of(first[0].feed, inputs):
                return _in_sequences(itertools.chain(first, given), splitting)
            items = items if spread else itertools.chain(first, given)
        return (spread and _spread(spread, splitting)) or _in_their_order(items, splitting, context)

    @property
    def is_spread(self) -> bool:
        """Whether the samples come from all over the data, and not from their beginning."""
        return self.count is not None

    @property
    def all(self) -> Iterator[CalibrationSample]:
        """The samples to measure and the held-out ones."""
        return itertools.chain(self.samples, self.held_out)


def empty_data(data: object) -> DataError:
    """The error to raise if some data gave no sample."""
    source = data.data if isinstance(data, Transformed) else data
    kind = type(source).__name__
    once = f"; a {kind} can be read only once: make a new one, or a list" if isinstance(source, Iterator) else ""
    return DataError(f"the calibration data are empty: at least one sample is needed{once}")


@dataclass(frozen=True)
class _Splitting:
    """Makes samples of the items of the data: leaves out labels, and splits batches.

    Attributes:
        inputs: The inputs of the model.
        labels: Knows what is a label.
        batch_size: The number of samples that a loader puts into an item; None: unknown.
        takes_one: Whether the model takes one sample of these shapes at the inputs of these numbers.
        has_states: Whether the model has states, so that an item may be a sequence of steps.
    """

    inputs: list[ModelInput]
    labels: LabelFilter
    batch_size: int | None
    takes_one: Callable[[Mapping[int, tuple[int, ...]]], bool]
    has_states: bool

    def split(self, items: Iterable[Sample]) -> Iterator[Sample]:
        """The samples of the items."""
        for item in items:
            if self.has_states and steps_of(item.feed, self.inputs) is not None:
                message = f"{item.label} is a sequence of steps, and the first sample is a single step: give one kind"
                raise DataError(message)
            feed, labels = self.labels.split(item.feed)
            yield from split_batch(Sample(item.label, feed), self.inputs, labels, self.batch_size, self.takes_one)

    def sequences(self, items: Iterable[Sample]) -> Iterator[list[CalibrationSample]]:
        """The steps of each sequence, as if none was held out; a sample that is none is its only step."""
        number = itertools.count()
        for item in items:
            given = split_steps(item, self.inputs)
            fed = (Sample(each.label, self.labels.split(each.feed)[0]) for each in given)
            yield in_sequence(self.checked(each, next(number), is_held_out=False) for each in fed)

    def checked(self, sample: Sample, index: int, *, is_held_out: bool) -> CalibrationSample:
        """A sample that fits the model; a copy, since a source may reuse one buffer and samples are read ahead."""
        feed = {name: array.copy() for name, array in checked_feed(sample, self.inputs).items()}
        most = MOST_PROBES if sum(array.nbytes for array in feed.values()) <= _SMALL else PROBES
        is_first = not is_held_out and index < most
        return CalibrationSample(Sample(sample.label, None), feed, is_held_out, is_first)


def _in_their_order(items: Iterable[Sample], splitting: _Splitting, context: Context) -> Reading:
    """The first samples, or those that are drawn; the held-out ones are among them."""

    def read() -> Iterator[CalibrationSample]:
        chosen = itertools.islice(splitting.split(items), context.config.samples)
        for index, (sample, is_held_out) in enumerate(zip(chosen, held_out(), strict=False)):
            yield splitting.checked(sample, index, is_held_out=is_held_out)

    return Reading(read(), iter(()), None)


def _in_sequences(items: Iterable[Sample], splitting: _Splitting) -> Reading:
    """The steps of sequences; whole sequences are held out, or the last steps of few ones."""

    def read() -> Iterator[CalibrationSample]:
        sequences = splitting.sequences(items)
        first = list(itertools.islice(sequences, FEWEST))
        are_few, checked = len(first) < FEWEST, HeldOutSteps.of(len(first))
        for steps, is_held_out in zip(itertools.chain(first, sequences), held_out(), strict=False):
            measured = measured_steps(len(steps)) if are_few else len(steps) * (not is_held_out)
            yield from steps[:measured]
            for each in checked.first_of(steps[measured:]):
                yield replace(each, is_held_out=True, is_first=False)

    return Reading(read(), iter(()), None, has_sequences=True)


def _spread(spread: Spread, splitting: _Splitting) -> Reading | None:
    """Samples from all over the data; None if the data hold batches."""
    number, *numbers = spread.measured
    first = list(itertools.islice(splitting.split(spread.samples([number])), 2))
    if len(first) != 1:
        return None
    samples = itertools.chain(first, splitting.split(spread.samples(numbers)))
    others = splitting.split(spread.samples(spread.held_out))
    return Reading(
        (splitting.checked(each, index, is_held_out=False) for index, each in enumerate(samples)),
        (splitting.checked(each, 0, is_held_out=True) for each in others),
        len(spread.measured),
    )
