"""The statistics that one run over the data measures, and how they are collected."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from ...ir import Array, Graph, Node
from ..analysis.outputs import Outputs
from ..infra.base import Context
from ..options.config import QuantizationConfig
from ..runtime.core import RuntimeRejectedError
from ..runtime.engine import Engine
from ..runtime.modes import THROUGHPUT
from ..runtime.samples import DataError, PreparedSample, ValidationSample
from ..statistics.batch import batched_tensors
from ..statistics.column_store import ColumnStore
from ..statistics.derivations import Derivations
from ..statistics.request import OF_NOTHING, Derivation, Reduction, Request, Statistics, find_recipes, to_measure
from .attach_statistics import AttachStatistics, Block, blocks
from .measured import MeasuredColumns
from .reading import CalibrationSample
from .sample_order import rank

#: The share of the samples that is kept in memory for a second run, if the configuration needs one; at least the first
#: number of samples, at most the second.
KEPT_SHARE, KEPT_LEAST, KEPT_MOST = 0.2, 16, 64
#: The most bytes of such samples if only the guard may need them.
KEPT_BYTES = 1 << 28
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
_EXTREMES = (Reduction.MIN, Reduction.MAX)
#: Called with each sample and the outputs of its inference that are kept, in the order of the samples.
Take: TypeAlias = Callable[[CalibrationSample, list[Array]], None]
#: Runs samples on the instrumented model.
Runs: TypeAlias = Callable[[Iterable[CalibrationSample], Take], None]


@dataclass
class SampleKeeper:
    """Keeps samples for passes that run the model again, if there are such passes: a fifth of the measured samples.

    The samples of the lowest ranks are kept, which spread evenly over any number of samples (see `rank`). The
    guard may run such a pass, too. It gets `KEPT_LEAST` samples, or as many as fit into `KEPT_BYTES`.

    Attributes:
        config: The options, which say whether there are such passes.
        count: The number of samples to measure, if they are read at even distances; None: in the order of the data.
        kept: Number -> sample.
    """

    config: QuantizationConfig
    count: int | None = None
    kept: dict[int, PreparedSample] = field(default_factory=dict[int, PreparedSample])
    _bytes: int = 0

    def take(self, job: CalibrationSample, index: int) -> None:
        """Keeps a sample if it belongs to the kept ones."""
        is_sequential = self.config.correct_biases == "sequential"
        if job.is_held_out or not (is_sequential or self.config.may_correct_more):
            return
        if not is_sequential and _size(job) > KEPT_BYTES:
            return
        self.kept[index] = job.alone
        self._bytes += _size(job)
        last = max(self.kept, key=self._place)
        enough = KEPT_MOST if is_sequential and self._place(last) < KEPT_SHARE else KEPT_LEAST
        if len(self.kept) > enough:
            self._drop(last)
        while not is_sequential and self._bytes > KEPT_BYTES:
            self._drop(max(self.kept, key=self._place))

    def _drop(self, index: int) -> None:
        self._bytes -= _size(self.kept.pop(index))

    def _place(self, index: int) -> float:
        """The place of a sample in the order of keeping, from 0 to 1.

        Samples that are read at even distances are kept in this order: their lowest ranks would all lie near the
        beginning and the end of the data.
        """
        return rank(index) if self.count is None else index / self.count


def _size(sample: PreparedSample) -> int:
    return sum(each.nbytes for each in sample.feed.values())


@dataclass(frozen=True)
class Measurement:
    """The statistics that are measured, and the derivation of the others.

    Attributes:
        model: The model.
        blocks: The outputs of the instrumented model with the numbers.
        recipes: The derivations of other statistics.
    """

    model: Graph
    blocks: tuple[Block, ...]
    recipes: Mapping[Request, Derivation]

    @classmethod
    def of(cls, graph: Graph, wanted: frozenset[Request]) -> "Measurement":
        """The measurement that answers the requests."""
        batched = batched_tensors(graph)
        derive = Derivations(graph, batched)
        measured = to_measure(wanted, derive)
        recipes = find_recipes(wanted, set(measured), derive)
        assert recipes is not None, "that is what they are measured for"
        watched = sorted({*measured, *_watches(measured)}, key=lambda each: each.place)
        return cls(graph, tuple(blocks(graph, watched, batched)), recipes)

    def instrumented(self, context: Context, outputs: Outputs, *, from_copies: bool = False) -> Graph:
        """A copy of the model that first outputs the numbers, then its own outputs and other compared tensors."""
        copy = self.model.copy()
        AttachStatistics(self.blocks, from_copies=from_copies).run(copy, context)
        outputs.attach(copy)
        return copy

    def compiled(self, context: Context, outputs: Outputs) -> tuple[Graph, Engine]:
        """That copy, and the same compiled.

        If the runtime refuses it, the numbers come from copies of the tensors: then what reads a tensor beside the
        model's own layers is one operation, and always the same.

        Raises:
            RuntimeRejectedError: The runtime also refuses that.
        """
        try:
            found = self.instrumented(context, outputs)
            return found, Engine(found, THROUGHPUT)
        except RuntimeRejectedError:
            found = self.instrumented(context, outputs, from_copies=True)
            return found, Engine(found, THROUGHPUT)


def _watches(measured: Iterable[Request]) -> set[Request]:
    """Means of tensors for which only extremes are measured: the runtime's minimum and maximum ignore NaN."""
    extremes = {replace(each.of(Reduction.MEAN), channel_axis=None) for each in measured if each.reduction in _EXTREMES}
    means = {replace(each, channel_axis=None) for each in measured if each.reduction is Reduction.MEAN}
    return extremes - means


