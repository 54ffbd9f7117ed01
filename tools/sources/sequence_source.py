"""Samples that are the steps of sequences, in their order."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

from irquant.passes.runtime.samples import DataError, ModelInput, Sample, Steps
from irquant.passes.runtime.sequences import steps_of


@dataclass(frozen=True)
class SequenceSource:
    """The samples of a source, several of them as the steps of one sequence.

    Attributes:
        source: The samples.
        inputs: The inputs of the model.
        length: How many steps a sequence has; the last one may have fewer. None: all samples are one sequence.
    """

    source: Iterable[Sample]
    inputs: Sequence[ModelInput]
    length: int | None

    def __iter__(self) -> Iterator[Sample]:
        """Reads one sequence after the other.

        Raises:
            DataError: the samples are sequences already.
        """
        samples = iter(self.source)
        for number in count():
            steps = list(islice(samples, self.length))
            if not steps:
                return
            for each in steps:
                if steps_of(each.feed, self.inputs) is not None:
                    message = f"{each.label}: it is a sequence already: leave out --sequences"
                    raise DataError(message)
            yield Sample(f"sequence {number}", Steps([each.feed for each in steps]))

    def __length_hint__(self) -> int:
        """The number of sequences; 0: unknown."""
        steps = operator.length_hint(self.source)
        return -(-steps // (self.length or steps)) if steps else 0
