"""What must hold of every network that is quantized.

The reference is the quantized model itself with the formula of each FakeQuantize written out in its place: what it
loses against the float model is the price of 8 bits and depends on the network; what the device loses beyond it is a
fault. So no bound has to be loose for the sake of networks that are hard to quantize.
"""

import math
import os
import re
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import openvino as ov

from irquant.ir import UserError
from irquant.passes import Context, Pass, PassManager, QuantizationConfig, Report, quantize
from irquant.passes.accuracy.device import effective
from irquant.passes.analysis.constants import constant_nodes
from irquant.passes.analysis.transposed_weights import shared_squares
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.files.result_path import result_path
from irquant.passes.infra.base import PassFailure
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.core import THREADS as IRQUANT_THREADS
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import EMULATION
from irquant.passes.runtime.samples import PreparedSample, Sample
from irquant.passes.runtime.sequences import in_sequence
from irquant.passes.runtime.warm_up import may_need_warm_up
from irquant.passes.transforms.align_streams import AlignStreams
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.targets import load_target
from tests.emulation import EMULATED, written_out

from .drawing import Drawn, Recipe, draw
from .net import Array, Chance
from .options import draw_options

#: The threads with which a network is quantized, and with which users run the result, by seed: kernels differ.
THREADS = ((1, 1), (2, 1), (1, 2), (2, 2))
#: As users run it, in the precision that the device likes best: bf16, where it has it.
PLAIN = {"INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1"}
F32 = PLAIN | {"INFERENCE_PRECISION_HINT": "f32"}
MEANT = PLAIN | EMULATED
#: What one way to run a model accepts, another may not: data that are too wide for a recurrent layer, say, or masks of a
#: fixed size beside scores of any, unless the attention is merged into one kernel, which measuring inside it prevents.
BUSY = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT", "SNIPPETS_MODE": "DISABLE"}
#: How much more error power than the FakeQuantizes stand for the device may make: it rounds ties otherwise, and a
#: number that falls to the other side of a step is a step off from there on. (6 dB, as what is quantized is checked for.)
MORE = 4.0
#: Errors of few numbers scatter: of so many numbers, twice as much may be made. (The plugin leaves a rounding out between a
#: layer and a sum that it merges with it: one number of six may then be a step off.)
FEW = 10
#: Share of the signal's power that does not count: 50 dB.
UNHEARD = 1e-5
#: The share of an output's numbers that are compared where a few decisions may turn over.
KEPT = 0.75
#: Shares of a step that are added before numbers are rounded, to see what the ties among them decide.
NUDGES = (-1e-3, 1e-3)
#: In dB: a float model whose own precision of the device leaves less of an output than this says nothing there.
CHAOTIC = 15.0
#: What rounding in f32 in another order may make, as a share of the signal's power: 60 dB. Weights in f16 that take up mean
#: and scale of pictures are rounded to f16 anew.
SAME, SAME_HALVES = 1e-6, 4e-6
#: One network of so many that are given as files is quantized twice.
TWICE = 3
#: What scales channels, and what it needs to know.
_ALIGNING = (PlanPlacement(), Calibrate(), AlignStreams())
#: The runtime refuses outputs of them, or they compute nothing.
_NO_OUTPUTS = ("Assign", "Constant", "Parameter", "Result")
#: Below this, floats themselves are all that the two runs differ by.
TINY = 1e-10
#: What makes whole numbers or flags of floats: an error that is too small for anybody else turns some of them over.
DECIDES = {
    *(
        "TopK",
        "NonMaxSuppression",
        "DetectionOutput",
        "Round",
        "Floor",
        "Ceiling",
        "Sign",
        "NonZero",
        "Bucketize",
        "FloorMod",
        "Mod",
    ),
    *("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"),
}
_LEFT_FLOAT = re.compile(r"(\w+) '.*' is left float: (the device runs it in float|[^:]*).*", re.DOTALL)


@dataclass
class FoundError(Exception):
    """Something that must hold of every network and does not of this one.

    Attributes:
        signature: What is alike in all failures of the kind.
        detail: What is not.
    """

    signature: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.signature}: {self.detail}"


