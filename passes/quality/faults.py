"""Layers that the device computes otherwise than their FakeQuantizes say.

Whether there are any shows when the same model is run twice: by the device's int8 kernels, and with its FakeQuantizes
computed in float. Which one it is, is found by bisection: only the first so many rounded operations stay rounded, and
the first number of them at which the two runs part names the layer. That is exact whatever the operations behind it do,
since they are float then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..verify_execution import emulated_outputs
from .agreement import error_at
from .attempts import Attempt, Calibrated, Key
from .gates import rounded_operations

#: How much of the error that the floors allow, or of a larger one that is meant, the two runs may be apart: kernels
#: round a little otherwise.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Fault:
    """A layer that the device computes wrongly.

    Attributes:
        key: The layer.
        name: Its friendly name.
        type: Its op type.
    """

    key: Key
    name: str
    type: str


def intended_error(attempt: Attempt) -> float | None:
    """The error of the worst output, as a share of what its floor allows, that a model's FakeQuantizes stand for.

    None if the device is not here: what was run is the emulation then.
    """
    if attempt.context.check.execution is None:
        return None
    emulated = emulated_outputs(attempt.graph, attempt.context)
    return max((each.error for each in emulated), default=0.0)


def is_faulty(attempt: Attempt, intended: float) -> bool:
    """Whether the device makes a larger error than intended."""
    return error_at(attempt.margin) - intended > TOLERANCE * max(1.0, intended)


def find_fault(attempt: Attempt, calibrated: Calibrated, intended: float) -> Fault | None:
    """The first layer at which a faulty model goes wrong; None if it has no rounded operations outside of bodies.

    Args:
        attempt: The model.
        calibrated: From what others can be made.
        intended: Its `intended_error`; that of a model with fewer rounded operations is no larger.
    """
    graph, context = calibrated.rounded(attempt.config, attempt.floats, without=())
    operations = rounded_operations(graph, context.plan)
    keys: Sequence[Key] = [(node.graph.scope, node.id) for node in operations]
    if not keys:
        return None
    right, wrong = 0, len(keys)
    while wrong - right > 1:
        middle = (right + wrong) // 2
        only_first = dict(attempt.floats) | dict.fromkeys(keys[middle:], "put aside")
        is_wrong = is_faulty(calibrated.attempt(attempt.config, only_first), intended)
        right, wrong = (right, middle) if is_wrong else (middle, wrong)
    guilty = operations[wrong - 1]
    return Fault(keys[wrong - 1], context.plan.names.get(guilty, guilty.name), guilty.type)
