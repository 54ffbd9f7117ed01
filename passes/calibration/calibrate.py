"""The calibration run: measures all statistics that later passes request, in one pass over the data."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ...ir import Array, Graph
from ..analysis.outputs import Outputs, find_outputs
from ..infra.base import Context, Fact, Pass, PipelineError
from ..infra.calibration import Calibration
from ..runtime.data_look import DataLook, fed_line
from ..runtime.samples import model_inputs
from .cluster import cluster_runs
from .ending import IN_SEQUENCES, Ending
from .fingerprint import DataFingerprint
from .known_outputs import known_outputs
from .measurement import Measurement, Runs, SampleKeeper, StatisticsCollector, kept_of
from .measuring_options import SEQUENCES, measuring_options
from .prefetch import prefetched
from .reading import CalibrationSample, Reading, empty_data


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
        harvest, keeper, fingerprint = StatisticsCollector(measurement), SampleKeeper(context.config), DataFingerprint()
        look, ending = DataLook(), Ending.of(graph, context, is_saved=self.save_to is not None)
        most, expected = context.config.samples, context.expected
        total = min(filter(None, (most, expected)), default=None)

        def take(job: CalibrationSample, kept: list[Array]) -> None:
            fingerprint.add(job, look.add(job.feed, continues=job.past is not None))
            keeper.take(job, harvest.seen)
            harvest.take(job, kept)
            is_beyond = total is not None and harvest.seen > total  # items that hold several samples
            context.progress("calibrating", harvest.seen, None if is_beyond else total)

        with self._running(measurement, context, outputs) as run:
            reading = Reading.of(graph, context, look)
            keeper.count = reading.count
            if reading.has_sequences:
                ending.why_all = IN_SEQUENCES
            _measure(reading, ending, harvest, lambda samples: run(samples, take))
        if not harvest.seen:
            raise empty_data(context.samples)
        statistics, held_out, first = harvest.statistics(), harvest.held_out, harvest.first
        unread = (reading.count or harvest.measured) - harvest.measured
        outputs = known_outputs(outputs, graph, held_out or first)
        found = Calibration(statistics, outputs, held_out, first, keeper.kept, str(fingerprint), look)
        fed = fed_line(look, context.samples, model_inputs(graph))
        have_advanced = harvest.have_advanced
        context.take_over(replace(found, sampling=ending.sampling(unread), fed=fed, have_advanced=have_advanced))
        context.plan = context.as_measured(context.plan, graph)
        if harvest.empty:
            (label, node), count = harvest.empty[0], len(harvest.empty)
            context.warnings.append(
                f"{count} samples do not count for ranges: for example, {label} leaves {node} empty"
            )
        if self.save_to:
            from ..statistics.file import save_statistics  # here: most runs save none

            origin = {"model": context.model_fingerprint, "data": str(fingerprint), "fed": fed}
            options = measuring_options(context) | ({SEQUENCES: "true"} if have_advanced else {})
            save_statistics(self.save_to, context.statistics, graph, **origin, options=options)
        return 0

    @contextmanager
    def _running(self, measurement: Measurement, context: Context, outputs: Outputs) -> Generator[Runs]:
        """Runs the model on the cluster, or here."""
        blocks = measurement.blocks
        instrumented, engine = measurement.compiled(context, outputs)
        if self.cluster:
            with cluster_runs(self.cluster, instrumented, blocks) as run:
                yield run
            return
        yield lambda items, take: engine.run(items, lambda job, outputs: take(job, kept_of(outputs, blocks, job)))


def _measure(
    reading: Reading, ending: Ending, harvest: StatisticsCollector, run: Callable[[Iterable[CalibrationSample]], None]
) -> None:
    """Runs all samples, or blocks of them until the measurement may end and then the held-out ones."""
    if not ending.may_be_early:
        with prefetched(reading.all) as ready:
            run(ready)
        return
    with prefetched(reading.samples) as ready:
        while not ending.is_reached and not ending.is_over:
            run(ending.block(ready))
            if not ending.is_over and harvest.measured > len(harvest.empty):
                ending.decide(harvest.statistics())
        if not reading.is_spread:
            run(ending.held_out(ready))
    with prefetched(reading.held_out) as ready:
        run(ready)


def _refuse_without_ranges(graph: Graph) -> None:
    """Refuses a graph with a FakeQuantize without ranges, which no runtime runs."""
    for each in graph.walk():
        for node in each.in_file_order("FakeQuantize"):
            if len(node.inputs) < 5:
                message = (
                    f"'calibrate' runs the model, but {node} has no ranges yet: put it before 'insert-fake-quantize'"
                )
                raise PipelineError(message, Calibrate.name, node)
