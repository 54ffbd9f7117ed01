"""Runs the float model on held-out samples, and keeps the other samples for passes that run the model on them."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Array, Graph
from ..analysis.outputs import find_outputs
from ..analysis.states import first_steps_only, states_with_first_values
from ..infra.base import Context, Pass
from ..infra.calibration import Calibration
from ..runtime.data_look import DataLook
from ..runtime.engine import Engine
from ..runtime.modes import LATENCY
from ..runtime.samples import ValidationSample
from ..statistics.request import Statistics
from .fingerprint import DataFingerprint
from .known_outputs import known_outputs
from .reading import CalibrationSample, Reading, empty_data


@dataclass(frozen=True)
class MeasureOutputs(Pass):
    """Reads all samples, and runs the float model on those that are held out.

    The graph stays unchanged. `Context.calibration` gets the outputs, and all other samples as `kept`.
    """

    name: ClassVar[str] = "measure-outputs"

    def run(self, graph: Graph, context: Context) -> int:
        """Measures the outputs; changes nothing.

        Raises:
            DataError: there are no samples, or the model cannot run one.
        """
        fingerprint, look = DataFingerprint(), DataLook()
        samples = list(Reading.of(graph, context, look).all)
        if not samples:
            raise empty_data(context.samples)
        for each in samples:
            fingerprint.add(each, look.add(each.feed, continues=each.past is not None))
        kept = {index: each.alone for index, each in enumerate(samples) if _is_kept(each)}
        outputs, held_out = find_outputs(graph), list[ValidationSample]()

        def take(job: CalibrationSample, arrays: list[Array]) -> None:
            held_out.append(job.with_outputs([each.copy() for each in arrays]))
            context.progress("running the float model", len(held_out), len(samples) - len(kept))

        if len(kept) < len(samples):
            Engine(outputs.tapped(graph), LATENCY).run((each for each in samples if not _is_kept(each)), take)
        context.warnings += map(str, first_steps_only([] if look.continued else states_with_first_values(graph)))
        outputs = known_outputs(outputs, graph, held_out)
        statistics = Statistics(samples=len(kept))
        context.take_over(Calibration(statistics, outputs, held_out, [], kept, str(fingerprint), look))
        return 0


def _is_kept(sample: CalibrationSample) -> bool:
    return not sample.is_held_out