def kept_of(outputs: Sequence[Array], measured: Sequence[Block], job: CalibrationSample) -> list[Array]:
    """The outputs of an inference that are kept.

    These are the rows of each block, except for held-out samples; and the model's outputs for held-out and first
    samples.
    """
    rows = [] if job.is_held_out else [each.rows(output) for each, output in zip(measured, outputs, strict=False)]
    own: Sequence[Array] = outputs[len(measured) :] if job.is_held_out or job.is_first else ()
    return [*(each.copy() for each in rows), *(each.copy() for each in own)]


@dataclass
class StatisticsCollector:
    """Collects the numbers of one run over the data.

    Attributes:
        measurement: The statistics that are measured.
        tables: The rows of each block.
        held_out: The held-out samples.
        first: The first samples that are not held out.
        empty: Samples for which a tensor has no elements, and that tensor's layer; they do not count for ranges.
        empty_inputs: The empty inputs of the first such sample.
        seen: The number of all samples so far.
        have_advanced: Whether a measured sample is a step behind others, so that states had other values than their
            first ones.
    """

    measurement: Measurement
    tables: list[ColumnStore] = field(default_factory=list[ColumnStore])
    held_out: list[ValidationSample] = field(default_factory=list[ValidationSample])
    first: list[ValidationSample] = field(default_factory=list[ValidationSample])
    empty: list[tuple[str, Node]] = field(default_factory=list[tuple[str, Node]])
    empty_inputs: list[str] = field(default_factory=list[str])
    seen: int = 0
    have_advanced: bool = False

    def __post_init__(self) -> None:
        self.tables = [ColumnStore(block.width) for block in self.measurement.blocks]

    def take(self, job: CalibrationSample, kept: list[Array]) -> None:
        """Keeps the outputs of an inference (see `kept_of`).

        Raises:
            DataError: they hold NaN or Inf.
        """
        self.seen += 1
        if job.is_held_out:
            self.held_out.append(job.with_outputs(kept))
            return
        self.have_advanced |= job.past is not None
        kept, outputs = kept[: len(self.tables)], kept[len(self.tables) :]
        if job.is_first:
            self.first.append(job.with_outputs(outputs))
        for block, rows in zip(self.measurement.blocks, kept, strict=True):
            if rows.size and rows.min() > -OF_NOTHING and rows.max() < OF_NOTHING:  # false for NaN, too
                continue
            if not (is_finite := np.isfinite(rows)).all():
                node = self._node(block, is_finite)
                message = f"{job.sample.label}: the float model gives NaN or Inf at {node}; leave the sample out"
                raise DataError(message)
            is_nothing = np.abs(rows) == OF_NOTHING
            if is_nothing.any() or not (len(rows) or block.scope):  # an empty batch; a body that did not run
                self.empty.append((job.sample.label, self._node(block, ~is_nothing)))
                self.empty_inputs += [name for name, each in job.feed.items() if not each.size and len(self.empty) == 1]
                return
        for table, rows in zip(self.tables, kept, strict=True):
            table.append(rows)

    @property
    def measured(self) -> int:
        """The number of samples so far that are not held out."""
        return self.seen - len(self.held_out)

    def _node(self, block: Block, is_good: BoolArray) -> Node:
        """The layer of the first tensor with a number that is not good."""
        is_bad = np.split(~is_good.all(axis=0), np.cumsum(block.sizes)[:-1])
        bad = [each for each, columns in zip(block.requests, is_bad, strict=True) if columns.any()]
        first = min(bad or block.requests, key=lambda each: each.place)  # without rows, all are good
        return first.tensor(self.measurement.model).node

    def statistics(self) -> Statistics:
        """The statistics of all samples.

        Raises:
            DataError: the model leaves a tensor empty for all samples.
        """
        samples = self.measured - len(self.empty)
        if self.empty and not samples:
            label, node = self.empty[0]
            given = f"input {', '.join(map(repr, self.empty_inputs))} is empty, and " if self.empty_inputs else ""
            message = f"{label}: {given}the model leaves {node} empty, as for all samples"
            raise DataError(message)
        both = zip(self.measurement.blocks, self.tables, strict=True)
        unseen = frozenset(block.scope for block, table in both if block.scope and not len(table))
        measured = MeasuredColumns(self.measurement.blocks, self.tables)
        return Statistics(measured, self.measurement.recipes, samples, unseen)
