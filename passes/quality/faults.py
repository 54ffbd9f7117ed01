"""Layers that the device computes otherwise than their FakeQuantizes say, runs in float, or cannot compile.

The device is asked, not believed: the model is run twice on a few samples, as its users will run it and with its
FakeQuantizes computed in float, as the operation specification says. What it loses against the float model in the
second run is the price of 8 bits; what it loses beyond that in the first is a fault. Which layer it is, is found by
bisection: only the first so many rounded operations stay rounded, and the first number of them with which the model is
wrong names the layer. That is exact whatever the operations behind it do, since they are float then.

Layers that were planned for int8 and that the device runs in float all the same only lose accuracy and time by their
rounding: they are left float, too.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ...ir import Array, Graph
from ..base import PROBES, Context, InternalError
from ..calibration.samples import DataError, HeldOut
from ..execution import Asked, Check, Fault
from ..layer_times import Profile, looks_slow
from ..runtime import EMULATION, HERE, LATENCY, PROFILING, Engine, RuntimeRejectedError
from ..verify_execution import VerifyExecution, shows_all
from .agreement import Tally, tally
from .attempts import Attempt, Calibrated, Key
from .gates import rounded_operations
from .outputs import Outputs

_Tensors = Sequence[Array]
#: What a layer is left float for.
OTHERWISE = "the device computes it otherwise than its FakeQuantizes say"
FLOAT = "the device runs it in float whatever its ranges are: "
#: The error of the device may be so many times the one that is meant: kernels round ties otherwise, and a number that
#: falls to the other side of a step is a step off from there on. (On generated networks of 3 to 40 operations it is
#: less than twice as large, on 16 pretrained ones 0.7 to 1.2 times; wrong kernels make it a hundred times as large, and
#: more.)
MORE = 4.0
#: Errors of few numbers scatter: of so many numbers, twice as much is allowed, of one ten times as much. Samples are
#: run until each output has given `ENOUGH`.
FEW, ENOUGH = 10, 64
#: Share of the signal's power that is not worth a layer: 50 dB.
UNHEARD = 1e-5
#: From this ratio in dB downwards, nothing is left of an output.
LOST = 3.0
#: The most layers that are left float for it.
MOST_FAULTS = 16
#: A layer may fall to float because another one was left float.
MOST_ROUNDS = 3


def checked(attempt: Attempt, calibrated: Calibrated) -> Attempt:
    """The model without the layers that make it wrong on the device or fall to float, and with what running it showed.

    Each of them is told of in the warnings. For devices that are not here, nobody can tell.

    Raises:
        InternalError: the model does not compile, whatever is left float.
    """
    attempt = _right(attempt, calibrated)
    for _ in range(MOST_ROUNDS):
        fallen = _without_gain(attempt.context)
        if not fallen:
            break
        attempt = _right(_left_float(attempt, calibrated, fallen), calibrated)
    return attempt


def _right(attempt: Attempt, calibrated: Calibrated) -> Attempt:
    """The model without the layers that make it wrong on the device."""
    asked, engine = (None, None) if attempt.context.target.device != HERE else ask(attempt.graph, attempt.context)
    for _ in range(MOST_FAULTS):
        if not asked or not asked.wrong or (fault := find_fault(attempt, calibrated, asked.wrong)) is None:
            break
        attempt = _left_float(attempt, calibrated, [fault])
        asked, engine = ask(attempt.graph, attempt.context)
    _verify(attempt, engine)
    attempt.context.check = replace(attempt.context.check, asked=asked)
    return attempt


def _verify(attempt: Attempt, engine: Engine | None) -> None:
    """Compares the model with the plan, as compiled already if that shows all layers, or if nothing else compiles."""
    graph, context = attempt.graph, attempt.context
    is_shown = engine is not None and shows_all(graph, context.plan, engine)
    if not is_shown:
        VerifyExecution().run(graph, context)
    if engine and (is_shown or context.check.failure):
        VerifyExecution().verify(graph, context, engine)
    if not (failure := context.check.failure):
        return
    if context.target.device == HERE:
        message = f"the quantized model does not compile: {failure}"
        raise InternalError(message, VerifyExecution.name)
    context.warnings.append(f"the result was not compared with the float model: computed in float here, {failure}")
    context.check = Check()


def _without_gain(context: Context) -> list[Fault]:
    """The layers that fell to float; none if most did: then this machine is not what the target file describes."""
    execution = context.check.execution
    if not execution or 2 * len(execution.fallen) > sum(each.int8 for each in context.plan.decisions.values()):
        return []
    return [replace(each, reason=FLOAT + each.reason) for each in execution.fallen]


def _left_float(attempt: Attempt, calibrated: Calibrated, faults: Sequence[Fault]) -> Attempt:
    told = (f"{each.type} '{each.name}' is left float: {each.reason}" for each in faults)
    calibrated.context.warnings.extend(told)
    floats = {**attempt.floats, **{each.key: each.reason for each in faults}}
    graph, context = calibrated.rounded(attempt.config, floats, without=())
    return Attempt(graph, context, attempt.config, floats)


def ask(graph: Graph, context: Context) -> tuple[Asked | None, Engine | None]:
    """Whether the device computes a quantized model right, and the model as it runs.

    None if there are no samples, or nothing to compare with; and if it does not run.
    """
    tapped, samples = context.outputs.tapped(graph), _enough(context.probes)
    with ThreadPoolExecutor(max_workers=1) as pool:  # to compile a model keeps one core busy
        emulating = pool.submit(Engine, tapped, EMULATION | PROFILING) if samples else None
        try:
            executed = Engine(tapped, LATENCY | PROFILING)
            made = [executed.outputs(each) for each in samples]
        except (RuntimeRejectedError, DataError) as error:  # the float model was compiled, and ran these samples
            return Asked(wrong=f"with it in int8, the runtime fails: {error}"), None
    if emulating is None:
        return None, executed
    try:
        emulated = emulating.result()
        meant = [emulated.outputs(each) for each in samples]
    except (RuntimeRejectedError, DataError):
        return None, executed
    found = _compared(context.outputs, [each.outputs for each in samples], meant, made)
    is_slow = looks_slow(_profile(emulated, samples), _profile(executed, samples), graph)
    return replace(found, looks_slow=is_slow), executed


def _enough(samples: Sequence[HeldOut]) -> Sequence[HeldOut]:
    """The first few, or more of them if some outputs have few numbers."""
    given = np.zeros(len(samples[0].outputs) if samples else 0)
    for count, sample in enumerate(samples, 1):
        given += [each.size for each in sample.outputs]
        if count >= PROBES and (given >= ENOUGH).all():
            return samples[:count]
    return samples


def _profile(engine: Engine, samples: Sequence[HeldOut]) -> Profile:
    """Of the faster of two inferences like the last one, for which nothing has to be prepared any more."""
    found: list[Profile] = []
    for _ in range(2):
        engine.infer(samples[-1].feed)
        found.append(engine.profile())
    return min(found, key=lambda profile: sum(seconds for _, seconds in profile))


def _compared(
    outputs: Outputs,
    references: Sequence[_Tensors],
    meant: Sequence[_Tensors],
    made: Sequence[_Tensors],
) -> Asked:
    """The output at which the device is farthest from what is meant."""
    worst, farthest = Asked(samples=len(references)), -math.inf
    for output, k in ((each, number) for each in outputs.each for number in each.tensors):
        tensors = [[each[k] for each in found] for found in (references, meant, made)]
        wrong = OTHERWISE if _is_otherwise(*tensors) else ""
        ratios = [tally(tensors[0], other).sqnr for other in tensors[1:]]
        apart = math.inf if wrong else 0.0 if ratios[0] == ratios[1] else ratios[0] - ratios[1]
        if apart > farthest or not worst.output:
            worst, farthest = replace(worst, output=output.name, meant=ratios[0], made=ratios[1], wrong=wrong), apart
    return worst


def _is_otherwise(references: Sequence[Array], meant: Sequence[Array], made: Sequence[Array]) -> bool:
    """Whether an output is farther from the float model's than it is meant to be, over all samples together."""
    if any(each.dtype.kind != "f" for each in references):
        return False  # a decision: small errors change it, and what decides is compared besides
    if not _of_one_size(references, meant, made):
        return _is_lost(tally(references, made)) and not _is_lost(tally(references, meant))
    wanted, intended, found = (
        np.concatenate([each.astype(np.float64).ravel() for each in arrays]) for arrays in (references, meant, made)
    )
    is_known = np.isfinite(wanted) & np.isfinite(intended)
    if not np.isfinite(found[is_known]).all():
        return True
    allowed, error = (float(np.square(each[is_known] - wanted[is_known]).sum()) for each in (intended, found))
    power = float(np.square(wanted[is_known]).sum())
    return error > MORE * (1 + FEW / max(1, wanted.size)) * allowed + UNHEARD * power


