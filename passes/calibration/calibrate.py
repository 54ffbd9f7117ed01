"""The calibration run: measures all statistics that later passes request, in one pass over the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...ir import Array, Graph
from ..analysis.outputs import find_outputs
from ..infra.base import Context, Fact, Pass, PipelineError
from ..infra.calibration import Calibration
from ..runtime.data_look import DataLook
from ..runtime.engine import THROUGHPUT, Engine
from ..statistics.file import save_statistics
from .cluster import run_on_cluster
from .fingerprint import DataFingerprint
from .known_outputs import known_outputs
from .measurement import CalibrationSample, Measurement, SampleKeeper, StatisticsCollector, jobs, kept_of
from .prefetch import prefetched


@dataclass(frozen=True)
class Calibrate(Pass):
    """Measures the requests of the passes up to the next calibration: one compilation, one run over the data.

    The graph stays unchanged; the statistics go to `Context.calibration`, with the outputs of the float model on
    held-out samples. Parts that no sample reaches (for example a branch of an If) leave the plan. Memory does not
    depend on the number of samples.

    Attributes:
        save_to: The file to write the statistics to.
        cluster: The address of a Dask scheduler whose workers run the model; "local": one process per core here.
    """

    save_to: Path | None = None
    cluster: str | None = None

    name: ClassVar[str] = "calibrate"
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED, Fact.AS_MEASURED})

    def run(self, graph: Graph, context: Context) -> int:
        """Measures the statistics; changes nothing."""
        _refuse_without_ranges(graph)
        graph.track_origins()
        measurement = Measurement.of(graph, context.wanted)
        planned = [node for node, each in context.plan.decisions.items() if each.int8]
        outputs = find_outputs(graph).narrowed(graph, planned)
        instrumented = measurement.instrumented(context, outputs)
        harvest, keeper, fingerprint = StatisticsCollector(measurement), SampleKeeper(context.config), DataFingerprint()
        look = DataLook()
        most, expected = context.config.samples, context.expected
        total = min(most or expected, expected) if expected else None

        def take(job: CalibrationSample, kept: list[Array]) -> None:
            keeper.take(job, harvest.seen)
            harvest.take(job, kept)
            is_beyond = total is not None and harvest.seen > total  # items that hold several samples
            context.progress("calibrating", harvest.seen, None if is_beyond else total)

        with prefetched(jobs(graph, context, fingerprint, look)) as ready:
            if self.cluster:
                run_on_cluster(self.cluster, instrumented, measurement.blocks, ready, take)
            else:
                blocks = measurement.blocks
                Engine(instrumented, THROUGHPUT).run(
                    ready, lambda job, outputs: take(job, kept_of(outputs, blocks, job))
                )
        statistics, held_out, first = harvest.statistics(), harvest.held_out, harvest.first
        outputs = known_outputs(outputs, graph, held_out or first)
        context.take_over(Calibration(statistics, outputs, held_out, first, keeper.kept, str(fingerprint), look))
        context.plan = context.plan.without(context.statistics.unseen)
        if harvest.empty:
            (label, node), count = harvest.empty[0], len(harvest.empty)
            context.warnings.append(
                f"{count} samples do not count for ranges: for example, {label} leaves {node} empty"
            )
        if self.save_to:
            fingerprints = {"model": context.model_fingerprint, "data": str(fingerprint)}
            save_statistics(self.save_to, context.statistics, graph, **fingerprints)
        return 0


def _refuse_without_ranges(graph: Graph) -> None:
    """Refuses a graph with a FakeQuantize without ranges, which no runtime runs."""
    for each in graph.walk():
        for node in each.in_file_order("FakeQuantize"):
            if len(node.inputs) < 5:
                message = (
                    f"'calibrate' runs the model, but {node} has no ranges yet: put it before 'insert-fake-quantize'"
                )
                raise PipelineError(message, Calibrate.name, node)
