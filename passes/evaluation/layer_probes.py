"""How far each layer of one model is from the same layer of another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...ir import DYNAMIC, Array, Builder, Graph, Node
from ...ir.ops import output_channel_axis
from ..runtime.engine import EMULATION, INSPECTION, Engine
from ..runtime.samples import PreparedSample
from .channel_sums import ChannelSums
from .matching import LayerPair
from .output_probe import OutputProbe
from .verify_execution import int8_layers

#: Most bytes of one sample's layers to hold at once, of each model.
_MOST_BYTES = 1 << 28
_NAME = "irquant/compared"
#: By how many dB a layer must be closer but for scale to be called rescaled: three quarters of its error are.
_SCALED = 6.0
#: How many dB the outputs may lose by looking at layers, and the ratio from which on nobody cares.
_LOSS, _ENOUGH = 3.0, 60.0


@dataclass(frozen=True)
class LayerError:
    """How far a layer is from the other model's.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        sqnr: 10 log10(signal power / error power) in dB, of what it gives, bias included. Infinite if equal, NaN if the
            sizes differ.
        but_for_scale: The same if each channel may be scaled and shifted: far more than `sqnr` where a quantizer moved
            scales from one layer into the next, which changes no output.
    """

    name: str
    type: str
    sqnr: float
    but_for_scale: float

    @property
    def is_rescaled(self) -> bool:
        """Whether most of the error is one of scale."""
        return self.but_for_scale > self.sqnr + _SCALED


@dataclass(frozen=True)
class LayerProbe:
    """Two models that also give what some of their layers give.

    Attributes:
        pairs: The layers.
        models: Both models with the layers as further outputs.
        engines: Both, compiled.
        sums: Of each layer.
    """

    pairs: Sequence[LayerPair]
    models: tuple[Graph, Graph]
    engines: tuple[Engine, Engine]
    sums: tuple[ChannelSums, ...]

    @classmethod
    def of(cls, pairs: Sequence[LayerPair], models: tuple[Graph, Graph]) -> "LayerProbe":
        """A probe for these layers of two models."""
        tapped = _tapped(models[0], pairs, 0), _tapped(models[1], pairs, 1)
        engines = Engine(tapped[0], INSPECTION), Engine(tapped[1], INSPECTION)
        return cls(pairs, tapped, engines, tuple(ChannelSums(_channel_axis(pair.node)) for pair in pairs))

    def add(self, items: tuple[PreparedSample, PreparedSample]) -> None:
        """Runs both models on a sample."""
        first, second = (engine.outputs(item) for engine, item in zip(self.engines, items, strict=True))
        count = len(self.pairs)
        for sums, one, other in zip(self.sums, first[-count:], second[-count:], strict=True):
            sums.add(one, other)

    def second(self, items: tuple[PreparedSample, PreparedSample]) -> list[Array]:
        """What the second model's own outputs become by looking at its layers."""
        return self.engines[1].outputs(items[1])[: -len(self.pairs)]

    def emulating(self) -> "LayerProbe":
        """The same with the FakeQuantizes of the second model computed in float."""
        return replace(self, engines=(self.engines[0], Engine(self.models[1], EMULATION)))


@dataclass
class LayerProbes:
    """All layers, in groups that fit into memory.

    Looking at a layer keeps the runtime from fusing it with what follows. In int8 that can change what a model computes
    (faults of the CPU plugin: a MatMul behind which a FakeQuantize follows with something in between, a convolution
    without a bias). Whether it does, the first sample shows: the outputs, if they become worse.

    Attributes:
        pairs: The layers.
        outputs: The models as they are.
        probes: The groups; none before the first sample.
        is_emulated: Whether FakeQuantizes of the second model are computed in float, since they must.
    """

    pairs: Sequence[LayerPair]
    outputs: OutputProbe
    probes: list[LayerProbe] = field(default_factory=list[LayerProbe])
    is_emulated: bool = False

    def add(
        self, items: tuple[PreparedSample, PreparedSample], first: Sequence[Array], second: Sequence[Array]
    ) -> None:
        """Takes in a sample.

        Args:
            items: It, as either model takes it.
            first: What the first model gave for it, not being looked at.
            second: What the second gave.
        """
        if self.pairs and not self.probes:
            self._prepare(items, first, second)
        for probe in self.probes:
            probe.add(items)

    def _prepare(
        self, items: tuple[PreparedSample, PreparedSample], first: Sequence[Array], second: Sequence[Array]
    ) -> None:
        self.probes = [LayerProbe.of(group, self.outputs.models) for group in _groups(self.pairs)]
        allowed = min(self.outputs.ratio(first, second), _ENOUGH) - _LOSS
        if any(self.outputs.ratio(first, probe.second(items)) < allowed for probe in self.probes):
            self.is_emulated = True
            self.probes = [probe.emulating() for probe in self.probes]

    def errors(self) -> Iterator[LayerError]:
        """What came out."""
        for probe in self.probes:
            for pair, sums in zip(probe.pairs, probe.sums, strict=True):
                yield LayerError(pair.node.name, pair.node.type, sums.sqnr, sums.sqnr_but_for_scale)

    def warnings(self) -> Iterator[str]:
        """How the errors may differ from those of the model as it runs."""
        if self.is_emulated:
            yield (
                "looking at its layers changes what the second model computes in int8; for their errors its "
                "FakeQuantizes were computed in float"
            )
            return
        known = {pair.twin.name for pair in self.pairs}
        looked_at = {name for probe in self.probes for name in int8_layers(*_second(probe)) & known}
        models, engines = self.outputs.models, self.outputs.engines
        if self.probes and (lost := (int8_layers(models[1], engines[1]) & known) - looked_at):
            yield f"{len(lost)} layers ran in float while they were looked at, '{min(lost)}' for one"


def _second(probe: LayerProbe) -> tuple[Graph, Engine]:
    return probe.models[1], probe.engines[1]


def _channel_axis(node: Node) -> int | None:
    axis, shape = output_channel_axis(node), node.output().shape
    return axis if shape and shape[axis] != DYNAMIC else None


def _tapped(model: Graph, pairs: Sequence[LayerPair], side: int) -> Graph:
    graph = model.copy()
    for pair in pairs:
        tensor = pair.tensors[side]
        Builder(graph).result(Node(graph, tensor.node.id).output(tensor.index), name=_NAME)
    return graph


def _groups(pairs: Sequence[LayerPair]) -> Iterator[Sequence[LayerPair]]:
    """As many layers at a time as there is memory for, going by the sizes that the models state."""
    group: list[LayerPair] = []
    held = 0
    for pair in pairs:
        size = 4 * math.prod(1 if each == DYNAMIC else each for each in pair.node.output().shape)
        if group and held + size > _MOST_BYTES:
            yield group
            group, held = [], 0
        group.append(pair)
        held += size
    if group:
        yield group
