"""The agreement of the outputs of two models."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...ir import Array, Graph
from ..analysis.agreement import Agreement, Tallies
from ..analysis.outputs import Outputs, find_outputs
from ..analysis.random_outputs import may_be_random, random_tensors
from ..runtime.engine import Engine
from ..runtime.modes import INSPECTION
from ..runtime.samples import PreparedSample, ValidationSample
from .matching import match_outputs, match_taps, untapped

#: The number of samples that determine the kinds of the outputs: the most that a calibration holds out.
_SEEN = 32


@dataclass
class OutputProbe:
    """Two models, ready to run, and the sums over their outputs.

    Attributes:
        models: Both models; further outputs hold the tensors that are compared instead of selected boxes.
        engines: Both models, compiled.
        outputs: The kinds of the first model's outputs, as far as its graph shows them.
        order: For each output tensor of the first model, its index in the second.
        warnings: Messages to the user about the comparison.
        waiting: The first samples with the outputs of both models, until they are enough to determine the kinds of the
            outputs.
        tallies: The sums over the samples; None as long as the first ones are waiting.
    """

    models: tuple[Graph, Graph]
    engines: tuple[Engine, Engine]
    outputs: Outputs
    order: Sequence[int]
    warnings: tuple[str, ...] = ()
    waiting: list[tuple[ValidationSample, list[Array]]] = field(
        default_factory=list[tuple[ValidationSample, list[Array]]]
    )
    tallies: Tallies | None = None

    @classmethod
    def of(cls, first: Graph, second: Graph) -> "OutputProbe":
        """The probe of the outputs of two models.

        Raises:
            ComparisonError: the numbers of outputs differ.
        """
        order, outputs = match_outputs(first, second), find_outputs(first)
        taps, warnings = match_taps(outputs, second), tuple[str, ...]()
        if taps is None:
            lost = outputs.taps[0].node.type
            warnings = (
                f"the second model does not have the first's {lost}: the outputs that it decides are compared directly",
            )
            outputs, taps = untapped(outputs), ()
        models = outputs.tapped(first), replace(outputs, taps=taps).tapped(second)
        order += range(len(order), len(order) + len(taps))
        return cls(models, (Engine(models[0], INSPECTION), Engine(models[1], INSPECTION)), outputs, order, warnings)

    def add(self, items: tuple[PreparedSample, PreparedSample]) -> tuple[list[Array], list[Array]]:
        """Runs both models on a sample; returns their outputs."""
        first, second = (engine.outputs(item) for engine, item in zip(self.engines, items, strict=True))
        if self.tallies:
            self.tallies.add(first, self._ordered(second))
            return first, second
        kept = [[each.copy() for each in found] for found in (first, self._ordered(second))]
        self.waiting.append((items[0].with_outputs(kept[0]), kept[1]))
        if len(self.waiting) == _SEEN:
            self.tallies = self._begun()
        return first, second

    def agreements(self) -> list[Agreement]:
        """The agreement of the outputs on the samples so far."""
        return (self.tallies or self._begun()).agreements()

    def ratio(self, first: Sequence[Array], second: Sequence[Array]) -> float:
        """The lowest signal-to-noise ratio of the outputs for one sample."""
        tallies = Tallies(self.outputs)
        tallies.add(first, self._ordered(second))
        return min(each.sqnr for each in tallies.agreements())

    def _begun(self) -> Tallies:
        """The sums over the samples that were waiting."""
        samples = [sample for sample, _ in self.waiting]
        outputs = self.outputs.seen(samples)
        if samples and may_be_random(self.models[0]):
            outputs = outputs.without(random_tensors(self.engines[0], samples[0]))
        tallies = Tallies(outputs)
        for sample, second in self.waiting:
            tallies.add(sample.outputs, second)
        self.waiting.clear()
        return tallies

    def _ordered(self, second: Sequence[Array]) -> list[Array]:
        return [second[number] for number in self.order]
