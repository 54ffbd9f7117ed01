"""The one way of a model to its quantized form, whoever asks for it: Python, the command line, a zoo, the demo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from ..ir import Graph
from .accuracy.metric_goals import MetricGoals
from .infra.base import Pass
from .infra.run_inputs import Progress, no_progress
from .model_place import ModelPlace
from .options.resolved import ResolvedOptions
from .provenance import record_version
from .quantize_graph import quantize_graph
from .report import Report
from .run_files import RunFile, check_run_files, files_of_passes

_Model = TypeVar("_Model")


@dataclass(frozen=True)
class QuantizationResult(Generic[_Model]):
    """What came of a quantization.

    Attributes:
        model: The path of the new IR, or a new `openvino.Model`: as the float model was given.
        report: What was done and found.
    """

    model: _Model
    report: Report


@dataclass(frozen=True)
class QuantizeJob(Generic[_Model]):
    """A quantization that is resolved as far as that can be without the model.

    Attributes:
        place: Where the model comes from, and where the result goes.
        options: What is wanted.
        passes: Another pipeline than the default one.
        reads: What is read besides the model and what passes name; only looked at if something is written over.
        writes: What is written besides the result and what passes name.
        force: Whether files that irquant did not make may be replaced.
    """

    place: ModelPlace[_Model]
    options: ResolvedOptions
    passes: Sequence[Pass] | None = None
    reads: Iterable[RunFile] = ()
    writes: Iterable[RunFile] = ()
    force: bool = False

    def load(self) -> Graph:
        """Reads the model, for `run`.

        Raises:
            UserError: it cannot be read, or the run would write over something.
        """
        reads, writes = files_of_passes(self.passes or ())
        check_run_files(
            chain(reads, self.place.reads(), self.reads),
            [*self.place.writes(self.options.config), *self.writes, *writes],
            force=self.force,
        )
        return self.place.load()

    def run(
        self,
        graph: Graph,
        data: Iterable[object] | None,
        *,
        measuring: Pass | None = None,
        goals: MetricGoals | None = None,
        progress: Progress = no_progress,
        with_effects: bool = False,
    ) -> QuantizationResult[_Model]:
        """Quantizes the model, checks it, and puts the result in its place, inside `written_together` at its end.

        Args:
            graph: The model that `load` gave; it is used up.
            data: See `quantize_model`.
            measuring: Where statistics come from (see `measured_by`).
            goals: The metrics to keep.
            progress: Told about long work.
            with_effects: Whether the report says what rounding each operation costs.

        Raises:
            UserError: model or data are wrong, or the output cannot be written; nothing was written then.
        """
        self.place.check(graph)
        config, told = self.options.config, self.options.settings.warnings
        if config.keep_intermediate and self.place.no_intermediate:
            told = (*told, self.place.no_intermediate)
        watching = self.place.watching(config)
        graph, report = quantize_graph(
            graph,
            data,
            self.options.target,
            config,
            measuring=measuring,
            wanted=goals,
            passes=self.passes,
            instruments=watching,
            progress=progress,
            warnings=told,
            with_effects=with_effects,
        )
        result = QuantizationResult(self.place.put(graph), report)
        for each in watching:
            if each.kept is not None:
                record_version(each.kept)
            each.write()
        return result
