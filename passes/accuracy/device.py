"""Checks that the device computes what the FakeQuantizes of a model mean.

The model runs twice on a few samples: as the device runs it in f32, and with its FakeQuantizes computed in float, as
the operation specification says. The error of the second run against the float model is the cost of 8 bits; additional
error in the first run is a fault of the device.

Users who set no options get the device's own precision, which is bf16 on CPUs that multiply bf16 matrices, with other
kernels. There, the model runs a third time in that precision. An error in this run may be the cost of the precision;
to find out, the float model runs in it, too.

An inference with few threads, as on one core or in a stream of throughput mode, is another case: there, the plugin may
merge small matrix products into one node, or a small attention (see `_may_merge`). A model with such products, or such
an attention, also runs with one thread, in the device's own precision and in f32, which CPUs without bf16 take.
Kernels of other layers depend on the number of threads, too. If the environment allows irquant fewer threads than there
are cores, as a batch over a model zoo does, the model also runs with all of them.

Compilation takes the most time. If a run in the device's own precision tests the kernels that users get, the run in f32
uses the model that shows all its layers, which is needed anyway.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...ir import Array, Graph, Node
from ..analysis.agreement import Tally, tally
from ..analysis.constants import constant_nodes
from ..analysis.layer_times import Profile, looks_slow
from ..analysis.outputs import OutputKind, Outputs
from ..evaluation.verify_execution import shows_all
from ..infra.base import Context
from ..infra.calibration import PROBES
from ..infra.execution import Asked
from ..runtime.core import THREADS, RuntimeRejectedError, cores, own_precision
from ..runtime.engine import Engine
from ..runtime.loaded import Loaded
from ..runtime.modes import (
    ALL_THREADS,
    EMULATION,
    INSPECTION,
    LATENCY,
    ONE_THREAD,
    ONE_THREAD_F32,
    OWN_PRECISION,
    PROFILING,
)
from ..runtime.samples import DataError, ValidationSample

_Tensors = Sequence[Array]
#: The outputs of a model for each sample, and why it does not run.
Run = tuple[Sequence[_Tensors], str]
#: Runs the float model with properties of the runtime.
RunFloat = Callable[[dict[str, str]], Run]
#: The reason for a layer that makes a model wrong, and where it does so if it is right in f32 with all threads.
OTHERWISE = "the device computes it otherwise than its FakeQuantizes say"
FAILS = "with it in int8, the runtime fails"
#: How the reasons begin for layers that the check leaves float.
FAULTY = (OTHERWISE, FAILS)
IN_OWN_PRECISION, WITH_ALL_THREADS = "in {}, its own precision", "with all threads"
WITH_ONE_THREAD, WITH_ONE_THREAD_F32 = "with one thread", "with one thread, in f32"
#: The most that the device's error may be, as a multiple of the expected error: kernels round ties differently, and a
#: number on the other side of a step is one step off from there on. (The factor is less than 2 on generated networks of
#: 3 to 40 operations, and 0.7 to 1.2 on 16 pretrained ones; wrong kernels make it a hundred or more.)
MORE = 4.0
#: Errors of few numbers scatter: `FEW` numbers may have twice that error, one number eleven times. What counts is the
#: effective number (see `effective`): in probabilities that are nearly 0 or 1, the undecided ones have all the error.
#: Samples are run until each output has given `ENOUGH` numbers, whatever they are.
FEW, ENOUGH = 10, 64
_KURTOSIS = 3.0
#: An error below this share of the signal's power (50 dB) is ignored.
UNHEARD = 1e-5
#: Below this ratio in dB, an output is lost.
LOST = 3.0
#: An output behind a selection is only judged if its FakeQuantizes leave this ratio in dB of its values in order.
SELECTED = 10.0
#: If an output of the float model in the device's own precision is below this ratio in dB, the precision is no
#: reference for int8; then the output only has to keep some signal.
CHAOTIC = 15.0
#: Probabilities below this, or as far below 1, count as equal.
SMALLEST = 1e-16
WARM_UP = (
    "the model has an If with outputs of dynamic sizes: its first inference with larger inputs than before gives wrong "
    "outputs on this device, the next one right ones: run it once with the largest inputs before you use its outputs"
)
#: Products of a higher rank were never merged, but for attention.
_MERGED_RANK = 2
#: The plugin merges an attention of fewer matrices only with few threads (`needed_num_of_threads` in its source).
_FEW_MATRICES = 12
#: The number of inferences of each model that are profiled, and the seconds after which there are no more.
LOOKS, LONG = 3, 0.03


@dataclass(frozen=True)
class Answer:
    """The result of a check, and the model that was checked.

    Attributes:
        asked: The result; None if there are no samples and the model compiles, or if FakeQuantizes cannot be computed
            in float, or if the check ended early.
        executed: The model as the device runs it in f32, which shows all layers if that was requested; None if it does
            not compile or run.
        is_put_off: Whether the check ended early.
    """

    asked: Asked | None
    executed: Engine | None = None
    is_put_off: bool = False


def ask(
    graph: Graph,
    context: Context,
    run_float: RunFloat | None,
    *,
    shown: bool = False,
    goes_on: Callable[[Engine], bool] = lambda _: True,
) -> Answer:
    """Checks that the device computes a quantized model correctly.

    Args:
        graph: The model.
        context: The context after its passes.
        run_float: Runs the float model with given properties on the same samples, if that is needed; None to check only
            f32.
        shown: Whether the model has to show all its layers.
        goes_on: Gets the model as the device runs it in f32, which shows all layers if that is wanted. The check ends
            if it returns false.
    """
    samples, precision = enough(context.calibration.probes), own_precision()
    in_own = IN_OWN_PRECISION.format(precision) if run_float and precision != "f32" else ""
    with ThreadPoolExecutor(max_workers=1) as pool:  # to compile a model keeps one core busy
        try:
            loaded = Loaded(context.outputs.tapped(graph))
            emulating = pool.submit(Engine, loaded, EMULATION | PROFILING) if samples else None
            running: dict[str, tuple[dict[str, str], Future[Run]]] = {}
            if in_own:
                running[in_own] = OWN_PRECISION, pool.submit(run_with, OWN_PRECISION, loaded, samples)
            showing = _compiled(loaded, INSPECTION | PROFILING) if shown and in_own else None
            executed = showing or Engine(loaded, LATENCY | PROFILING)
            cold = [_cold(executed, each) for each in samples[:1] if executed.runs_twice and not each.past]
            made = [executed.outputs(each) for each in samples]
        except (RuntimeRejectedError, DataError) as error:  # the float model was compiled, and ran these samples
            return Answer(Asked(wrong=f"{FAILS}: {error}"))
        is_enough = not shown or bool(in_own) or shows_all(graph, context.plan, executed)
        inspected = executed if is_enough else _compiled(loaded, INSPECTION) or executed
        if not goes_on(inspected):
            pool.shutdown(cancel_futures=True)
            return Answer(None, inspected, is_put_off=True)
        others = _other_threads(graph, context, executed.threads, both=bool(in_own)) if run_float else {}
        running |= {where: (config, pool.submit(run_with, config, loaded, samples)) for where, config in others.items()}
        try:
            emulated = emulating.result() if emulating else None
            meant = [emulated.outputs(each) for each in samples] if emulated else []
        except (RuntimeRejectedError, DataError):
            return Answer(None, inspected)
    if cold and compared(context.outputs, samples[:1], made[:1], cold).wrong:
        context.warnings.append(WARM_UP)
    found = compared(context.outputs, samples, meant, made)
    if found.wrong and showing:  # users do not run it like this: what it merges otherwise may be wrong alone
        plain, failure = run_with(LATENCY, loaded, samples)
        found = Asked(wrong=f"{FAILS}: {failure}") if failure else compared(context.outputs, samples, meant, plain)
    for where, (config, run) in running.items():
        if run_float and not found.wrong:
            wrong, lost = _wrong_in(where, run.result(), partial(run_float, config), context.outputs, samples, meant)
            found = replace(found, wrong=wrong, is_own=bool(wrong))
            context.warnings.extend(_lost_in(precision, lost) if where == in_own else ())
    if emulated is None:
        return Answer(found if found.wrong else None, inspected)
    is_slow = looks_slow(_profile(emulated, samples), _profile(executed, samples), graph)
    return Answer(replace(found, looks_slow=is_slow), inspected)


def _other_threads(graph: Graph, context: Context, threads: int, *, both: bool) -> dict[str, dict[str, str]]:
    """The properties with which another number of threads may take other kernels, and what to call them.

    Args:
        graph: The model.
        context: The context after its passes.
        threads: The number of threads of the other runs.
        both: Whether the device's own precision is not f32, so that there are two to try.
    """
    found: dict[str, dict[str, str]] = {}
    if _may_merge(graph, context):
        found |= {WITH_ONE_THREAD: ONE_THREAD} if threads > 1 else {}
        found |= {WITH_ONE_THREAD_F32: ONE_THREAD_F32} if both else {}  # the run in f32 that shows all merges nothing
    if threads < cores() and os.environ.get(THREADS):
        found[WITH_ALL_THREADS] = ALL_THREADS
    return found


def _may_merge(graph: Graph, context: Context) -> bool:
    """Whether the plugin might merge layers if one thread computes: products of two dimensions, or a small attention.

    Of a model with states, it may end the process then, be the model in float or in int8: that is not tried.
    """
    if any(graph.nodes("Assign")):
        return False
    products = {node: each.may_run_int8 for node, each in context.plan.decisions.items() if node.type == "MatMul"}
    flat = [may_run_int8 for node, may_run_int8 in products.items() if len(node.output().shape) <= _MERGED_RANK]
    if len(flat) > 1 and any(flat):
        return True
    few = [node for node, may_run_int8 in products.items() if may_run_int8 and _takes_few_matrices(node)]
    constants = constant_nodes(graph) if few else set[Node]()
    return any(not any(port.source.node in constants for port in node.inputs) for node in few)


def _takes_few_matrices(product: Node) -> bool:
    """Whether a product may be that of a small attention; an unknown size counts as one."""
    return math.prod(max(1, size) for size in product.output().shape[:-2]) < _FEW_MATRICES


def _lost_in(precision: str, lost: Mapping[str, float]) -> list[str]:
    """The warnings of outputs that the float model itself loses in the device's own precision."""
    return [
        f"in {precision}, the device's own precision, the float model itself gives {ratio:.1f} dB at output "
        f"'{name}' (its results in f32 are the reference): run it, and the INT8 model, with "
        "INFERENCE_PRECISION_HINT=f32"
        for name, ratio in lost.items()
    ]


