"""The calibration run: every statistic that later passes ask for, from one pass over the data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..ir import Array, Graph, Node
from .attach_statistics import AttachStatistics, statistic_size
from .base import Context, Fact, NoRequests
from .runtime import THROUGHPUT, Engine
from .samples import DataError, Feed, HeldOut, Sample, checked_feed, model_inputs, numbered
from .statistics import Numbers, Statistics

#: The share of the samples that is kept out of the statistics, to check the result, and how many at most.
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 32
_GOLDEN_RATIO = (5**0.5 - 1) / 2


def is_held_out(index: int) -> bool:
    """Whether the sample of that number is kept for the check: 8, 21, 29, 34, 42, 55, ...

    Multiples of the golden ratio spread evenly and hit every residue of every period alike (Weyl's theorem), so that
    data sorted in any regular way, e.g. one sample of each class in turn, lose a fair share of each kind.
    """
    return index * _GOLDEN_RATIO % 1 >= 1 - HELD_OUT_SHARE


@dataclass(frozen=True)
class Calibrate(NoRequests):
    """Measures what the passes up to the next calibration requested: one compilation, one run over the data.

    The graph stays as it is; the numbers go to `Context.statistics`, those of the float model on held-out samples to
    `Context.held_out`. Memory does not depend on the number of samples but for a few numbers each.
    """

    name: ClassVar[str] = "calibrate"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Changes nothing."""
        wanted = tuple(sorted(context.wanted, key=lambda each: each.place))
        instrumented = graph.copy()
        AttachStatistics(wanted).run(instrumented, context)
        engine = Engine(instrumented, THROUGHPUT)
        run = _Run(len(graph.in_file_order("Result")), context)
        engine.run(run.feeds(graph), run.take)
        rows = run.finished()
        ends = np.cumsum([statistic_size(graph, each) for each in wanted])
        parts: Sequence[Numbers] = np.split(rows, ends[:-1], axis=1) if wanted else ()
        context.statistics = Statistics(dict(zip(wanted, parts, strict=True)), len(rows))
        _refuse_non_finite(graph, context.statistics, run.labels)
        return 0


@dataclass
class _Run:
    """The state of one run over the data."""

    outputs: int
    context: Context
    rows: dict[int, Numbers] = field(default_factory=dict[int, Numbers])
    labels: list[str] = field(default_factory=list[str])
    held_out: dict[int, HeldOut] = field(default_factory=dict[int, HeldOut])

    def feeds(self, graph: Graph) -> Iterator[tuple[Sample, Feed]]:
        """The samples to run, checked; stops after as many as the configuration allows."""
        inputs, most, expected = model_inputs(graph), self.context.config.samples, self.context.expected
        total = most if expected is None else min(most, expected)
        for index, sample in enumerate(numbered(self.context.samples)):
            if index == most:
                return
            feed = checked_feed(sample, inputs)
            if is_held_out(index) and len(self.held_out) < HELD_OUT_MOST:
                kept = {name: array.copy() for name, array in feed.items()}  # a source may fill one buffer again
                self.held_out[index] = HeldOut(Sample(sample.label, None), kept, [])
            self.labels.append(sample.label)
            self.context.progress("calibrating", index, total)
            yield sample, feed

    def take(self, index: int, outputs: list[Array]) -> None:
        """Keeps what an inference gave."""
        if index in self.held_out:
            self.held_out[index].outputs.extend(output.copy() for output in outputs[: self.outputs])
        elif len(outputs) > self.outputs:
            self.rows[index] = outputs[-1].copy()

    def finished(self) -> Numbers:
        """The statistics, one sample a row."""
        if not self.labels:
            message = "the calibration data are empty: at least one sample is needed"
            raise DataError(message)
        self.context.progress("calibrating", len(self.labels), len(self.labels))
        self.context.held_out = [self.held_out[index] for index in sorted(self.held_out)]
        self.labels = [self.labels[index] for index in sorted(self.rows)]
        return (
            np.stack([self.rows[index] for index in sorted(self.rows)]) if self.rows else np.empty((0, 0), np.float32)
        )


def _refuse_non_finite(graph: Graph, statistics: Statistics, labels: list[str]) -> None:
    """A range made of NaN or Inf would ruin the model silently."""
    for wanted, numbers in statistics.values.items():
        bad = ~np.isfinite(numbers).all(axis=1)
        if bad.any():
            node = Node(graph, wanted.node)
            message = f"{labels[int(bad.argmax())]}: the float model gives NaN or Inf at {node}; leave the sample out"
            raise DataError(message)
