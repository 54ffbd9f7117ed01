"""Constants that came in 16 bits are stored in 16 bits again, unless 8 bits took their place."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Array, ElementType, Graph, Node
from .base import Context, Fact, NoRequests


@dataclass(frozen=True)
class RestoreHalves(NoRequests):
    """Undoes what `normalize` did to constants of f16 and bf16 that are still there.

    Given::                                          Result::

        w: f32[8,3,3,3] = Const()                        w_compressed: f16[8,3,3,3] = Const()
        conv = Convolution(x, w)                         w: f32[8,3,3,3] = Convert(w_compressed)
                                                         conv = Convolution(x, w)

    A model with layers in float is then no larger than it came. Only what f32 and the narrower type both hold exactly is
    narrowed: no value changes. Names and mark are those of the runtime's own compression.
    """

    name: ClassVar[str] = "restore-halves"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Narrows what is exact."""
        found = [
            (node, narrow)
            for each in graph.walk()
            for node in each.in_file_order("Const")
            if (kind := context.halves.get((each.scope, node.id)))
            if (narrow := _narrowed(node.array, kind)) is not None
        ]
        for node, narrow in found:
            _store(node, narrow)
        return len(found)


def _narrowed(value: Array, kind: ElementType) -> Array | None:
    """The values in a narrower type; None if it does not hold them exactly."""
    assert kind.dtype is not None, "normalize widens only what numpy has"
    with np.errstate(over="ignore"):
        narrow = value.astype(kind.dtype)
    return narrow if np.array_equal(narrow.astype(value.dtype), value, equal_nan=True) else None


def _store(node: Node, narrow: Array) -> None:
    graph, name, wide = node.graph, node.name, node.output().element_type
    graph.rename(node, f"{name}/wide")
    stored = graph.add_constant(f"{name}_compressed", narrow, near=node)
    attributes = {"destination_type": wide.name}
    outputs = [(wide, node.output().shape)]
    convert = graph.add("Convert", name, [stored.output()], outputs, attributes=attributes, near=node)
    convert.mark("decompression")
    node.replace_with(convert.output())