def _cold(engine: Engine, sample: ValidationSample) -> _Tensors:
    """The outputs of an engine's first inference, as users see them who do not warm it up."""
    engine.infer(sample.feed)
    return engine.results()


def _wrong_in(
    where: str,
    run: Run,
    run_float: Callable[[], Run],
    outputs: Outputs,
    samples: Sequence[ValidationSample],
    meant: Sequence[_Tensors],
) -> tuple[str, dict[str, float]]:
    """Judges a model that ran in the device's own precision, with all threads or with one.

    Returns:
        What is wrong with it, empty if nothing is; and the outputs that the float model loses in that precision, with
        their ratios in dB, as far as it ran.
    """
    made, failure = run
    if not failure and not compared(outputs, samples, meant, made).wrong:
        return "", {}
    blurred, fails_too = run_float()
    if fails_too:
        return "", {}
    if failure:
        return f"{FAILS} {where}: {failure}", {}
    wrong = f"{OTHERWISE}, {where}" if compared(outputs, samples, meant, made, blurred).wrong else ""
    references = [each.outputs for each in samples]
    ratios = {
        output.name: tally(*_as_compared(outputs, k, references, blurred)).sqnr
        for output in outputs.each
        for k in output.tensors
        if references[0][k].dtype.kind == "f"
    }
    return wrong, {name: ratio for name, ratio in ratios.items() if ratio < LOST}