@dataclass
class OtherValuesError(FoundError):
    """Other values than those of the float model, which has to be right to be a reference.

    Attributes:
        output: The output with these values.
    """

    output: int = 0


class UnsoundError(Exception):
    """The float model itself is no network: it gives NaN or nothing but zeros, or the runtime does not run it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a network.

    Attributes:
        kind: "quantized", "nothing to quantize", "unsound".
        int8: Layers planned in int8.
        margin: The least ratio in dB of the emulated outputs to the float ones.
        excess: The most error power beyond what is emulated, in dB.
        left_float: Types of the layers that were left float because of what the device does with them.
    """

    kind: str
    int8: int = 0
    margin: float = math.inf
    excess: float = -math.inf
    detail: str = ""
    left_float: tuple[str, ...] = ()


def run_float(recipe: Recipe) -> None:
    """Runs the float model alone, to tell whether it is what ends the process."""
    with tempfile.TemporaryDirectory() as folder, suppress(UnsoundError):
        _sound(recipe, draw_options(Chance(recipe.seed, 2))["by"], Path(folder) / "model.xml")


def run(model: Any, drawn: Drawn, config: dict[str, str]) -> list[list[Array]]:
    """The outputs of a model for each sample of a network: from a fresh state, or from that of the step before."""
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    count = 2 if may_need_warm_up(model) else 1
    found: list[list[Array]] = []
    for sequence in drawn.sequences:
        outputs = list[list[Array]]()
        for _ in range(count):
            request.reset_state()
            outputs.clear()
            for each in sequence:
                request.infer(list(each.values()))
                outputs.append([np.array(tensor.data) for tensor in request.output_tensors])
        found += outputs
    return found


def check(recipe: Recipe, options: dict[str, Any] | None = None) -> Outcome:
    """Draws, quantizes and compares.

    Raises:
        FoundError: something does not hold.
    """
    known, theirs = THREADS[recipe.seed % len(THREADS)]
    chosen = {**(options or draw_options(Chance(recipe.seed, 2))), "threads": theirs}
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {IRQUANT_THREADS: str(known)}):
        return _checked(recipe, chosen, Path(folder) / "model.xml")


def _checked(recipe: Recipe, chosen: dict[str, Any], path: Path) -> Outcome:
    try:
        drawn, floats = _sound(recipe, chosen["by"], path)
    except UnsoundError as error:
        return Outcome("unsound", detail=str(error))
    try:
        return _judged(recipe, drawn, floats, chosen, path)
    except UnsoundError as error:
        return Outcome("unsound", detail=str(error))
    except OtherValuesError as error:
        if reason := _contradicts_itself(drawn, floats, error.output):
            return Outcome("unsound", detail=reason)
        raise


def _judged(recipe: Recipe, drawn: Drawn, floats: list[list[Array]], chosen: dict[str, Any], path: Path) -> Outcome:
    _prepared_it_computes_the_same(drawn, floats, "prepared", _before_measuring())
    _prepared_it_computes_the_same(drawn, floats, "aligned", [*_before_measuring(), *_ALIGNING])
    reports: list[Report] = []
    try:
        quantized = _quantized(drawn, chosen, reports, path if path.exists() else None)
    except NothingToQuantizeError:
        return Outcome("nothing to quantize")
    except PassFailure as error:
        raise FoundError(signature_of(error), _trace(error)) from error
    except UserError as error:
        raise FoundError(f"{type(error).__name__}: {shape_of(str(error))}", str(error)) from error
    except Exception as error:
        raise FoundError(signature_of(error), _trace(error)) from error
    _same_interface(drawn.model, quantized)
    if recipe.seed % TWICE == 0 and path.exists():
        _same_again(drawn, chosen, path)
    return _compared(drawn, floats, quantized, reports[0], chosen)


