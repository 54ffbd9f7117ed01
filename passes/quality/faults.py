"""Layers that the device computes otherwise than their FakeQuantizes say, or that keep the model from being compiled.

The device is asked, not believed: the model is run twice on a sample or two, as its users will run it and with its
FakeQuantizes computed in float, as the operation specification says. What it loses against the float model in the
second run is the price of 8 bits; what it loses beyond that in the first is a fault. Which layer it is, is found by
bisection: only the first so many rounded operations stay rounded, and the first number of them with which the model is
wrong names the layer. That is exact whatever the operations behind it do, since they are float then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Graph
from ..base import Context, InternalError
from ..calibration.samples import DataError
from ..runtime import EMULATION, LATENCY, Engine, RuntimeRejectedError
from ..verify_execution import VerifyExecution
from .attempts import Attempt, Calibrated, Key
from .gates import rounded_operations

#: What a layer is left float for.
OTHERWISE = "the device computes it otherwise than its FakeQuantizes say"
#: The error of the device may be so many times the one that is meant: kernels round ties otherwise, and a number that
#: falls to the other side of a step is a step off from there on. (On generated networks of 3 to 40 operations it is
#: less than twice as large; wrong kernels make it a hundred times as large, and more.)
MORE = 4.0
#: Errors of few numbers scatter: of so many numbers, twice as much is allowed, of one a hundred times as much.
FEW = 100
#: Share of the signal's power that is not worth a layer: 40 dB.
UNHEARD = 1e-4
#: The most layers that are left float for it.
MOST_FAULTS = 16


@dataclass(frozen=True)
class Fault:
    """A layer that makes the model wrong.

    Attributes:
        key: The layer.
        name: Its friendly name.
        type: Its op type.
        reason: In what way.
    """

    key: Key
    name: str
    type: str
    reason: str


def checked(attempt: Attempt, calibrated: Calibrated) -> Attempt:
    """The model without the layers that make it wrong on the device, and with what running it showed.

    Each of them is told of in the warnings. For devices that are not here, nobody can tell.

    Raises:
        InternalError: the model does not compile, whatever is left float.
    """
    device_is_here = attempt.context.target.device == "CPU"
    for _ in range(MOST_FAULTS if device_is_here else 0):
        if not why_wrong(attempt.graph, attempt.context) or (fault := find_fault(attempt, calibrated)) is None:
            break
        calibrated.context.warnings.append(f"{fault.type} '{fault.name}' is left float: {fault.reason}")
        floats = {**attempt.floats, fault.key: fault.reason}
        graph, context = calibrated.rounded(attempt.config, floats, without=())
        attempt = Attempt(graph, context, attempt.config, floats)
    VerifyExecution().run(attempt.graph, attempt.context)
    if failure := attempt.context.check.failure:
        message = f"the quantized model does not compile: {failure}"
        raise InternalError(message, VerifyExecution.name)
    return attempt


def why_wrong(graph: Graph, context: Context) -> str:
    """In what way the device computes a quantized model wrongly; empty if it does not, as far as samples tell."""
    try:
        executed = Engine(context.outputs.tapped(graph), LATENCY)
        made = [executed.outputs(each) for each in context.probes]
    except (RuntimeRejectedError, DataError) as error:  # the float model was compiled, and ran these samples
        return f"with it in int8, the runtime fails: {error}"
    if not made:  # statistics came from a file, without samples
        return ""
    try:
        emulated = Engine(context.outputs.tapped(graph), EMULATION)
        meant = [emulated.outputs(each) for each in context.probes]
    except (RuntimeRejectedError, DataError):
        return ""  # there is nothing to compare with
    references = [each.outputs for each in context.probes]
    numbers = sorted({number for output in context.outputs.each for number in output.tensors})
    is_wrong = any(
        _is_otherwise(*([each[k] for each in found] for found in (references, meant, made))) for k in numbers
    )
    return OTHERWISE if is_wrong else ""


def _is_otherwise(references: Sequence[Array], meant: Sequence[Array], made: Sequence[Array]) -> bool:
    """Whether an output is farther from the float model's than it is meant to be, over all samples together."""
    if any(one.shape != other.shape for one, other in zip(meant, made, strict=True)):
        return True
    if any(one.shape != other.shape or one.dtype.kind != "f" for one, other in zip(references, meant, strict=True)):
        return False  # a size that data decide, or a decision: small errors change both
    wanted, intended, found = (
        np.concatenate([each.astype(np.float64).ravel() for each in arrays]) for arrays in (references, meant, made)
    )
    is_known = np.isfinite(wanted) & np.isfinite(intended)
    if not np.isfinite(found[is_known]).all():
        return True
    allowed, error = (float(np.square(each[is_known] - wanted[is_known]).sum()) for each in (intended, found))
    power = float(np.square(wanted[is_known]).sum())
    return error > MORE * (1 + FEW / max(1, wanted.size)) * allowed + UNHEARD * power


def find_fault(attempt: Attempt, calibrated: Calibrated) -> Fault | None:
    """The first layer with which a wrong model goes wrong.

    None if it has no rounded operations outside of bodies, or is wrong without them: if its outputs are random, say.

    Args:
        attempt: The model.
        calibrated: From what others can be made.
    """
    graph, context = calibrated.rounded(attempt.config, attempt.floats, without=())
    operations = rounded_operations(graph, context.plan)
    keys: Sequence[Key] = [(node.graph.scope, node.id) for node in operations]

    def why(count: int) -> str:
        only_first = dict(attempt.floats) | dict.fromkeys(keys[count:], "put aside")
        return why_wrong(*calibrated.rounded(attempt.config, only_first, without=()))

    right, wrong, reason = 0, len(keys), why(len(keys))
    if not reason or not keys or why(0):
        return None
    while wrong - right > 1:
        middle = (right + wrong) // 2
        found = why(middle)
        right, wrong, reason = (right, middle, found) if found else (middle, wrong, reason)
    guilty = operations[wrong - 1]
    return Fault(keys[wrong - 1], context.plan.names.get(guilty, guilty.name), guilty.type, reason)