def run_with(config: dict[str, str], model: Graph | Loaded, samples: Sequence[ValidationSample]) -> Run:
    """The outputs of a model that runs with these properties, and why it does not run with them."""
    try:
        engine = Engine(model, config)
        return [engine.outputs(each) for each in samples], ""
    except (RuntimeRejectedError, DataError) as error:
        return [], str(error)


def enough(samples: Sequence[ValidationSample], fewest: int = PROBES) -> Sequence[ValidationSample]:
    """The first few samples, or more of them if some outputs have few numbers."""
    given = np.zeros(len(samples[0].outputs) if samples else 0)
    for count, sample in enumerate(samples, 1):
        given += [each.size for each in sample.outputs]
        if count >= fewest and (given >= ENOUGH).all():
            return samples[:count]
    return samples


def _compiled(model: Loaded, config: dict[str, str]) -> Engine | None:
    """The model with these properties; None if it does not compile with them, though it may with others."""
    try:
        return Engine(model, config)
    except RuntimeRejectedError:
        return None


def _profile(engine: Engine, samples: Sequence[ValidationSample]) -> Profile:
    """The profile of a few inferences of the last sample, for which the engine is warmed up."""
    mark, start = engine.mark(), time.perf_counter()
    for _ in range(LOOKS):
        engine.outputs(samples[-1])
        if time.perf_counter() - start > LONG:
            break
    return engine.profile(mark)


