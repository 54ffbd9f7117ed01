"""The user's metrics, and how a run measures them."""

from dataclasses import dataclass
from pathlib import Path

from ...ir import Graph
from ...targets import Target
from ...targets.target import HERE
from ..infra.progress import Progress
from ..options.accuracy import AccuracyOptions
from ..options.config import QuantizationConfig
from .evaluations import Judge, Watch, unwatched
from .journal import Journal
from .metrics import Metric


@dataclass(frozen=True)
class MetricGoals:
    """The metrics that a run keeps within their limits.

    Attributes:
        metrics: The metrics; empty: nothing is measured.
        resume: The file that keeps the measurements.
        watch: Called with each model that was measured.
    """

    metrics: tuple[Metric, ...] = ()
    resume: Path | None = None
    watch: Watch = unwatched

    def judge(self, graph: Graph, target: Target, config: QuantizationConfig, progress: Progress) -> Judge:
        """Measures the float model."""
        options, journal = config.accuracy or AccuracyOptions(), Journal.read(self.resume)
        is_here = target.device == HERE
        return Judge.of(graph, self.metrics, options, journal, is_here=is_here, watch=self.watch, progress=progress)