def _sound(recipe: Recipe, by: str, path: Path) -> tuple[Drawn, list[list[Array]]]:
    try:
        drawn = draw(recipe)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UnsoundError(f"build: {type(error).__name__}: {_last_line(error)}") from error
    if drawn is None:
        raise UnsoundError("empty")
    try:
        if by != "model":  # f16 constants are other constants: the file is the float model
            ov.save_model(drawn.model, path, compress_to_fp16=by == "f16 xml")
            drawn = replace(drawn, model=read(path))
        floats = run(drawn.model, drawn, F32)
        run(drawn.model, drawn, BUSY)
    except RuntimeError as error:
        raise UnsoundError(f"float: {_last_line(error)}") from error
    if not all(np.isfinite(each.astype(np.float64)).all() for arrays in floats for each in arrays):
        raise UnsoundError("not finite")
    if not all(map(partial(_are_as_inferred, drawn.model), floats)):
        raise UnsoundError("the runtime gives an output of another size than it infers")
    normal = from_runtime(drawn.model)
    constants = constant_nodes(normal)
    for node in normal.nodes("MatMul"):
        if node in constants and node.source(1).node.type != "Const":
            raise UnsoundError("the runtime takes what it computes from constants for weights, in another order")
    PassManager(_before_measuring()[:2]).run(normal, Context(load_target("cpu")))  # constants without conversions
    if any(shared_squares(each) for each in normal.walk()):
        raise UnsoundError("the runtime takes a square matrix for its transpose in the float model")
    return drawn, floats


def _are_as_inferred(model: ov.Model, outputs: list[Array]) -> bool:
    shapes = [each.partial_shape for each in model.outputs]
    return all(shape.compatible(ov.PartialShape(each.shape)) for shape, each in zip(shapes, outputs, strict=True))


def _before_measuring() -> list[Pass]:
    """The passes in front of the plan."""
    return [*takewhile(lambda pass_: not isinstance(pass_, PlanPlacement), default_quantization())]


def _prepared_it_computes_the_same(
    drawn: Drawn, floats: list[list[Array]], prepared: str, passes: Sequence[Pass]
) -> None:
    """Passes that round nothing change no value; what is measured behind them would not show it."""
    graph, context = from_runtime(drawn.model), Context(load_target("cpu"), samples=drawn.data)
    try:
        PassManager(passes).run(graph, context)
    except PassFailure as error:
        raise FoundError(f"{prepared}: {signature_of(error)}", _trace(error)) from error
    except UserError:  # no data reach what is measured, say: that is for the quantization to tell
        return
    decided = _decided(drawn.model)
    same = _same(floats)
    try:
        found = run(to_runtime(graph), drawn, F32)
    except RuntimeError as error:
        raise FoundError(f"{prepared}, it does not run: {shape_of(str(error))}", str(error)) from error
    for number in range(len(floats[0])):
        wanted, given = (_joined(each, number) for each in (floats, found))
        if wanted.shape != given.shape:
            raise FoundError(f"{prepared}, an output has another size", f"output {number}")
        if not _average(np.square(given - wanted), decided=decided[number]) <= same * np.square(wanted).mean():
            raise OtherValuesError(f"{prepared}, it computes something else", f"output {number}", number)


def _contradicts_itself(drawn: Drawn, floats: list[list[Array]], output: int) -> str:
    """Why the float model is no reference for an output: the runtime computes something else of the same numbers.

    Returns:
        The reason; empty if there is none.
    """
    others = {
        "float: the runtime computes something else with constants of 32 bits": written_out(drawn.model),
        "float: the runtime computes something else if all results are outputs": _watched(drawn.model),
    }
    wanted, same = _joined(floats, output), _same(floats)
    for reason, model in others.items():
        try:
            found = _joined(run(model, drawn, F32), output)
        except RuntimeError:  # it may take other types only, or no more outputs
            continue
        if found.shape != wanted.shape:
            return reason
        error = _average(np.square(found - wanted), decided=_decided(drawn.model)[output])
        if not error <= same * np.square(wanted).mean():
            return reason
    return ""


def _same(floats: list[list[Array]]) -> float:
    """What rounding may make in a model with such outputs."""
    return SAME_HALVES if any(each.dtype == np.float16 for each in floats[0]) else SAME