def compared(
    outputs: Outputs,
    samples: Sequence[ValidationSample],
    meant: Sequence[_Tensors],
    made: Sequence[_Tensors],
    blurred: Sequence[_Tensors] = (),
) -> Asked:
    """The output at which the device is farthest from the expected result, or one behind a selection that is wrong.

    Args:
        outputs: The model's outputs.
        samples: The samples with the float model's outputs.
        meant: The outputs with the FakeQuantizes computed in float.
        made: The outputs of the device.
        blurred: The float model's outputs in the precision of `made`, if that is not f32: its errors are allowed, too.
    """
    worst, farthest = Asked(samples=len(samples)), (False, -math.inf)
    seen = [it.seen_in([each.outputs[it.tensors[0]] for each in samples]) for it in outputs.each]
    for output, k in ((each, number) for each in seen for number in each.tensors):
        models = [[each.outputs for each in samples], meant, made, *([blurred] if blurred else [])]
        references, *others = _as_compared(outputs, k, *models)
        if output.shows_nothing and k == output.tensors[0]:
            references, *others = ([_logits(each) for each in arrays] for arrays in (references, *others))
        wrong = OTHERWISE if _is_otherwise(references, *others) else ""
        ratios = [tally(references, other).sqnr for other in others[:2]]
        # An output without rounded inputs may be exact, and infinitely far from one with a float rounding error.
        apart = bool(wrong), 0.0 if ratios[0] == ratios[1] else ratios[0] - ratios[1]
        if apart > farthest or not worst.output:
            worst, farthest = replace(worst, output=output.name, meant=ratios[0], made=ratios[1], wrong=wrong), apart
    for number, output in enumerate(outputs.each):
        if output.kind is OutputKind.DETECTIONS and not (outputs.left_out or worst.wrong):
            references, *others = (
                [each[number] for each in found]
                for found in ([each.outputs for each in samples], made, meant, *([blurred] if blurred else []))
            )
            left, *possible = _sorted_ratios(references, others)
            if left < LOST and min(possible) > SELECTED:
                worst = replace(worst, output=output.name, meant=possible[0], made=left, wrong=OTHERWISE)
    return worst


