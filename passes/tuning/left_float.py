"""A quantized model with more layers in float."""

from collections.abc import Collection

from ..accuracy.requantize import Attempt, CalibratedModel

#: The reason for a layer that is left float by a tuning.
SLOWER = "int8 made it slower, conversions included, when the model was tuned"


def int8_layers(attempt: Attempt) -> list[str]:
    """The names of the layers that are planned in int8, those in bodies last."""
    plan = attempt.context.plan
    return [plan.names[node] for node, each in plan.decisions.items() if each.int8]


def with_floats(attempt: Attempt, calibrated: CalibratedModel, layers: Collection[str]) -> Attempt:
    """Quantizes again with some layers in float, without a check.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model.
        layers: The names of the layers.
    """
    plan = attempt.context.plan
    found = [node for node, each in plan.decisions.items() if each.int8 and plan.names[node] in layers]
    floats = {(node.graph.scope, node.id): SLOWER for node in found}
    reverted_to_float = {**attempt.reverted_to_float, **floats}
    graph, context = calibrated.rounded(attempt.config, reverted_to_float)
    return Attempt(graph, context, attempt.config, reverted_to_float)