def _watched(model: ov.Model) -> ov.Model:
    """The model with the floats of all operations as outputs, so that the runtime merges few of them."""
    copy: ov.Model = model.clone()
    nodes = (node for node in copy.get_ordered_ops() if node.get_type_name() not in _NO_OUTPUTS)
    copy.add_outputs([each for node in nodes for each in node.outputs() if each.get_element_type() == ov.Type.f32])
    return copy


def read(path: Path) -> ov.Model:
    """A model that does not need its file any more."""
    core: Any = ov.Core()
    core.set_property({"ENABLE_MMAP": False})
    found: ov.Model = core.read_model(path)
    return found


def _quantized(drawn: Drawn, chosen: dict[str, Any], reports: list[Report], path: Path | None) -> ov.Model:
    arguments: dict[str, Any] = {
        "target": chosen["target"],
        "preset": chosen["preset"],
        "config": QuantizationConfig.read(chosen["config"], ""),
        "report": reports.append,
        "ignored": _some_layer(drawn.model) if chosen["ignored"] else [],
    }
    if path is None:
        return quantize(drawn.model, drawn.data, **arguments)
    return read(quantize(path, drawn.data, **arguments))


def _some_layer(model: ov.Model) -> list[str]:
    """The name of a layer, as a pattern that hits it alone."""
    layers = ("Convolution", "GroupConvolution", "MatMul")
    names = [each.get_friendly_name() for each in model.get_ordered_ops() if each.get_type_name() in layers]
    return [f"re:{re.escape(names[len(names) // 2])}"] if names else []


def _same_interface(before: ov.Model, after: ov.Model) -> None:
    for what, one, other in (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs)):
        found = [
            [(sorted(port.names), str(port.element_type), str(port.partial_shape)) for port in ports]
            for ports in (one, other)
        ]
        if found[0] != found[1]:
            raise FoundError(f"the {what} changed", f"{found[0]} -> {found[1]}")


def _same_again(drawn: Drawn, chosen: dict[str, Any], path: Path) -> None:
    written = [result_path(path).with_suffix(suffix) for suffix in (".xml", ".bin")]
    first = [each.read_bytes() for each in written]
    _quantized(drawn, chosen, [], path)
    second = [each.read_bytes() for each in written]
    if first != second:
        texts = [each[0].decode().splitlines() for each in (first, second)]
        apart = [f"{one.strip()} -> {other.strip()}" for one, other in zip(*texts, strict=False) if one != other]
        raise FoundError("a second run gives other bytes", "\n".join(apart[:5]) or "weights")


def _compared(
    drawn: Drawn, floats: list[list[Array]], quantized: ov.Model, report: Report, chosen: dict[str, Any]
) -> Outcome:
    is_here = chosen["target"].startswith("cpu")
    threads = {"INFERENCE_NUM_THREADS": str(chosen["threads"])}
    own = _emulated_by_irquant(quantized, drawn)
    emulated = _reference(quantized, drawn, own)
    executed = _run_quantized(quantized, drawn, F32 | threads) if is_here else emulated
    int8 = sum(each.decision.int8 for each in report.layers)
    execution = report.check.execution
    if execution and execution.fallen and chosen["target"] == "cpu":
        fallen = execution.fallen[0]
        raise FoundError(
            f"fallen to float: {fallen.type} in {_primitive(fallen.reason)}", f"{fallen.name}: {fallen.reason}"
        )
    margin, excess = math.inf, -math.inf
    decided = _decided(drawn.model)

    def ties(number: int) -> float:
        return _made_by_ties(quantized, drawn, emulated, number) / float(np.square(_joined(floats, number)).mean())

    for number in range(len(floats[0])):
        wanted, meant, made, told = (_joined(found, number) for found in (floats, emulated, executed, own))
        if meant.shape != wanted.shape or made.shape != wanted.shape:
            raise FoundError("an output has another size", f"output {number}")
        if not (np.isfinite(meant).all() and np.isfinite(made).all()):
            raise FoundError("an output is not finite", f"output {number}")
        power = float(np.square(wanted).mean())
        if not power:
            continue
        meant_error, made_error = (
            _average(np.square(each - wanted), decided=decided[number]) / power for each in (meant, made)
        )
        margin = min(margin, -10 * math.log10(max(meant_error, TINY)))
        apart = 10 * math.log10(max(made_error, UNHEARD) / max(meant_error, UNHEARD))
        excess = max(excess, apart)
        numbers = max(effective([np.square(each - wanted)]) for each in (meant, made))
        more = MORE * (1 + FEW / numbers)
        if made_error > more * meant_error + UNHEARD and made_error > more * (meant_error + ties(number)) + UNHEARD:
            raise OtherValuesError(
                "the device computes otherwise",
                f"output {number}: meant {decibels(meant_error):.1f} dB, made {decibels(made_error):.1f} dB",
                number,
            )
        told_error = _average(np.square(told - meant), decided=decided[number]) / power
        # In most networks, ties make a hundredth of that. The error counts twice: both models have it, from other ties.
        if told_error > 2 * meant_error + UNHEARD and told_error > 2 * (meant_error + ties(number)) + UNHEARD:
            said = f"output {number}: meant {decibels(meant_error):.1f} dB, emulated {decibels(told_error):.1f} dB from that"
            raise OtherValuesError("irquant emulates otherwise", said, number)
    if is_here:
        _right_in_the_precision_of_the_device(drawn, floats, quantized, emulated, decided, PLAIN | threads)
    left = tuple(_LEFT_FLOAT.sub(r"\1: \2", each) for each in report.warnings if _LEFT_FLOAT.match(each))
    return Outcome("quantized", int8, margin, excess, left_float=left)


