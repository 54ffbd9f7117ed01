"""The order in which samples are read, and which of them are held out to check the result.

Data may be sorted, and their first samples all of one kind. If the user names no number of samples, data whose parts
can be read in any order give parts at even distances, in the order of the multiples of the golden ratio: the parts that
were read lie evenly over the data at any time (Weyl's theorem). Other data are read from their beginning.

Sequences are held out as samples are. Of fewer than `FEWEST`, none would be: the last steps of each are held out then,
which begin with the states that the steps in front of them leave. Of long sequences, `MOST_STEPS` held-out steps are
used, since their outputs stay in memory: the first ones, and equally many of each if there are few sequences.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, compress, count, islice
from typing import Protocol, TypeVar, runtime_checkable

from ..options.config import ENOUGH_SAMPLES
from ..runtime.samples import Sample
from .subset import Indexed, is_sequence, item_at, sample_of

_Step = TypeVar("_Step")

#: The share of the samples that is held out of the statistics to check the result, and the most samples.
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 32
#: With fewer samples, none is held out.
FEWEST = 9
#: The most steps of sequences that are held out.
MOST_STEPS = 512
_GOLDEN_RATIO = (5**0.5 - 1) / 2


def rank(number: int) -> float:
    """The place of a number in the order of reading, from 0 to 1."""
    return number * _GOLDEN_RATIO % 1


def is_held_out(index: int) -> bool:
    """Whether the sample of that number is held out for the check: 8, 21, 29, 42, 50, 55, ...

    Multiples of the golden ratio spread evenly and hit every residue of every period equally (Weyl's theorem), so that
    data sorted in any regular way, e.g. one sample of each class in turn, lose a fair share of each kind.
    """
    return rank(index) >= 1 - HELD_OUT_SHARE


def held_out() -> Iterator[bool]:
    """For each sample in turn, whether it is held out."""
    most = HELD_OUT_MOST
    for index in count():
        is_one = most > 0 and is_held_out(index)
        most -= is_one
        yield is_one


def measured_steps(count: int) -> int:
    """How many steps at the beginning of a sequence are measured if its last ones are held out.

    Of two steps, both are: the first one alone would show no state but the first.
    """
    return count - max(count > 2, int(HELD_OUT_SHARE * count))


@dataclass
class HeldOutSteps:
    """Chooses the held-out steps of sequences.

    Attributes:
        of_one: How many there may be of one sequence.
        left: How many more there may be.
    """

    of_one: int = MOST_STEPS
    left: int = MOST_STEPS

    @classmethod
    def of(cls, sequences: int) -> "HeldOutSteps":
        """The choice for a number of sequences: of fewer than `FEWEST`, equally many steps of each."""
        return cls(MOST_STEPS // sequences) if 0 < sequences < FEWEST else cls()

    def first_of(self, steps: list[_Step]) -> list[_Step]:
        """The first of the steps of a sequence that may be held out, as many as there may be."""
        chosen = steps[: min(self.of_one, self.left)]
        self.left -= len(chosen)
        return chosen


@runtime_checkable
class Parted(Protocol):
    """Data with parts that can be read in any order; nearly all parts hold one sample."""

    def count_parts(self) -> int:
        """The number of parts; 0: the samples can be read in their own order only."""
        ...

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """The samples of each part, in the given order."""
        ...


@dataclass(frozen=True)
class IndexedParts:
    """Data with a length and an index, whose items are the parts.

    Attributes:
        data: The data.
    """

    data: Indexed

    def count_parts(self) -> int:
        """The number of items."""
        return len(self.data)

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """Each item as a sample."""
        return ((sample_of(self.data, index, item_at(self.data, index)),) for index in order)


@dataclass(frozen=True)
class Spread:
    """Parts at even distances all over the data.

    Attributes:
        parts: The data.
        places: The parts that are used, in the order of the data: part k of m is number floor(k * count / m).
    """

    parts: Parted
    places: tuple[int, ...]

    @classmethod
    def of(cls, data: object, most: int) -> "Spread | None":
        """At most so many parts; None if the data are empty or can be read in their own order only."""
        parts = data if isinstance(data, Parted) else IndexedParts(data) if is_sequence(data) else None
        total = parts.count_parts() if parts else 0
        taken = min(total, most)
        return cls(parts, tuple(number * total // taken for number in range(taken))) if parts and taken else None

    @property
    def held_out(self) -> list[int]:
        """The numbers of the parts that are held out."""
        return list(compress(range(len(self.places)), held_out()))

    @property
    def measured(self) -> list[int]:
        """The numbers of the other parts, in the order in which they are read; the first is 0."""
        return sorted({*range(len(self.places))} - {*self.held_out}, key=rank)

    def samples(self, numbers: Iterable[int]) -> Iterator[Sample]:
        """The samples of some parts."""
        return chain.from_iterable(self.parts.parts_in(self.places[number] for number in numbers))


def some_samples(data: Iterable[Sample], most: int) -> tuple[Iterator[Sample], bool]:
    """At most so many samples; whether they come from all over the data, and not from their beginning.

    Args:
        data: The data, without batches.
        most: The most samples.
    """
    spread = Spread.of(data, max(most, ENOUGH_SAMPLES))
    if spread:
        return spread.samples(sorted(sorted(range(len(spread.places)), key=rank)[:most])), True
    return islice(data, most), False


def held_out_samples(data: Iterable[Sample], most: int | None) -> Iterator[Sample]:
    """The samples of some data that a calibration holds out.

    Args:
        data: The data, without batches.
        most: The number of samples that the user names; None: none is named.
    """
    spread = Spread.of(data, ENOUGH_SAMPLES) if most is None else None
    if spread:
        return spread.samples(spread.held_out)
    return compress(islice(data, most or ENOUGH_SAMPLES), held_out())