def _logits(probabilities: Array) -> Array:
    """The logits of probabilities next to zero: there, a small error of the logits is a large one of the sigmoid."""
    found = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(found) - np.log1p(-found))


def _as_compared(outputs: Outputs, number: int, *models: Sequence[_Tensors]) -> list[list[Array]]:
    """A tensor as each model gives it for each sample: of picked rows, those that all models picked."""
    by_sample = [outputs.common(number, *found) for found in zip(*models, strict=True)]
    return [[each[index] for each in by_sample] for index in range(len(models))]


def _sorted_ratios(references: Sequence[Array], others: Sequence[Sequence[Array]]) -> list[float]:
    """The SQNRs in dB of an output whose values are in ascending order, over all samples in which its size is the same.

    Of scores that are nearly equal, a small error selects another one: the order says nothing, and nor do few values.
    NaN and Inf count as zeros.
    """
    kept = [
        [np.sort(np.nan_to_num(each, posinf=0, neginf=0), axis=None) for each in (wanted, *found)]
        for wanted, *found in zip(references, *others, strict=True)
        if wanted.dtype.kind == "f"
    ]
    kept = [each for each in kept if len({array.shape for array in each}) == 1]
    if sum(wanted.size for wanted, *_ in kept) < ENOUGH:
        return [math.inf] * len(others)
    wanted, *found = zip(*kept, strict=True)
    return [tally(wanted, each).sqnr for each in found]


def _is_otherwise(
    references: Sequence[Array], meant: Sequence[Array], made: Sequence[Array], blurred: Sequence[Array] = ()
) -> bool:
    """Whether an output is farther from the float model's than expected, over all samples together."""
    if any(each.dtype.kind != "f" for each in references):
        return False  # a decision: small errors change it, and the values behind it are compared, too
    if not _of_one_size(references, meant, made, blurred or references):
        known = [meant, blurred] if blurred else [meant]
        return _is_lost(tally(references, made)) and not any(_is_lost(tally(references, each)) for each in known)
    intended = error = allowed = power = 0.0
    expected, executed = list[Array](), list[Array]()
    for wanted, *others in zip(references, meant, made, blurred or references, strict=True):
        is_known = np.isfinite(wanted) & np.isfinite(others[0]) & np.isfinite(others[2])
        if not np.isfinite(others[1][is_known]).all():
            return True
        floats = wanted[is_known].astype(np.float64)
        squares = [np.square(each[is_known] - floats) for each in others]
        errors = [float(each.sum()) for each in squares]
        intended, error, allowed = intended + errors[0], error + errors[1], allowed + errors[2]
        expected.append(squares[0] + squares[2])
        executed.append(squares[1])
        power += float(np.square(floats).sum())
    if blurred and not tally(references, blurred).sqnr > CHAOTIC:
        return error > power and not allowed > power
    numbers = max(effective(expected), effective(executed))  # what scatters is concentrated in both
    return error > MORE * (1 + FEW / numbers) * (intended + allowed) + UNHEARD * power


def effective(powers: Sequence[Array]) -> float:
    """The effective number of error powers: those of normal errors count as they are, few large ones as few.

    It is Kish's effective sample size, (sum w)^2 / sum w^2 (L. Kish, Survey Sampling, 1965, section 8.2), times the
    kurtosis of the normal distribution: powers of normal errors have a third of their number. Without any error, each
    number counts.
    """
    total, squares = (sum(float(np.power(each, exponent).sum()) for each in powers) for exponent in (1, 2))
    count = float(max(1, sum(each.size for each in powers)))
    return min(count, _KURTOSIS * total**2 / squares) if squares else count


def _of_one_size(*found: Sequence[Array]) -> bool:
    return all(len({each.shape for each in sample}) == 1 for sample in zip(*found, strict=True))


def _is_lost(sums: Tally) -> bool:
    """Whether an output is lost whose size depends on data, which a small error changes."""
    return not sums.is_comparable or sums.sqnr < LOST
