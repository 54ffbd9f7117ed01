"""Widens 8-bit integers that the device would skip in front of a FakeQuantize."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...ir import Graph, InPort, Node, element_type
from ...ir.ops import is_constant
from ..infra.base import Context, Fact, Pass

#: The operations that OpenVINO's int8 transformations merge into the FakeQuantize behind, with any types in between.
_MERGED = ("Add", "BatchNormInference", "Clamp", "Convert", "Divide", "Multiply", "ReLU", "Subtract")
_NARROW = ("i8", "u8")
_WIDE = element_type("i32")


@dataclass(frozen=True)
class WidenIntegers(Pass):
    """Converts 8-bit integers to 32 bits before they become floats again.

    The pass does so only if the target says that the device would skip them (`skips_narrow_integers`).

    Given::                                          Result::

        whole: u8 = Convert(x)                           whole: u8 = Convert(x)
        y: f32 = Convert(whole)                          wide: i32 = Convert(whole)
        fq = FakeQuantize(y)                             y: f32 = Convert(wide)
                                                         fq = FakeQuantize(y)
    """

    name: ClassVar[str] = "widen-integers"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Widens each of them."""
        if not context.target.skips_narrow_integers:
            return 0
        rounded = [node for each in graph.walk() for node in each.nodes("FakeQuantize")]
        skipped = dict.fromkeys(port for node in rounded for port in _above(node.input(0)) if _is_skipped(port))
        for port in skipped:
            _widen(port)
        return len(skipped)


def _above(port: InPort) -> Iterator[InPort]:
    """An input and the inputs in front of it that may be merged with a FakeQuantize behind them."""
    while True:
        yield port
        node = port.source.node
        varying = [each for each in node.inputs if not is_constant(each.source)]
        if node.type not in _MERGED or len(varying) != 1:
            return
        port = varying[0]


def _is_skipped(port: InPort) -> bool:
    """Whether a Convert to float reads floats that were rounded to 8-bit integers."""
    kinds = port.source.element_type, port.node.output().element_type
    return kinds[0].name in _NARROW and kinds[1].is_float and _is_of_floats(port.source.node)


def _is_of_floats(node: Node) -> bool:
    return node.type == "Convert" and node.source().element_type.is_float


def _widen(port: InPort) -> None:
    narrow = port.source
    wide = port.node.graph.add(
        "Convert",
        f"{port.node.name}/wide",
        [narrow],
        [(_WIDE, narrow.shape)],
        attributes={"destination_type": _WIDE.name},
        near=port.node,
    )
    port.connect(wide.output())
