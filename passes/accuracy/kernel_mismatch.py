"""Finds layers that the device computes otherwise than their FakeQuantizes say, runs in float, or cannot compile.

The check of the device (see `device`) shows what is wrong. Bisection finds the layer: only the first n rounded
operations stay rounded, and the smallest n with a wrong model names the layer. The result is exact because all later
operations are float then.

Layers that were planned for int8 but that the device runs in float only lose accuracy and time by their rounding: they
are left float, too.
"""

from collections.abc import Sequence
from dataclasses import replace

from ...targets.target import HERE
from ..evaluation.fake_quant_switch import rounded_operations
from ..evaluation.verify_execution import VerifyExecution
from ..infra.base import Context, InternalError
from ..infra.execution import Asked, Check, Fault
from ..runtime.engine import Engine
from . import device
from .requantize import Attempt, CalibratedModel, Key

#: The reason for a layer that is left float because it falls back to FP32 anyway.
FLOAT = "the device runs it in float with any ranges: "
#: The most layers that are left float because the device computes them wrongly.
MOST_FAULTS = 16
#: The most rounds: a layer may fall back to FP32 because another one was left float.
MOST_ROUNDS = 3


def checked(attempt: Attempt, calibrated: CalibratedModel, *, may_wait: bool = False) -> Attempt:
    """Leaves layers float that make the model wrong on the device or fall back to FP32; adds the result of the check.

    The warnings name each of them. Devices that are not in this machine cannot be checked.

    Args:
        attempt: The model.
        calibrated: The calibrated model.
        may_wait: Whether the model need not be compared with what its FakeQuantizes mean if an output is fair: it will
            change, and be checked again. A poor output may come from a wrong kernel.

    Raises:
        InternalError: the model does not compile even with such layers in float.
    """
    attempt = _right(attempt, calibrated, may_wait=may_wait)
    for _ in range(MOST_ROUNDS):
        fallen = _without_gain(attempt.context)
        if not fallen:
            break
        attempt = _right(_left_float(attempt, calibrated, fallen), calibrated, may_wait=may_wait)
    return attempt


def has_wrong_layers(attempt: Attempt) -> bool:
    """Whether layers of a checked model were left float because they made it wrong on the device."""
    return any(reason.startswith(device.FAULTY) for reason in attempt.reverted_to_float.values())


def _right(attempt: Attempt, calibrated: CalibratedModel, *, may_wait: bool) -> Attempt:
    """Leaves layers float that make the model wrong on the device."""
    answer = _asked(attempt, calibrated, may_wait=may_wait)
    for _ in range(MOST_FAULTS):
        asked = answer.asked
        if not asked or not asked.wrong or (fault := find_fault(attempt, calibrated, asked)) is None:
            break
        attempt = _left_float(attempt, calibrated, [fault])
        answer = _asked(attempt, calibrated)
    if not answer.executed:
        _verify(attempt, None)
    attempt.context.check = replace(attempt.context.check, asked=answer.asked, is_put_off=answer.is_put_off)
    return attempt


def _asked(attempt: Attempt, calibrated: CalibratedModel, *, may_wait: bool = False) -> device.Answer:
    """Compares the model with the plan, and then with what its FakeQuantizes mean."""

    def goes_on(engine: Engine) -> bool:
        _verify(attempt, engine)
        return not may_wait or attempt.margin < 0 or attempt.is_good

    if attempt.context.target.device != HERE:
        return device.Answer(None)
    return device.ask(attempt.graph, attempt.context, calibrated.float_outputs, shown=True, goes_on=goes_on)


def _verify(attempt: Attempt, engine: Engine | None) -> None:
    """Compares the model with the plan, as already compiled, or else with FakeQuantizes computed in float."""
    graph, context = attempt.graph, attempt.context
    if engine:
        VerifyExecution().verify(graph, context, engine)
    else:
        VerifyExecution().run(graph, context)
    if not (failure := context.check.failure):
        return
    if context.target.device == HERE:
        message = f"the quantized model does not compile: {failure}"
        raise InternalError(message, VerifyExecution.name)
    context.warnings.append(f"the result was not compared with the float model: computed in float here, {failure}")
    context.check = Check()


def _without_gain(context: Context) -> list[Fault]:
    """The layers that fell back to FP32; none if most did: then this machine is not what the target file describes."""
    execution = context.check.execution
    if not execution or 2 * len(execution.fallen) > sum(each.int8 for each in context.plan.decisions.values()):
        return []
    return [replace(each, reason=FLOAT + each.reason) for each in execution.fallen]


def _left_float(attempt: Attempt, calibrated: CalibratedModel, faults: Sequence[Fault]) -> Attempt:
    calibrated.warnings.extend(f"{each.type} '{each.name}' is left float: {each.reason}" for each in faults)
    reverted_to_float = {**attempt.reverted_to_float, **{each.key: each.reason for each in faults}}
    graph, context = calibrated.rounded(attempt.config, reverted_to_float)
    return Attempt(graph, context, attempt.config, reverted_to_float)


def find_fault(attempt: Attempt, calibrated: CalibratedModel, asked: Asked) -> Fault | None:
    """The first layer that makes a model wrong.

    None if the model is wrong without rounded operations, too, for example with random outputs. Layers in bodies come
    last.

    Args:
        attempt: The model.
        calibrated: The calibrated model.
        asked: How it is wrong. The search uses the same precision: a model that one layer makes wrong in f32 may be
            wrong in the device's own precision without any rounded layer.
    """
    plan = attempt.context.plan
    operations = [node for each in attempt.graph.walk() for node in rounded_operations(each, plan)]
    keys: Sequence[Key] = [(node.graph.scope, node.id) for node in operations]

    def why(count: int) -> str:
        only_first = dict(attempt.reverted_to_float) | dict.fromkeys(keys[count:], "put aside")
        graph, context = calibrated.rounded(attempt.config, only_first)
        found = device.ask(graph, context, calibrated.float_outputs if asked.is_own else None).asked
        return found.wrong if found else ""

    right, wrong, reason = 0, len(keys), asked.wrong
    if not keys or why(0):
        return None
    while wrong - right > 1:
        middle = (right + wrong) // 2
        found = why(middle)
        right, wrong, reason = (right, middle, found) if found else (middle, wrong, reason)
    guilty = operations[wrong - 1]
    return Fault(keys[wrong - 1], plan.names.get(guilty, guilty.name), guilty.type, reason)
