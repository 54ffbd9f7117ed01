"""Measures what 4 bits cost the weights of each layer, before any is rounded for good."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import Graph
from ..analysis.bit_choice import Candidate
from ..analysis.error_feedback import share_of_error
from ..analysis.weight_codes import GRIDS, Floats, rounded
from ..calibration.layer_inputs import LayerInputs
from ..infra.base import Context, Pass
from ..options.compression import CompressionConfig
from ..placement.weight_plan import PlannedWeights, plan_weights

#: The bytes of a scale, and of the zero point of a row in 8 bits.
_SCALE, _ZERO_POINT = 2, 1


@dataclass(frozen=True)
class MeasureWeightErrors(Pass):
    """Rounds the weights of each layer that may have 4 bits to the nearest, and measures the error.

    The graph stays unchanged; the result goes to `Context.four_bits`. If `measure-outputs` has kept samples, it is the
    error of the layer's outputs on them, else that of its weights.

    Attributes:
        config: The options.
    """

    config: CompressionConfig

    name: ClassVar[str] = "measure-weight-errors"

    def run(self, graph: Graph, context: Context) -> int:
        """Measures the errors; changes nothing.

        Raises:
            DataError: the model cannot run a sample.
        """
        planned = plan_weights(graph, context.target, self.config).matrices
        candidates = [each for each in planned if each.format == self.config.weights]
        inputs, found = LayerInputs(graph, context), list[Candidate]()
        for some in inputs.batches(candidates):
            moments = inputs.moments(some)
            for each in some:
                found.append(_candidate(each, moments.get(each)))
                context.progress("measuring errors", len(found), len(candidates))
        context.four_bits = tuple(found)
        return 0


def _candidate(planned: PlannedWeights, moments: Floats | None) -> Candidate:
    matrix, values = planned.matrix, planned.matrix.values()
    importance = None if moments is None else moments.diagonal().copy()
    error = share_of_error(values, rounded(values, GRIDS[planned.kinds[0]], planned.group, importance), moments)
    matrix.readers[0].node.graph.weights.release()
    groups = matrix.elements // planned.group
    in_eight = matrix.elements + matrix.rows * (_SCALE + _ZERO_POINT)
    in_four = (matrix.elements + (groups if len(planned.kinds) > 1 else 0)) // 2 + groups * _SCALE
    return Candidate(matrix.name, matrix.elements, error, in_eight - in_four)
