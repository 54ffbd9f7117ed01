"""The calibration run: every statistic that later passes ask for, from one pass over the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...ir import Array, Graph
from ..base import Context, Fact, NoRequests
from ..runtime import THROUGHPUT, Engine
from .attach_statistics import AttachStatistics, Block, blocks
from .batch import batched_tensors
from .derivations import Derivations
from .measured import Measured
from .prefetch import prefetched
from .samples import DataError, Feed, HeldOut, Sample, checked_feed, model_inputs, numbered
from .spool import Spool
from .statistics import Derivation, Numbers, Request, Statistics, find_recipes, to_measure

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
    `Context.held_out`. What no sample reached, a branch of an If, say, leaves the plan. Memory does not depend on the
    number of samples.
    """

    name: ClassVar[str] = "calibrate"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Changes nothing."""
        measurement = Measurement.of(graph, context)
        engine = Engine(measurement.instrumented(context), THROUGHPUT)
        run = _Run(measurement, context)
        with prefetched(run.feeds(graph)) as feeds:
            engine.run(feeds, run.take)
        context.statistics = run.finished()
        context.plan = context.plan.without(context.statistics.unseen)
        return 0


@dataclass(frozen=True)
class Measurement:
    """What is measured, and how the rest follows.

    Attributes:
        model: The model.
        blocks: The outputs of the instrumented model that bring the numbers.
        recipes: How other statistics follow from those.
    """

    model: Graph
    blocks: tuple[Block, ...]
    recipes: Mapping[Request, Derivation]

    @classmethod
    def of(cls, graph: Graph, context: Context) -> "Measurement":
        """What answers the requests in the context."""
        batched = batched_tensors(graph)
        derive = Derivations(graph, batched)
        measured = to_measure(context.wanted, derive)
        recipes = find_recipes(context.wanted, set(measured), derive)
        assert recipes is not None, "that is what they are measured for"
        return cls(graph, tuple(blocks(graph, measured, batched)), recipes)

    def instrumented(self, context: Context) -> Graph:
        """A copy of the model that gives the numbers, before its own outputs."""
        copy = self.model.copy()
        AttachStatistics(self.blocks).run(copy, context)
        return copy


@dataclass
class _Run:
    """The state of one run over the data."""

    measurement: Measurement
    context: Context
    labels: list[str] = field(default_factory=list[str])
    held_out: dict[int, HeldOut] = field(default_factory=dict[int, HeldOut])
    tables: list[Spool] = field(default_factory=list[Spool])
    seen: int = 0

    def __post_init__(self) -> None:
        self.tables = [Spool(block.width) for block in self.measurement.blocks]

    def feeds(self, graph: Graph) -> Iterator[tuple[Sample, Feed]]:
        """The samples to run, checked; stops after as many as the configuration allows."""
        inputs, most = model_inputs(graph), self.context.config.samples
        for index, sample in enumerate(numbered(self.context.samples)):
            if index == most:
                return
            # A copy: a source may fill one buffer again, and it is asked for samples before they are run.
            feed = {name: array.copy() for name, array in checked_feed(sample, inputs).items()}
            label = Sample(sample.label, None)
            if is_held_out(index) and len(self.held_out) < HELD_OUT_MOST:
                self.held_out[index] = HeldOut(label, feed, [])
            yield label, feed

    def take(self, index: int, sample: Sample, outputs: Sequence[Array]) -> None:
        """Keeps what an inference gave."""
        count = len(self.tables)
        self.seen = index + 1
        self.context.progress("calibrating", self.seen, self._total())
        if index in self.held_out:
            self.held_out[index].outputs.extend(output.copy() for output in outputs[count:])
            return
        for block, table, output in zip(self.measurement.blocks, self.tables, outputs[:count], strict=True):
            rows = block.rows(output)
            self._refuse_non_finite(block, rows, sample)
            table.append(rows)

    def _total(self) -> int | None:
        most, expected = self.context.config.samples, self.context.expected
        return None if expected is None else min(most, expected)

    def _refuse_non_finite(self, block: Block, rows: Numbers, sample: Sample) -> None:
        """A range made of NaN or Inf would ruin the model silently."""
        if np.isfinite(rows).all():
            return
        column = int(np.isfinite(rows).all(axis=0).argmin())
        request = block.requests[int(np.searchsorted(np.cumsum(block.sizes), column, side="right"))]
        node = request.tensor(self.measurement.model).node
        message = f"{sample.label}: the float model gives NaN or Inf at {node}; leave the sample out"
        raise DataError(message)

    def finished(self) -> Statistics:
        """The statistics."""
        if not self.seen:
            message = "the calibration data are empty: at least one sample is needed"
            raise DataError(message)
        self.context.held_out = [self.held_out[index] for index in sorted(self.held_out)]
        samples = self.seen - len(self.held_out)
        unseen = {
            block.scope
            for block, table in zip(self.measurement.blocks, self.tables, strict=True)
            if block.scope and not len(table)
        }
        measured = Measured(self.measurement.blocks, self.tables)
        return Statistics(measured, self.measurement.recipes, samples, frozenset(unseen))
