"""When a measurement ends: after as many samples as it takes, if the user names no number.

It may end after each block of measured samples, in their order, so that the end does not depend on threads or workers.
It ends when all passes say that what they estimate has settled. It never ends early if a pass needs extremes of all
samples, or if the statistics are saved, since other options may use them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...ir import Graph
from ..analysis.standard_errors import SETTLED
from ..infra.base import Context
from ..infra.calibration import Sampling
from ..statistics.request import Statistics
from .reading import CalibrationSample

#: Why the measurement of sequences does not end early.
IN_SEQUENCES = "the steps of a sequence depend on those in front of them"
#: The number of measured samples in a block: a measurement takes one block or more.
BLOCK = 32


@dataclass
class Ending:
    """Decides where a measurement ends.

    Attributes:
        graph: The measured model.
        context: The run.
        why_all: Why it does not end early; empty if it may.
        why_more: Why it did not end after the last block.
        is_reached: Whether the statistics have settled.
        is_over: Whether there are no more samples.
        left: The number of samples that were read but not measured.
    """

    graph: Graph
    context: Context
    why_all: str
    why_more: str = f"fewer than {BLOCK} are not enough"
    is_reached: bool = False
    is_over: bool = False
    left: int = 0

    @classmethod
    def of(cls, graph: Graph, context: Context, *, is_saved: bool) -> "Ending":
        """The ending of a run.

        Args:
            graph: The measured model.
            context: The run.
            is_saved: Whether the statistics are saved.
        """
        if is_saved:
            return cls(graph, context, "the saved statistics serve other options, too")
        reasons = (each.why_all(graph, context) for each in context.readers)
        return cls(graph, context, next(filter(None, reasons), ""))

    @property
    def is_fixed(self) -> bool:
        """Whether the user names the number of samples."""
        return not self.context.config.takes_enough_samples

    @property
    def may_be_early(self) -> bool:
        """Whether the measurement may end before the data."""
        return not self.is_fixed and not self.why_all

    def block(self, samples: Iterable[CalibrationSample]) -> Iterator[CalibrationSample]:
        """The next block: `BLOCK` samples to measure, and the held-out ones among them."""
        measured = 0
        for each in samples:
            yield each
            measured += not each.is_held_out
            if measured == BLOCK:
                return
        self.is_over = True

    def decide(self, statistics: Statistics) -> None:
        """Decides whether the measurement ends after the last block.

        Args:
            statistics: The numbers of all samples so far.
        """
        partial = self.context.knowing(statistics)
        reasons = (each.why_more(self.graph, partial) for each in self.context.readers)
        self.why_more = next(filter(None, reasons), "")
        self.is_reached = not self.why_more

    def held_out(self, samples: Iterable[CalibrationSample]) -> Iterator[CalibrationSample]:
        """The held-out ones of the samples that follow; counts the others."""
        for each in samples:
            if each.is_held_out:
                yield each
            else:
                self.left += 1

    def sampling(self, left: int) -> Sampling:
        """How many samples were measured, and why.

        Args:
            left: The number of samples that were not even read.
        """
        left += self.left
        if self.is_fixed or (self.is_reached and not left):
            return Sampling()
        if not self.is_reached:
            return Sampling(why=f"all are needed: {self.why_all or self.why_more}")
        why = f"the ranges have settled: standard errors below {SETTLED:.0%} of their widths"
        order = "; these are the first, since the data are read in their order: shuffle sorted data"
        return Sampling(left, why + (order if self.left else ""))
