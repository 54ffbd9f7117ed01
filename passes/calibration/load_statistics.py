"""Statistics from a file instead of a run over the data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ...ir import Array, Graph, Node, Scope
from ..analysis.outputs import find_outputs
from ..infra.base import Context, Fact, Pass
from ..infra.calibration import Calibration, Sampling
from ..placement.unmeasured import without_unmeasured
from ..runtime.data_look import DataLook
from ..runtime.engine import Engine
from ..runtime.modes import THROUGHPUT
from ..runtime.samples import ValidationSample
from ..statistics.batch import Batches, batched_tensors
from ..statistics.derivations import Derivations
from ..statistics.file import SavedStatistics, StatisticsFileError, open_statistics
from ..statistics.request import Request, Statistics, find_recipes
from .attach_statistics import statistic_size
from .fingerprint import DataFingerprint
from .known_outputs import known_outputs
from .measurement import SampleKeeper
from .measuring_options import SEQUENCES, differences
from .reading import CalibrationSample, Reading


@dataclass(frozen=True)
class LoadStatistics(Pass):
    """Takes the requests of the passes up to the next calibration from a file: no inference.

    If there are data, they must be the same data that were measured; the held-out samples run for the check.
    """

    path: Path

    name: ClassVar[str] = "load-statistics"
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED, Fact.AS_MEASURED})

    def run(self, graph: Graph, context: Context) -> int:
        """Loads the statistics; changes nothing.

        Raises:
            StatisticsFileError: the file belongs to another model or other data, or lacks a statistic.
        """
        graph.track_origins()
        file = open_statistics(self.path)
        if file.header.model != context.model_fingerprint:
            message = f"{self.path}: measured on another model than this one; calibrate this one with data"
            raise StatisticsFileError(message)
        measured, unseen = file.of(graph), file.unseen(graph)
        batched = batched_tensors(graph)
        _check(measured, unseen, graph, batched)
        wanted = [each for each in context.wanted if each.scope not in unseen]
        derive = Derivations(graph, batched)
        recipes = find_recipes(wanted, measured.numbers, derive)
        if recipes is None:
            lacking = (each for each in wanted if find_recipes([each], measured.numbers, derive) is None)
            missing = min(lacking, key=lambda each: (each.scope, each.node, each.port, each.reduction))
            raise StatisticsFileError(self._missing(missing, graph, context, file.header.options))
        have_advanced = SEQUENCES in file.header.options
        context.plan = without_unmeasured(context.plan, graph, unseen, have_advanced=have_advanced)
        planned = [node for node, each in context.plan.decisions.items() if each.int8]
        statistics = Statistics(measured, recipes, file.header.samples, unseen)
        outputs = find_outputs(graph).narrowed(graph, planned)
        found = Calibration(
            statistics,
            outputs,
            data_fingerprint=file.header.data,
            sampling=Sampling(why="all those of the statistics file"),
            fed=file.header.fed,
            have_advanced=have_advanced,
        )
        if context.samples is not None:
            found = self._with_held_out(found, graph, context)
        context.take_over(replace(found, outputs=known_outputs(outputs, graph, found.compared)))
        return 0

    def _missing(self, wanted: Request, graph: Graph, context: Context, saved: Mapping[str, str]) -> str:
        lacks = f"{self.path}: holds no {wanted.reduction} of {wanted.tensor(graph).node}"
        if saved and (others := "; ".join(differences(saved, context))):
            return f"{lacks}, which this run needs: it was saved with {others}; calibrate with these options and data"
        return f"{lacks}, which these options need for target '{context.target.name}'; calibrate with them and data"

    def _with_held_out(self, found: Calibration, graph: Graph, context: Context) -> Calibration:
        """The calibration with the float model's outputs on the samples that the statistics do not include."""
        fingerprint, look = DataFingerprint(), DataLook()
        reading = Reading.of(graph, context, look)
        keeper = SampleKeeper(context.config, reading.count)
        waiting: list[CalibrationSample] = []
        for index, job in enumerate(reading.all):
            fingerprint.add(job, look.add(job.feed, continues=job.past is not None))
            keeper.take(job, index)
            waiting += [job] if job.is_held_out or job.is_first else []
        if str(fingerprint) != found.data_fingerprint:
            message = f"{self.path}: measured on other data, or another number of samples; calibrate on these"
            raise StatisticsFileError(message)

        held_out: list[ValidationSample] = []
        first: list[ValidationSample] = []

        def take(job: CalibrationSample, outputs: list[Array]) -> None:
            samples = held_out if job.is_held_out else first
            samples.append(job.with_outputs([output.copy() for output in outputs]))

        Engine(found.outputs.tapped(graph), THROUGHPUT).run(waiting, take)
        return replace(found, held_out=held_out, first=first, kept=keeper.kept, look=look)


def _check(measured: SavedStatistics, unseen: Collection[Scope], graph: Graph, batched: Batches) -> None:
    """Checks all numbers of tensors that some sample reached.

    Raises:
        StatisticsFileError: some are not results of a calibration.
    """
    for each in measured:
        if each.scope in unseen:
            continue
        node = Node(graph.body_at(each.scope), each.node)
        shape = node.output(each.port).shape if 0 <= each.port < len(node.outputs) else None
        if shape is None or not 0 <= (each.channel_axis or 0) < max(1, len(shape)):
            place = f"output {each.port}, axis {each.channel_axis}"
            message = f"{measured.path}: holds statistics of {place} of {node}, which has none"
            raise StatisticsFileError(message)
        has_batch = each.tensor(graph) in batched and each.channel_axis != 0
        measured.check(each, statistic_size(graph, each, batched=has_batch))
