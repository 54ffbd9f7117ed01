"""Stores constants in 16 bits again if they had 16 bits in the model and stay float."""

from dataclasses import dataclass
from typing import ClassVar

import ml_dtypes
import numpy as np

from ...ir import Array, Builder, Graph, Node
from ..infra.base import Context, Fact, Pass

#: Smaller constants take fewer bytes than a Convert.
SMALLEST = 256
_KINDS = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


@dataclass(frozen=True)
class StoreHalves(Pass):
    """Stores constants that `normalize` decompressed, and that no pass quantized or changed, in their original type.

    Given::                                          Result::

        w: f32[8,3,3,3] = Const()                        half: f16[8,3,3,3] = Const()
        conv = Convolution(x, w)                         w: f32[8,3,3,3] = Convert(half)
                                                         conv = Convolution(x, w)

    No value changes: constants that neither f16 nor bf16 holds exactly stay as they are. The runtime folds the Convert.
    """

    name: ClassVar[str] = "store-halves"
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Stores each of them."""
        found = [
            (node, half)
            for each in graph.walk()
            for node in each.in_file_order("Const")
            if (each.scope, node.id) in context.halves and (half := _halved(node)) is not None
        ]
        for node, half in found:
            _store(node, half)
        return len(found)


def _halved(node: Node) -> Array | None:
    """The values in a 16-bit type that holds all of them; None if there is none, or the constant is too small."""
    values = node.array
    if node.output().element_type.name != "f32" or values.size < SMALLEST:
        return None
    with np.errstate(over="ignore"):
        narrowed = (values.astype(kind) for kind in _KINDS)
        return next((half for half in narrowed if np.array_equal(half.astype(np.float32), values)), None)


def _store(node: Node, values: Array) -> None:
    build = Builder(node.graph, node.output().consumers[0].node)
    half = build.constant(values, name=f"{node.name}/half")
    node.replace_with(build.convert(half, node.output().element_type, name=f"{node.name}/decompressed"))
