"""How close the outputs of one model are to those of another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...ir import Array, Graph
from ..analysis.agreement import Tally, agreements_of
from ..analysis.outputs import Outputs, find_outputs
from ..runtime.engine import INSPECTION, Engine
from ..runtime.samples import PreparedSample
from .matching import match_outputs, match_taps, untapped


@dataclass
class OutputProbe:
    """Two models, ready to run, and what their outputs sum up to.

    Attributes:
        models: They, with what is compared instead of selected boxes as further outputs.
        engines: Both, compiled.
        outputs: What those of the first are.
        order: For each tensor that the first gives, which of the second's it is.
        warnings: What to know of the comparison.
        tallies: The sums over the samples so far, by the numbers of the tensors.
    """

    models: tuple[Graph, Graph]
    engines: tuple[Engine, Engine]
    outputs: Outputs
    order: Sequence[int]
    warnings: tuple[str, ...] = ()
    tallies: dict[int, Tally] = field(default_factory=dict[int, Tally])

    @classmethod
    def of(cls, first: Graph, second: Graph) -> "OutputProbe":
        """The probe of the outputs of two models.

        Raises:
            ComparisonError: they do not give as many outputs.
        """
        order, outputs = match_outputs(first, second), find_outputs(first)
        taps, warnings = match_taps(outputs, second), tuple[str, ...]()
        if taps is None:
            lost = outputs.taps[0].node.type
            warnings = (f"the second model does not have the first's {lost}: what it decides is compared as it comes",)
            outputs, taps = untapped(outputs), ()
        models = outputs.tapped(first), replace(outputs, taps=taps).tapped(second)
        order += range(len(order), len(order) + len(taps))
        return cls(models, (Engine(models[0], INSPECTION), Engine(models[1], INSPECTION)), outputs, order, warnings)

    def add(self, items: tuple[PreparedSample, PreparedSample]) -> tuple[list[Array], list[Array]]:
        """Runs both on a sample; gives what they gave."""
        first, second = (engine.outputs(item) for engine, item in zip(self.engines, items, strict=True))
        self._add(first, second, self.tallies)
        return first, second

    def ratio(self, first: Sequence[Array], second: Sequence[Array]) -> float:
        """The lowest signal-to-noise ratio of what the models gave for one sample."""
        tallies: dict[int, Tally] = {}
        self._add(first, second, tallies)
        return min(each.sqnr for each in agreements_of(self.outputs, tallies))

    def _add(self, first: Sequence[Array], second: Sequence[Array], tallies: dict[int, Tally]) -> None:
        for number in {number for output in self.outputs.each for number in output.tensors}:
            tallies.setdefault(number, Tally()).add(first[number], second[self.order[number]])
