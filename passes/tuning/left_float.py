"""A quantized model with more layers in float."""

from collections.abc import Collection

from ..accuracy.requantize import Attempt, CalibratedModel

#: The reason for a layer that is left float by a tuning.
SLOWER = "int8 made it slower, conversions included, when the model was tuned"


def with_floats(attempt: Attempt, calibrated: CalibratedModel, layers: Collection[str]) -> Attempt:
    """Quantizes again with some layers in float, without a check.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model.
        layers: The names of the layers.
    """
    names = attempt.context.plan.names
    floats = {(node.graph.scope, node.id): SLOWER for node, name in names.items() if name in layers}
    reverted_to_float = floats | dict(attempt.reverted_to_float)
    graph, context = calibrated.rounded(attempt.config, reverted_to_float)
    return Attempt(graph, context, attempt.config, reverted_to_float)
