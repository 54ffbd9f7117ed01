"""The rows of the table of layers: what each is, what it costs, and how much rounding it costs the outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

from irquant.ir import DYNAMIC
from irquant.passes import Report
from irquant.passes.analysis.layer_times import LayerTime
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.reporting.report import Layer

#: Times within this factor may be noise.
_SLOWER = 1.2


@dataclass(frozen=True)
class LayerRow:
    """A layer, or a rounded operation without arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        layer: The result for it; None for an operation without arithmetic.
        effect: Its sensitivity; None if it is not rounded, or if that was not measured.
        place: Its place in the model.
        order: Its place by sensitivity; operations of unknown sensitivity are last, in the order of the model.
        length: Its share of the error over the largest, from 0 to 1.
        time: Its time; None if unknown.
    """

    name: str
    type: str
    layer: Layer | None
    effect: Effect | None
    place: int
    order: int
    length: float
    time: LayerTime | None

    @property
    def runs(self) -> str:
        """How it runs: "int8", "float", or empty for an operation without arithmetic."""
        return "" if self.layer is None else "int8" if self.layer.is_int8 else "float"

    @property
    def sources(self) -> tuple[str, ...]:
        """The source framework's names for it, where they differ."""
        return self.layer.sources if self.layer else ()

    @property
    def macs(self) -> int:
        """Its multiply-accumulates; 0 if unknown, as for sizes that only the data decide."""
        is_known = self.layer is not None and DYNAMIC not in self.layer.shape[1:]
        return self.layer.multiply_accumulates if self.layer and is_known else 0

    @property
    def shape(self) -> str:
        """The shape of its output."""
        return "x".join("?" if each == DYNAMIC else str(each) for each in self.layer.shape) if self.layer else ""

    @property
    def is_slower(self) -> bool:
        """Whether it takes clearly longer in the quantized model, in all blocks of rounds."""
        return self.time is not None and self.time.is_sure and self.time.after > _SLOWER * self.time.before


def layer_rows(report: Report) -> Iterator[LayerRow]:
    """The rows in the order of the model; operations without arithmetic stand where their ids are."""
    ranks = {(each.scope, each.node): rank for rank, each in enumerate(report.effects, 1)}
    effects = {(each.scope, each.node): each for each in report.effects}
    layers = {(each.scope, each.node): each for each in report.layers}
    times = {name: each for each in (report.latencies.layers if report.latencies else ()) for name in each.names}
    largest = max((each.share for each in report.effects), default=0.0) or 1.0
    for place, key in enumerate(sorted({**layers, **effects})):
        layer, effect = layers.get(key), effects.get(key)
        either = layer or effect
        assert either is not None, "each key is of one of them"
        length = effect.share / largest if effect else 0.0
        time = times.get(either.name) if layer and not layer.scope else None
        order = ranks.get(key, len(ranks) + 1 + place)
        yield LayerRow(either.name, either.type, layer, effect, place, order, length, time)
