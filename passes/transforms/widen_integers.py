"""Widens integers and flags that the device would take for codes of its own, or cannot read beside a FakeQuantize."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...ir import Graph, InPort, Node, element_type
from ...ir.ops import varying_inputs
from ..infra.base import Context, Fact, Pass

#: The operations that OpenVINO's int8 transformations merge into the FakeQuantize behind, with any types in between.
_MERGED = ("Add", "BatchNormInference", "Clamp", "Convert", "Divide", "Multiply", "ReLU", "Subtract")
#: The operations that they move scales and shifts past.
_PASSED = ("Broadcast", "Reshape", "Slice", "Squeeze", "StridedSlice", "Tile", "Transpose", "Unsqueeze")
_SUMS, _REDUCTIONS = ("Add", "Subtract"), ("ReduceMean", "ReduceSum")
_NARROW = ("i8", "u8")
_FLAGS = "boolean"
#: Integers that its kernels do not read. (Nor do they read those of more bits, which no wider type holds for them.)
_UNREADABLE = ("i16", "u16")
_WIDE = element_type("i32")


@dataclass(frozen=True)
class WidenIntegers(Pass):
    """Converts integers and flags to 32 bits before they become floats.

    OpenVINO's int8 transformations take the scale and the shift behind such a conversion for those of their own codes.
    In front of a FakeQuantize, they skip the rounding of what was rounded to integers. In a sum, they divide the other
    operand by the scale: nothing is left of scores beside (1 - flag) * -1e9, a common form of a mask. In a reduction,
    they add the integers themselves, in a kernel that reads some of them only. Integers of 16 bits in front of a
    FakeQuantize end the compilation: the kernel that would read them does not know the type.

    The pass does so only if the target says that the device misreads them (`misreads_narrow_integers`).

    Given::                                          Result::

        whole: u8 = Convert(x)                           whole: u8 = Convert(x)
        y: f32 = Convert(whole)                          wide: i32 = Convert(whole)
        fq = FakeQuantize(y)                             y: f32 = Convert(wide)
                                                         fq = FakeQuantize(y)

        y: f32 = Convert(flag)                           wide: i32 = Convert(flag)
        mask = Multiply(Subtract(1, y), -1e9)            y: f32 = Convert(wide)
        masked = Add(scores, mask)                       mask = Multiply(Subtract(1, y), -1e9)
                                                         masked = Add(scores, mask)
    """

    name: ClassVar[str] = "widen-integers"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Widens each of them."""
        if not context.target.misreads_narrow_integers:
            return 0
        rounded = [node for each in graph.walk() for node in each.nodes("FakeQuantize")]
        skipped = [port for node in rounded for port in _above(node.input(0)) if _is_skipped(port)]
        converted = [node.input(0) for each in graph.walk() for node in each.nodes("Convert")]
        found = dict.fromkeys([*skipped, *(port for port in converted if _is_narrow(port) and _is_summed(port.node))])
        for port in found:
            _widen(port)
        return len(found)


def _above(port: InPort) -> Iterator[InPort]:
    """An input and the inputs in front of it that may be merged with a FakeQuantize behind them."""
    while True:
        yield port
        varying = varying_inputs(port.source.node)
        if port.source.node.type not in _MERGED or len(varying) != 1:
            return
        port = varying[0]


def _is_narrow(port: InPort) -> bool:
    """Whether a Convert to float reads 8-bit integers or flags."""
    return port.source.element_type.name in (*_NARROW, _FLAGS) and _makes_floats(port.node)


def _is_summed(convert: Node) -> bool:
    """Whether numbers, shifted and scaled or not, are added to others that vary, or to one another."""
    waiting, seen = [convert], set[Node]()
    while waiting:
        for port in waiting.pop().output().consumers:
            node, varies_alone = port.node, len(varying_inputs(port.node)) == 1
            if node.type in _REDUCTIONS or (node.type in _SUMS and not varies_alone):
                return True
            if node not in seen and (node.type in _PASSED or (node.type in _MERGED and varies_alone)):
                seen.add(node)
                waiting.append(node)
    return False


def _is_skipped(port: InPort) -> bool:
    """Whether a Convert to float reads floats that were rounded to 8-bit integers, or integers that no kernel reads."""
    if port.source.element_type.name in _UNREADABLE:
        return _makes_floats(port.node) and not _is_of_floats(port.source.node)
    return _is_narrow(port) and port.source.element_type.name in _NARROW and _is_of_floats(port.source.node)


def _makes_floats(node: Node) -> bool:
    return node.type == "Convert" and node.output().element_type.is_float


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
