"""A quantized model with more layers in float."""

from collections.abc import Mapping

from ..accuracy.requantize import Attempt, CalibratedModel


def with_floats(attempt: Attempt, calibrated: CalibratedModel, reasons: Mapping[str, str]) -> Attempt:
    """Quantizes again with some layers in float, without a check.

    Args:
        attempt: The quantized model.
        calibrated: The calibrated model.
        reasons: The names of the layers -> why.
    """
    names = attempt.context.plan.names
    floats = {(node.graph.scope, node.id): reasons[name] for node, name in names.items() if name in reasons}
    reverted_to_float = {**attempt.reverted_to_float, **floats}
    graph, context = calibrated.rounded(attempt.config, reverted_to_float)
    return Attempt(graph, context, attempt.config, reverted_to_float)