def _of_one_size(*found: Sequence[Array]) -> bool:
    return all(len({each.shape for each in sample}) == 1 for sample in zip(*found, strict=True))


def _is_lost(sums: Tally) -> bool:
    """Whether nothing is left of an output whose size data decide, which a small error changes."""
    return not sums.is_comparable or sums.sqnr < LOST


def find_fault(attempt: Attempt, calibrated: Calibrated, reason: str) -> Fault | None:
    """The first layer with which a wrong model goes wrong.

    None if it is wrong without rounded operations, too: if its outputs are random, say. Those in bodies come last.

    Args:
        attempt: The model.
        calibrated: From what others can be made.
        reason: In what way it is wrong.
    """
    plan = attempt.context.plan
    operations = [node for each in attempt.graph.walk() for node in rounded_operations(each, plan)]
    keys: Sequence[Key] = [(node.graph.scope, node.id) for node in operations]

    def why(count: int) -> str:
        only_first = dict(attempt.floats) | dict.fromkeys(keys[count:], "put aside")
        asked, _ = ask(*calibrated.rounded(attempt.config, only_first, without=()))
        return asked.wrong if asked else ""

    right, wrong = 0, len(keys)
    if not keys or why(0):
        return None
    while wrong - right > 1:
        middle = (right + wrong) // 2
        found = why(middle)
        right, wrong, reason = (right, middle, found) if found else (middle, wrong, reason)
    guilty = operations[wrong - 1]
    return Fault(keys[wrong - 1], plan.names.get(guilty, guilty.name), guilty.type, reason)
