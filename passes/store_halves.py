"""Constants that came in 16 bits and stay float are stored in 16 bits again."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Graph, Node
from .base import Context, Fact, NoRequests

#: Smaller constants take less than what says how to convert them.
SMALLEST = 256


@dataclass(frozen=True)
class StoreHalves(NoRequests):
    """Writes what `normalize` decompressed, and nobody quantized or changed, as it came.

    Given::                                          Result::

        w: f32[8,3,3,3] = Const()                        half: f16[8,3,3,3] = Const()
        conv = Convolution(x, w)                         w: f32[8,3,3,3] = Convert(half)
                                                         conv = Convolution(x, w)

    No value changes: constants that are no f16 numbers any more stay as they are. The runtime folds the Convert.
    """

    name: ClassVar[str] = "store-halves"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Stores each of them."""
        found = [
            node
            for each in graph.walk()
            for node in each.in_file_order("Const")
            if (each.scope, node.id) in context.halves and _is_half(node)
        ]
        for node in found:
            _store(node)
        return len(found)


def _is_half(node: Node) -> bool:
    values = node.array
    with np.errstate(over="ignore"):
        is_exact = bool((values.astype(np.float16).astype(np.float32) == values).all())
    return node.output().element_type.name == "f32" and values.size >= SMALLEST and is_exact


def _store(node: Node) -> None:
    graph, near = node.graph, node.output().consumers[0].node
    half = graph.add_constant(f"{node.name}/half", node.array.astype(np.float16), near=near).output()
    outputs, attributes = [(node.output().element_type, node.output().shape)], {"destination_type": "f32"}
    whole = graph.add("Convert", f"{node.name}/decompressed", [half], outputs, attributes=attributes, near=near)
    node.replace_with(whole.output())
