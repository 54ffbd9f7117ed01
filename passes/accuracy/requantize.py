"""Quantizes again from one calibration: with other options, or with some layers reverted to float."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...ir import Array, Graph, Scope
from ..analysis.agreement import Verdict
from ..analysis.outputs import Outputs
from ..calibration.measurement import Measurement, StatisticsCollector, kept_of
from ..calibration.reading import CalibrationSample
from ..evaluation.verify_execution import VerifyExecution
from ..infra.base import Context, Fact, Pass
from ..infra.manager import PassManager
from ..options.config import QuantizationConfig
from ..statistics.batch import batched_tensors
from ..statistics.derivations import Derivations
from ..statistics.request import Numbers, Request, Statistics, Store, find_recipes
from ..transforms.plan_placement import PlanPlacement
from ..transforms.restore_attention import RestoreAttention
from .device import Run, enough, run_with

if TYPE_CHECKING:  # most runs watch no pass
    from ..infra.instruments import Instrument

#: An operation: the body that it is in, and its id.
Key = tuple[Scope, int]
_HOLDS = frozenset({Fact.NORMALIZED, Fact.MEASURED, Fact.AS_MEASURED})


@dataclass(frozen=True)
class Attempt:
    """A quantized model.

    Attributes:
        graph: The model.
        context: The context after its passes, with its check.
        config: Its options.
        reverted_to_float: The operations that were reverted to float -> why.
    """

    graph: Graph
    context: Context
    config: QuantizationConfig
    reverted_to_float: Mapping[Key, str]

    @property
    def margin(self) -> float:
        """The distance of its worst output above its floor, in dB."""
        return self.context.check.margin

    @property
    def margin_to_good(self) -> float:
        """The distance of its worst output above the good level, in dB, as far as outputs can be compared."""
        outputs = self.context.check.outputs or ()
        return min(
            (each.above_good_on_samples for each in outputs if each.verdict is not Verdict.UNKNOWN), default=math.inf
        )

    @property
    def ratio_margin(self) -> float:
        """How far the ratio of its worst output lies above its floor, in dB: decisions, which are few, do not count."""
        outputs = [each for each in self.context.check.outputs or () if not math.isnan(each.sqnr)]
        return min((each.sqnr - each.levels.floor for each in outputs), default=self.margin)

    @property
    def is_good(self) -> bool:
        """Whether no output is worse than good on these samples, as far as outputs can be compared.

        Another model does not make up for few samples, so that their number does not count. Nor does it for an output
        that is at most fair, since its ratio is only a bound.
        """
        outputs = self.context.check.outputs or ()
        exact = (each for each in outputs if not each.is_bound)
        return self.margin >= 0 and not any(each.on_samples is Verdict.FAIR for each in exact)


@dataclass
class CalibratedModel:
    """A float model with its statistics; as an instrument, it copies them while the first quantized model is made.

    Attributes:
        pipeline: The passes for some options.
        context: The context of the run.
        graph: The model after calibration.
        warnings: Messages to the user about every model that is made from it: warnings up to the calibration, and
            layers that are left float.
        is_default: Whether all passes are irquant's own, which may run for two models at the same time.
    """

    pipeline: Callable[[QuantizationConfig], Sequence[Pass]]
    context: Context
    graph: Graph | None = None
    warnings: list[str] = field(default_factory=list[str])
    is_default: bool = False
    _floats: dict[tuple[tuple[str, str], ...], Run] = field(default_factory=dict[tuple[tuple[str, str], ...], Run])

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Keeps a copy when the statistics are measured."""
        yield
        if Fact.MEASURED in pass_.establishes:
            self.graph, self.warnings = graph.copy(), list(self.context.warnings)

    @property
    def clips(self) -> bool:
        """Whether the model itself clips activations, as a ReLU6 does."""
        assert self.graph is not None, "a pipeline that quantizes has a pass that measures"
        return any(self.graph.nodes("Clamp"))

    def float_model(self) -> Graph:
        """The result of a run without rounding."""
        assert self.graph is not None, "a pipeline that quantizes has a pass that measures"
        graph = self.graph.copy()
        RestoreAttention().run(graph, self.context.again(self.context.config, {}))
        return graph

    def float_outputs(self, config: dict[str, str]) -> Run:
        """The float model's outputs with these properties on the samples of the check; runs once for each."""
        key = tuple(sorted(config.items()))
        if key not in self._floats:
            tapped = self.context.outputs.tapped(self.float_model())
            self._floats[key] = run_with(config, tapped, enough(self.context.calibration.probes))
        return self._floats[key]

    def attempt(self, config: QuantizationConfig, reverted_to_float: Mapping[Key, str]) -> Attempt:
        """Quantizes the model with these options, and checks the result on the runtime."""
        graph, context = self.rounded(config, reverted_to_float)
        VerifyExecution().run(graph, context)
        return Attempt(graph, context, config, reverted_to_float)

    def rounded(
        self,
        config: QuantizationConfig,
        reverted_to_float: Mapping[Key, str],
        *,
        hiding: bool = True,
        instruments: "Sequence[Instrument]" = (),
    ) -> tuple[Graph, Context]:
        """The model after all passes, watched by instruments, and the context after them.

        Args:
            config: The options.
            reverted_to_float: The operations that are reverted to float -> why.
            hiding: Whether passes that hide the rounding of operations run, too.
            instruments: The instruments that watch the passes.
        """
        assert self.graph is not None, "a pipeline that quantizes has a pass that measures"
        graph, tail = self.graph.copy(), [pass_ for pass_ in self._tail(config) if hiding or not pass_.hides_rounding]
        context = self.context.again(config, reverted_to_float)
        context.warnings += self.warnings
        context.readers = tail
        PlanPlacement().run(graph, context)
        context.plan = context.as_measured(context.plan, graph)
        wanted = frozenset(each for pass_ in tail for each in pass_.requests(graph, context))
        context.statistics = _answering(context.statistics, wanted, graph, context)
        PassManager(tail, instruments, _HOLDS | {Fact.PLANNED}).run(graph, context)
        return graph, context

    def _tail(self, config: QuantizationConfig) -> Iterator[Pass]:
        """The passes after the one that measures."""
        passes = iter(self.pipeline(config))
        for pass_ in passes:
            if Fact.MEASURED in pass_.establishes:
                break
        return passes


