"""Stores quantized constants in 8 bits: a quarter of the size, with unchanged results."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, Graph, Node, element_type
from ..analysis.ranges import Range, code_scale, codes, is_centred, zero_code
from ..infra.base import Context, Fact, Pass

_F32 = element_type("f32")


@dataclass(frozen=True)
class CompressWeights(Pass):
    """Replaces a FakeQuantize over a constant by the 8-bit values and their scale.

    Given::                                          Result::

        w: f32[8,3,3,3] = Const()                        codes: i8[8,3,3,3] = Const()
        fq = FakeQuantize(w, low, high, low, high)       float: f32[8,3,3,3] = Convert(codes)
        conv = Convolution(x, fq)                        fq = Multiply(float, scale)
                                                         conv = Convolution(x, fq)

    1. Weights with zero in the middle of their range become i8 (value = code * scale), as do constants that Concat
       joins with activations of that range, unless the device stores those unsigned: it joins unlike types as floats.
    2. All others become u8 (value = (code - zero point) * scale).
    3. Constants with more than 256 levels stay as they are.
    """

    name: ClassVar[str] = "compress-weights"
    hides_rounding: ClassVar[bool] = True
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.PLANNED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.WEIGHTS_COMPRESSED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Compresses all constants of the plan."""
        sites = {site.name: site for site in context.plan.sites}
        everywhere = (node for each in graph.walk() for node in each.nodes("FakeQuantize"))
        found = [node for node in everywhere if node.name in sites and _is_storable(node)]
        for node in found:
            limits, levels, site = _limits(node), int(node.attributes["levels"]), sites[node.name]
            may_be_signed = site.is_weights or not site.spec.unsigned
            signed = may_be_signed and is_centred(limits, levels)
            stored = context.calibration.known.once(_codes, node.source().node, limits, levels, signed=signed)
            _compress(node, stored, signed=signed)
        return len(found)


def _limits(node: Node) -> Range:
    return Range(node.source(1).node.array.astype(np.float32), node.source(2).node.array.astype(np.float32))


def _is_storable(node: Node) -> bool:
    return node.source().node.type == "Const" and int(node.attributes["levels"]) <= 256


def _codes(constant: Node, limits: Range, levels: int, *, signed: bool) -> Array:
    return codes(constant.array, limits, levels, signed=signed)


def _compress(node: Node, stored: Array, *, signed: bool) -> None:
    name, values = node.name, node.source()
    levels, limits, kind = int(node.attributes["levels"]), _limits(node), values.element_type
    build = Builder(node.graph, node.output().consumers[0].node)
    node.graph.rename(node, f"{name}/float")
    scale = code_scale(limits, levels)
    base = values.node.name
    quantized = build.constant(stored, name=f"{base}/quantized")
    # Also in f32 if the layer computes in f16, which would round the scale: the runtime folds the last Convert.
    tensor = build.convert(quantized, _F32, name=f"{base}/to_f32")
    if not signed and (zero := zero_code(limits, levels)).any():
        zero_point = build.constant(zero, name=f"{name}/zero_point")
        tensor = build.subtract(tensor, zero_point, name=f"{name}/centred")
    last_name = name if kind == _F32 else f"{name}/f32"
    factor = build.constant(scale.astype(np.float32), name=f"{name}/scale")
    last = build.multiply(tensor, factor, name=last_name)
    if kind != _F32:
        last = build.convert(last, kind, name=name)
    node.replace_with(last)
