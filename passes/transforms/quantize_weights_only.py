"""Stores float weights in 8 or 4 bits; the device unpacks them inside the layers, whose data stay floats."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, ElementType, Graph, OutPort, element_type
from ..analysis.error_feedback import fed_back, share_of_error
from ..analysis.weight_codes import GRIDS, Codes, Floats, rounded, scale_type, weighted_error
from ..calibration.layer_inputs import LayerInputs
from ..infra.base import Context, Fact, Pass
from ..infra.compressed_layers import CompressedLayer
from ..options.compression import CompressionConfig, WeightFormat
from ..placement.weight_plan import PlannedWeights, plan_weights

#: A zero point takes memory and time: it has to reduce the squared error to this share.
_WORTH_A_ZERO_POINT = 0.9


@dataclass(frozen=True)
class QuantizeWeightsOnly(Pass):
    """Replaces float weights of matrix products and embeddings by codes that the device unpacks inside these layers.

    Given::                                          Result::

        w: f32[384,256] = Const()                        codes: i4[384,2,128] = Const()
        y = MatMul(x, w) transpose_b="true"              halves: f16[384,2,128] = Convert(codes)
                                                         scaled = Multiply(halves, scale)
                                                         rows: f16[384,256] = Reshape(scaled)
                                                         floats: f32[384,256] = Convert(rows)
                                                         y = MatMul(x, floats) transpose_b="true"

    1. Weights become i8, i4 or nf4, with a scale for each row or group; or u8 or u4 with a zero point, too, if that
       fits the weights of a layer much better. The target says which types it keeps, and in which layers.
    2. A matrix that several layers read in the same way, for example a table and the classifier tied to it, is stored
       once. A product that reads the matrix untransposed reads it transposed afterwards.
    3. If `measure-outputs` has kept samples, the second moments of each layer's inputs are measured, and rounding makes
       up for its errors (see `error_feedback`). Without samples, and for tables, weights are rounded to the nearest.
    4. Other layers stay as they are; `Context.compressed` has the reasons.
    `compress-weights` is another pass: it stores the rounded weights of INT8 models, whose data are rounded, too.

    Attributes:
        weights: See `CompressionConfig`.
        group: See `CompressionConfig`.
        all_layers: See `CompressionConfig`.
        eight_bits: The names of layers that have 8 bits instead of 4.
    """

    weights: WeightFormat = "int8"
    group: int = 128
    all_layers: bool = False
    eight_bits: frozenset[str] = frozenset()

    name: ClassVar[str] = "quantize-weights-only"
    hides_rounding: ClassVar[bool] = True
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Compresses all weights that the target keeps compressed.

        Raises:
            DataError: the model cannot run a sample.
        """
        config = CompressionConfig(weights=self.weights, group=self.group, all_layers=self.all_layers)
        plan = plan_weights(graph, context.target, config, self.eight_bits)
        others = [CompressedLayer(node.name, node.type, reason=reason) for node, reason in plan.others.items()]
        found: list[CompressedLayer] = []
        inputs, done = LayerInputs(graph, context), 0
        for some in inputs.batches(plan.matrices):
            moments = inputs.moments(some)
            for each in some:
                found += _stored(each, moments.get(each)) if each.format else _left(each)
                done += 1
                context.progress("rounding weights", done, len(plan.matrices))
        context.compressed = (*found, *others)
        return sum(each.format is not None for each in plan.matrices)


def _left(planned: PlannedWeights) -> list[CompressedLayer]:
    return [CompressedLayer(layer.name, layer.type, reason=planned.reason) for layer in planned.matrix.layers]


def _stored(planned: PlannedWeights, moments: Floats | None) -> list[CompressedLayer]:
    """Rounds and stores a matrix; returns its layers.

    Args:
        planned: The matrix.
        moments: The second moments of what it is multiplied with; None: they are not known.
    """
    matrix, values = planned.matrix, planned.matrix.values()
    codes = _best(planned, values, moments)
    _store(planned, codes)
    matrix.readers[0].node.graph.weights.release()  # the float weights are not read again
    size, error = planned.group if codes.steps.shape[1] > 1 else 0, share_of_error(values, codes, moments)
    return [
        CompressedLayer(layer.name, layer.type, codes.grid.kind, size, error, planned.reason) for layer in matrix.layers
    ]


def _best(planned: PlannedWeights, values: Floats, moments: Floats | None) -> Codes:
    """The codes in the element type that fits best, the cheapest first."""
    importance = None if moments is None else np.diagonal(moments).copy()
    first, *others = (rounded(values, GRIDS[kind], planned.group, importance) for kind in planned.kinds)
    least = weighted_error(values, first, importance) * _WORTH_A_ZERO_POINT
    best = next((each for each in others if weighted_error(values, each, importance) < least), first)
    return best if moments is None else fed_back(values, moments, best.grid, planned.group)


def _store(planned: PlannedWeights, codes: Codes) -> None:
    """Builds the weights from codes, and makes all layers read them."""
    matrix = planned.matrix
    old, first = matrix.tensor, matrix.layers[0]
    build, name = Builder(first.graph, first), old.node.name
    tensor = _unpacked(codes, build, name)
    if tensor.shape != (matrix.rows, matrix.columns):
        tensor = build.reshape(tensor, (matrix.rows, matrix.columns), name=f"{name}/rows")
    if tensor.element_type != old.element_type:
        tensor = build.convert(tensor, old.element_type, name=f"{name}/floats")
    for port in matrix.readers:
        before = port.source.node
        port.connect(tensor)
        if matrix.is_turned:
            port.node.set_attribute("transpose_b", "true")
        first.graph.prune(before)


def _unpacked(codes: Codes, build: Builder, name: str) -> OutPort:
    """The operations that make weights of codes, without groups if a row is one."""
    kind = element_type(codes.grid.kind)
    packed = kind if kind.dtype is None else None
    half = np.dtype(scale_type(codes.scales.scales))
    floats = element_type("f16" if half == np.float16 else "f32")
    tensor = _as_floats(build, _flat(codes.codes), packed, floats, f"{name}/quantized")
    if codes.grid.has_zero_point:
        zeros = _flat(codes.scales.zeros.astype(np.uint8))
        tensor = build.subtract(
            tensor, _as_floats(build, zeros, packed, floats, f"{name}/zero_point"), name=f"{name}/centred"
        )
    scale = build.constant(_flat(codes.scales.scales.astype(half)), name=f"{name}/scale")
    return build.multiply(tensor, scale, name=f"{name}/scaled")


def _as_floats(build: Builder, codes: Array, packed: ElementType | None, floats: ElementType, name: str) -> OutPort:
    return build.convert(build.constant(codes, name=name, packed=packed), floats, name=f"{name}/floats")


def _flat(array: Array) -> Array:
    """[rows, 1, columns] as [rows, columns]; arrays of several groups stay as they are."""
    return array[:, 0] if array.shape[1] == 1 else array