def _reference(quantized: ov.Model, drawn: Drawn, own: list[list[Array]]) -> list[list[Array]]:
    try:
        return emulated_outputs(quantized, drawn)
    except FoundError:  # The plugin fails on strides behind a float Split, say, where it runs the result itself.
        return own


def _made_by_ties(quantized: ov.Model, drawn: Drawn, emulated: list[list[Array]], number: int) -> float:
    """What may come of ties that fall to the other side: they decide much where scores saturate or numbers are summed up.

    Returns:
        The greatest error power in an output if all ties fall to one side.
    """
    meant = _joined(emulated, number)
    others = (_joined(run(written_out(quantized, each), drawn, MEANT), number) for each in NUDGES)
    return max(float(np.square(other - meant).mean()) for other in others)


def emulated_outputs(quantized: ov.Model, drawn: Drawn) -> list[list[Array]]:
    return _run_quantized(written_out(quantized), drawn, MEANT)


def _emulated_by_irquant(quantized: ov.Model, drawn: Drawn) -> list[list[Array]]:
    """What guard and bias correction take for the meaning of the FakeQuantizes."""
    try:
        engine = Engine(from_runtime(quantized), EMULATION)
    except RuntimeRejectedError as error:
        raise UnsoundError(f"float: with what int8 rounds in float, {_last_line(error)}") from error
    steps = ((PreparedSample(Sample("", None), each) for each in sequence) for sequence in drawn.sequences)
    return [engine.outputs(each) for sequence in steps for each in in_sequence(sequence)]


def _right_in_the_precision_of_the_device(
    drawn: Drawn,
    floats: list[list[Array]],
    quantized: ov.Model,
    emulated: list[list[Array]],
    decided: Sequence[bool],
    config: dict[str, str],
) -> None:
    """What users get who ask for nothing: the errors of int8 and of that precision may add up, and no more."""
    try:
        plain = run(drawn.model, drawn, config)
    except RuntimeError:
        return  # it has no kernel in that precision
    try:
        rounded = run(quantized, drawn, config)
        fault = _wrong_in_that_precision(floats, plain, emulated, rounded, decided)
    except RuntimeError as error:
        rounded, fault = [], FoundError(f"the result cannot be executed: {shape_of(str(error))}", str(error))
    if fault is None:
        return
    try:  # The plugin has no kernels for some float models, or wrong ones, that are right behind constants of 16 bits.
        plain = run(written_out(drawn.model), drawn, config)
    except RuntimeError:
        return
    if not rounded or _wrong_in_that_precision(floats, plain, emulated, rounded, decided):
        raise fault


