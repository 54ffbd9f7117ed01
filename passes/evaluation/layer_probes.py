"""The error of each layer of one model against the same layer of another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...ir import DYNAMIC, Array, Graph, Node
from ...ir.ops import output_channel_axis
from ..runtime.engine import Engine
from ..runtime.modes import EMULATION, INSPECTION
from ..runtime.samples import PreparedSample
from ..runtime.taps import tap
from .channel_sums import ChannelSums
from .matching import LayerPair
from .output_probe import OutputProbe
from .verify_execution import int8_layers

#: The most bytes of one sample's layers to hold at once, for each model.
_MOST_BYTES = 1 << 28
_NAME = "irquant/compared"
#: The gain in dB of rescaled channels from which a layer counts as rescaled: scale causes three quarters of its error.
_SCALED = 6.0
#: The most dB that the outputs may lose when layers are observed, and the ratio above which losses are ignored.
_LOSS, _ENOUGH = 3.0, 60.0


@dataclass(frozen=True)
class LayerError:
    """The error of a layer against the other model's layer.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        sqnr: 10 log10(signal power / error power) of its output in dB, bias included. Infinite if equal, NaN if the
            sizes differ.
        but_for_scale: The same with each channel scaled and shifted: far more than `sqnr` if a quantizer moved scales
            from one layer into the next, which does not change the model's outputs.
    """

    name: str
    type: str
    sqnr: float
    but_for_scale: float

    @property
    def is_rescaled(self) -> bool:
        """Whether most of the error is a difference in scale."""
        return self.but_for_scale > self.sqnr + _SCALED


@dataclass(frozen=True)
class LayerProbe:
    """Two models with some of their layers as further outputs.

    Attributes:
        pairs: The layers.
        models: Both models with the layers as further outputs.
        engines: Both models, compiled.
        sums: The sums of each layer.
    """

    pairs: Sequence[LayerPair]
    models: tuple[Graph, Graph]
    engines: tuple[Engine, Engine]
    sums: tuple[ChannelSums, ...]

    @classmethod
    def of(cls, pairs: Sequence[LayerPair], models: tuple[Graph, Graph]) -> "LayerProbe":
        """The probe for some layers of two models."""
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
        """The second model's own outputs while its layers are observed."""
        return self.engines[1].outputs(items[1])[: -len(self.pairs)]

    def emulating(self) -> "LayerProbe":
        """The same probe with the FakeQuantizes of the second model computed in float."""
        return replace(self, engines=(self.engines[0], Engine(self.models[1], EMULATION)))


@dataclass
class LayerProbes:
    """All layers, in groups that fit into memory.

    An observed layer is not fused with its successors. In int8 that can change the model's results (faults of the CPU
    plugin: a MatMul that is followed by a FakeQuantize with something in between, a convolution without a bias). The
    first sample shows this: the outputs become worse.

    Attributes:
        pairs: The layers.
        outputs: The models as they are.
        probes: The groups; none before the first sample.
        is_emulated: Whether FakeQuantizes of the second model have to be computed in float.
    """

    pairs: Sequence[LayerPair]
    outputs: OutputProbe
    probes: list[LayerProbe] = field(default_factory=list[LayerProbe])
    is_emulated: bool = False

    def add(
        self, items: tuple[PreparedSample, PreparedSample], first: Sequence[Array], second: Sequence[Array]
    ) -> None:
        """Adds a sample.

        Args:
            items: The sample as input of either model.
            first: The outputs of the first model without observed layers.
            second: The outputs of the second model without observed layers.
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
        """The errors of all layers."""
        for probe in self.probes:
            for pair, sums in zip(probe.pairs, probe.sums, strict=True):
                yield LayerError(pair.node.name, pair.node.type, sums.sqnr, sums.sqnr_but_for_scale)

    def warnings(self) -> Iterator[str]:
        """Reasons why the errors may differ from those of the model as it runs."""
        if self.is_emulated:
            yield (
                "observing its layers changes what the second model computes in int8; their errors were measured with "
                "its FakeQuantizes computed in float"
            )
            return
        known = {pair.twin.name for pair in self.pairs}
        looked_at = {name for probe in self.probes for name in int8_layers(*_second(probe)) & known}
        models, engines = self.outputs.models, self.outputs.engines
        if self.probes and (lost := (int8_layers(models[1], engines[1]) & known) - looked_at):
            yield f"{len(lost)} layers ran in float while they were observed, for example '{min(lost)}'"


def _second(probe: LayerProbe) -> tuple[Graph, Engine]:
    return probe.models[1], probe.engines[1]


def _channel_axis(node: Node) -> int | None:
    axis, shape = output_channel_axis(node), node.output().shape
    return axis if shape and shape[axis] != DYNAMIC else None


def _tapped(model: Graph, pairs: Sequence[LayerPair], side: int) -> Graph:
    graph = model.copy()
    for pair in pairs:
        tensor = pair.tensors[side]
        tap(Node(graph, tensor.node.id).output(tensor.index), name=_NAME)
    return graph


def _groups(pairs: Sequence[LayerPair]) -> Iterator[Sequence[LayerPair]]:
    """Groups of layers that fit into memory, by the sizes that the models state."""
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
