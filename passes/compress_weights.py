"""Quantized weights are stored as int8: a quarter of the size, and no change of any result."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import ElementType, Graph, Node, OutPort, element_type
from .base import Context, Fact, NoRequests
from .ranges import Range, weight_codes, weight_scale

_F32 = element_type("f32")


@dataclass(frozen=True)
class CompressWeights(NoRequests):
    """Replaces a FakeQuantize over constant weights by the int8 values and their scale.

    Given::                                          Result::

        w: f32[8,3,3,3] = Const()                        codes: i8[8,3,3,3] = Const()
        fq = FakeQuantize(w, low, high, low, high)       float: f32[8,3,3,3] = Convert(codes)
        conv = Convolution(x, fq)                        fq = Multiply(float, scale)
                                                         conv = Convolution(x, fq)

    Only symmetric ranges of up to 256 levels have this form (value = code * scale, no zero point); others stay.
    """

    name: ClassVar[str] = "compress-weights"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.WEIGHTS_COMPRESSED})
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Compresses all weights of the plan."""
        names = {site.name for site in context.plan.sites if site.is_weights}
        found = [node for node in graph.nodes("FakeQuantize") if node.name in names and _is_symmetric(node)]
        for node in found:
            _compress(node)
        return len(found)


def _limits(node: Node) -> Range:
    return Range(node.source(1).node.array.astype(np.float32), node.source(2).node.array.astype(np.float32))


def _is_symmetric(node: Node) -> bool:
    limits = _limits(node)
    return int(node.attributes["levels"]) % 2 == 1 and bool((limits.low == -limits.high).all())


def _compress(node: Node) -> None:
    graph, name, weights = node.graph, node.name, node.source()
    levels, limits, kind = int(node.attributes["levels"]), _limits(node), weights.element_type
    near = node.output().consumers[0].node
    graph.rename(node, f"{name}/float")
    codes = weight_codes(weights.node.array.astype(np.float32), limits, levels)
    base = weights.node.name
    quantized = graph.add_constant(f"{base}/quantized", codes, near=near)
    scale = graph.add_constant(f"{name}/scale", weight_scale(limits, levels).astype(np.float32), near=near)
    # In f32 also where the layer computes in f16, which would round the scale: the runtime folds the last Convert.
    converted = _convert(f"{base}/to_f32", quantized.output(), _F32, near)
    last_name = name if kind == _F32 else f"{name}/f32"
    scaled = graph.add(
        "Multiply",
        last_name,
        [converted.output(), scale.output()],
        [(_F32, weights.shape)],
        attributes={"auto_broadcast": "numpy"},
        near=near,
    )
    last = scaled if kind == _F32 else _convert(name, scaled.output(), kind, near)
    node.replace_with(last.output())


def _convert(name: str, source: OutPort, kind: ElementType, near: Node) -> Node:
    return near.graph.add(
        "Convert", name, [source], [(kind, source.shape)], attributes={"destination_type": kind.name}, near=near
    )