def _wrong_in_that_precision(
    floats: list[list[Array]],
    plain: list[list[Array]],
    emulated: list[list[Array]],
    rounded: list[list[Array]],
    decided: Sequence[bool],
) -> FoundError | None:
    for number, output in enumerate(floats[0]):
        if output.dtype.kind != "f":
            continue
        wanted, *others = (_joined(found, number) for found in (floats, plain, emulated, rounded))
        power = float(np.square(wanted).mean())
        if not power or not np.isfinite(others[0]).all():
            continue
        errors = [np.square(each - wanted) for each in others]
        precision, meant = (_average(each, decided=decided[number]) / power for each in errors[:2])
        # The precision and int8 turn over decisions each: twice as many as one of them.
        made = _average(errors[2], decided=decided[number], kept=1 - 2 * (1 - KEPT)) / power
        if (
            decibels(precision) > CHAOTIC
            and not made <= 2 * MORE * (1 + FEW / wanted.size) * (precision + meant) + UNHEARD
        ):
            return OtherValuesError(
                "the device computes otherwise in its own precision",
                f"output {number}: meant {decibels(meant):.1f} dB, made {decibels(made):.1f} dB, "
                f"the float model {decibels(precision):.1f} dB",
                number,
            )
    return None


def _decided(model: ov.Model) -> list[bool]:
    """Whether what a model decides goes into an output, for each: one other decision is not the device's fault."""
    return [any(map(_decides, _above(result))) for result in model.get_results()]


def _decides(node: Any) -> bool:
    kinds = [str(value.get_element_type().to_string()) for value in (*node.input_values()[:1], *node.outputs()[:1])]
    turns_whole = node.get_type_name() == "Convert" and "f" in kinds[0] and "f" not in kinds[1]
    return turns_whole or node.get_type_name() in DECIDES


def _average(errors: Array, *, decided: bool, kept: float = KEPT) -> float:
    """Of squared errors: where a few decisions may turn over, of this share of the numbers, the largest."""
    return float(np.quantile(errors, kept) if decided else errors.mean())


def _above(node: Any) -> set[Any]:
    found, todo = set[Any](), [node]
    while todo:
        sources = [value.get_node() for value in todo.pop().input_values()]
        todo += [each for each in sources if each not in found]
        found.update(sources)
    return found


def _joined(found: list[list[Array]], number: int) -> Array:
    """An output of all samples, as one row of floats."""
    return np.concatenate([np.ravel(each[number]).astype(np.float64) for each in found])


def decibels(error: float) -> float:
    """An error power, as a share of the signal's, as a ratio."""
    return -10 * math.log10(error + TINY)


def _run_quantized(quantized: ov.Model, drawn: Drawn, config: dict[str, str]) -> list[list[Array]]:
    try:
        return run(quantized, drawn, config)
    except RuntimeError as error:
        how = "emulated" if config == MEANT else "executed"
        raise FoundError(f"the result cannot be {how}: {shape_of(str(error))}", str(error)) from error


def _primitive(reason: str) -> str:
    found = re.search(r"chose ([a-z_0-9]+)", reason)
    return re.sub(r"avx\d+", "avx", found[1]) if found else "?"


# ------------------------------------------------------------------------------------------------------- signatures


def signature_of(error: BaseException) -> str:
    """Type, innermost frame of irquant's, and the message without its numbers and names."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    frames = [each for each in traceback.extract_tb(root.__traceback__) if "/irquant/" in each.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    return f"{type(root).__name__} in {where}: {shape_of(str(root))}"


def shape_of(message: str) -> str:
    """A message without what differs from network to network."""
    lines = [each.strip() for each in message.splitlines() if each.strip()]
    telling = [each for each in lines if not each.startswith(("Exception from", "Check '", "While validating"))]
    line = (telling or lines or [""])[-1 if "Exception from" in message else 0]
    line = re.sub(r"'[^']*'", "'..'", line)
    line = re.sub(r"\"[^\"]*\"", '".."', line)
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", line)[:160]


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-3000:]


def _last_line(error: Exception) -> str:
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    return " | ".join(shape_of(each) for each in lines[-2:])