def _answering(statistics: Statistics, wanted: Iterable[Request], graph: Graph, context: Context) -> Statistics:
    """The statistics, extended for requests that they were not measured for.

    If FakeQuantizes move to other tensors, some statistics may not follow from the measured ones. The rest is measured
    on the held-out samples, or else on the first ones: they are in memory.
    """
    wanted = frozenset(each for each in wanted if each.scope not in statistics.unseen)
    derive = Derivations(graph, batched_tensors(graph))
    known = set(statistics.measured)
    missing = frozenset(each for each in wanted if find_recipes([each], known, derive) is None)
    store = _joined(statistics.measured, _measured(missing, graph, context)) if missing else statistics.measured
    recipes = find_recipes(wanted, set(store), derive)
    assert recipes is not None, "the rest was measured"
    return replace(statistics, measured=store, recipes=recipes)


def _measured(wanted: frozenset[Request], graph: Graph, context: Context) -> Store:
    measurement = Measurement.of(graph, wanted)
    harvest = StatisticsCollector(measurement)
    jobs = (
        CalibrationSample(each.sample, each.feed, is_held_out=False, past=each.past)
        for each in context.calibration.compared
    )

    def take(job: CalibrationSample, outputs: list[Array]) -> None:
        harvest.take(job, kept_of(outputs, measurement.blocks, job))

    _, engine = measurement.compiled(context, Outputs())
    engine.run(jobs, take)
    return harvest.statistics().measured


def _joined(*stores: Store) -> dict[Request, Numbers]:
    return {each: store[each] for store in stores for each in store}
