"""The common quantization job of Python, the command line, the zoo and the demo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from ...ir import Graph
from ..files.model_place import ModelPlace
from ..files.provenance import record_version
from ..files.run_files import RunFile, check_run_files, files_of_passes
from ..infra.base import Pass
from ..infra.progress import Progress, no_progress
from ..options.resolved import ResolvedOptions
from ..reporting.detail import Detail
from ..reporting.report import Origin, Report
from ..reporting.shown_report import ShownResult
from ..tuning.goals import TuningGoals
from .quantize_graph import quantize_graph

if TYPE_CHECKING:  # most runs have no metric
    from ..accuracy.metric_goals import MetricGoals

_Model = TypeVar("_Model")


@dataclass(frozen=True, repr=False)
class QuantizationResult(ShownResult, Generic[_Model]):
    """The result of a quantization.

    Attributes:
        model: The path of the new IR, or a new `openvino.Model`: the same kind as the float model.
        report: The report.
    """

    model: _Model
    report: Report


@dataclass(frozen=True)
class QuantizeJob(Generic[_Model]):
    """A quantization with resolved options, before the model is read.

    Attributes:
        place: The source of the model, and the destination of the result.
        options: The options.
        passes: Another pipeline than the default one.
        reads: Files that are read besides the model and those of passes; only checked if a file is overwritten.
        writes: Files that are written besides the result and those of passes.
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
            UserError: the model cannot be read, or the run would overwrite a file.
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
        goals: "MetricGoals | None" = None,
        tuning: TuningGoals | None = None,
        progress: Progress = no_progress,
        detail: Detail | None = None,
    ) -> QuantizationResult[_Model]:
        """Quantizes the model, checks it, and puts the result in its place, inside `written_together` at its end.

        Args:
            graph: The model from `load`; it is consumed.
            data: See `quantize_model`.
            measuring: The pass that provides the statistics (see `measured_by`).
            goals: The metrics to keep.
            tuning: How to choose layers by measured latency.
            progress: Called during long work.
            detail: How much to measure for a page; None: nothing.

        Raises:
            UserError: model or data are wrong, or the output cannot be written; then nothing was written.
        """
        self.place.check(graph)
        config, warnings = self.options.config, self.options.settings.warnings
        if config.keep_intermediate and self.place.no_intermediate:
            warnings = (*warnings, self.place.no_intermediate)
        watching = self.place.watching(config)
        graph, report = quantize_graph(
            graph,
            data,
            self.options.target,
            config,
            measuring=measuring,
            wanted=goals,
            tuning=tuning,
            passes=self.passes,
            instruments=watching,
            progress=progress,
            warnings=warnings,
            detail=detail,
        )
        report = replace(report, origin=Origin(*self.place.paths, self.options))
        result = QuantizationResult(self.place.put(graph), report)
        for each in watching:
            if each.kept is not None:
                record_version(each.kept)
            each.write()
        return result
