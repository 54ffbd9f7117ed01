"""What becomes of a model: quantized rightly, left alone for a reason, or a fault."""

import os
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as op

from irquant.ir import UserError
from irquant.passes import QuantizationConfig, Report, quantize, quantize_model
from irquant.passes.analysis.agreement import Verdict
from irquant.passes.infra.base import PassFailure
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.runtime.samples import DataError
from tests.corpora.onnx_models import Array, Case, baked, is_float, samples_of
from tests.corpora.outcome import AS_IT_IS, BETWEEN_LAYERS, WITH_CONSTANTS, Kind, Outcome
from tests.emulation import EMULATED, written_out

#: How the runtime is asked: in f32 as it is, with as many samples at once as it likes.
_F32 = {"INFERENCE_PRECISION_HINT": "f32"}
_BUSY = {**_F32, "PERFORMANCE_HINT": "THROUGHPUT"}
#: The device may differ from what its FakeQuantizes mean by this share of the signal's power (40 dB), or as much as
#: rounding costs: sums of products are rounded at other places.
_SLACK = 1e-4
#: Samples of a run without check, and of one with it.
_FEW, _ENOUGH = 6, 40
#: Below this, in dB, a model of one operation between two layers is not what the float model computes.
_FAR = 15.0
#: Operations that make a step of a small difference.
_JUMPS = frozenset({"Ceiling", "Floor", "Mod", "OneHot", "Round", "Sign", "TopK"})
#: Of tensors that a layer can be put in front of or behind.
_RANKS = (2, 3, 4)


def outcomes(case: Case, tell: Callable[[str, Kind], None]) -> Iterator[Outcome]:
    """Judges all variants of a case; `tell` hears what it would be if the process died now."""
    constants = baked(case)
    for variant, one in ((AS_IT_IS, case), (WITH_CONSTANTS, constants)):
        if one is not None:
            yield _outcome(one, variant, tell, _converted)
    if any(is_float(value) and value.ndim in _RANKS for value in (constants or case).feed.values()):
        yield _outcome(constants or case, BETWEEN_LAYERS, tell, lambda one: between(_converted(one), one))


def _outcome(case: Case, variant: str, tell: Callable[[str, Kind], None], make: Callable[[Case], ov.Model]) -> Outcome:
    tell(variant, Kind.RUNTIME_CANNOT)
    try:
        model = make(case)
        samples = [_by_port(model, each) for each in samples_of(case, _ENOUGH)]
        few = samples[:_FEW]
        runs = [_run(model, [*few, few[0]], each) for each in (_F32, _BUSY)]
    except Exception as error:
        return Outcome(case.name, variant, Kind.RUNTIME_CANNOT, _one_line(error))
    if _drifts(runs):
        return Outcome(case.name, variant, Kind.RUNTIME_CANNOT, "the float model changes its outputs from run to run")
    tell(variant, Kind.FAULT)
    found = _quantized(case.name, variant, model, few, [each[:-1] for each in runs])
    if found.detail.startswith("output") and "far" in found.detail and _is_told(model, samples):
        return replace(found, kind=Kind.QUANTIZED, detail="the data do not fit into 8 bits, as the verdict says")
    return found


def _drifts(runs: Sequence[Sequence[Sequence[Array]]]) -> bool:
    """Whether the float model gives other outputs for the first sample again, but no random ones."""
    (first, *_, last), (other, *_, end) = runs
    return _same(first, other) and _same(last, end) and not _same(first, last)


def _same(ones: Sequence[Array], others: Sequence[Array]) -> bool:
    pairs = [(one, other) for one, other in zip(ones, others, strict=True) if is_float(one)]
    return all(np.array_equal(one, other, equal_nan=True) for one, other in pairs)


def _is_told(model: ov.Model, samples: Sequence[Sequence[Array]]) -> bool:
    """Whether irquant says itself that an output is not good, or makes it better, if it has samples to find out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = quantize_model(model, [list(each) for each in samples]).report
    return any(each.verdict is not Verdict.GOOD or each.sqnr >= _FAR for each in report.check.outputs or ())


def _quantized(
    name: str, variant: str, model: ov.Model, samples: Sequence[Sequence[Array]], floats: list[list[list[Array]]]
) -> Outcome:
    reports: list[Report] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = quantize(
                model, [list(each) for each in samples], config=QuantizationConfig(guard=False), report=reports.append
            )
    except NothingToQuantizeError as error:
        return Outcome(name, variant, *_told(Kind.NOTHING, error))
    except (PassFailure, RuntimeRejectedError) as error:  # the runtime took the float model
        return Outcome(name, variant, Kind.FAULT, _told_of_fault(error))
    except DataError as error:
        is_true = _has_unusable_numbers(model, samples)
        return Outcome(name, variant, *_told(Kind.REFUSED if is_true else Kind.FAULT, error))
    except UserError as error:
        return Outcome(name, variant, *_told(Kind.REFUSED, error))
    except Exception as error:
        return Outcome(name, variant, Kind.FAULT, _told_of_fault(error))
    execution = reports[0].check.execution
    assert execution is not None
    warned = [each for each in reports[0].warnings if each not in reports[0].data.warnings]
    told = "; ".join([*warned, *(f"in float: {each.reason}" for each in execution.fallen)])
    fault = _fault(model, result, samples, floats)
    kind = Kind.FAULT if fault else Kind.QUANTIZED
    return Outcome(name, variant, kind, fault or told, (execution.int8, execution.total))


def _has_unusable_numbers(model: ov.Model, samples: Sequence[Sequence[Array]]) -> bool:
    """Whether an input is empty or infinite, an output infinite, or a tensor of the model NaN."""
    arrays = [array for each in samples for array in each if is_float(array)]
    if any(not array.size or not np.isfinite(array).all() for array in arrays):
        return True
    outputs = [array for each in _run(model, samples, _F32) for array in each if is_float(array)]
    if not all(np.isfinite(array).all() for array in outputs):
        return True
    seen: ov.Model = model.clone()
    seen.add_outputs([output for node in seen.get_ordered_ops() for output in node.outputs() if _is_computed(output)])
    return any(np.isnan(array).any() for run in _run(seen, samples, EMULATED) for array in run if is_float(array))


def _is_computed(output: Any) -> bool:
    return output.get_element_type().is_real() and output.get_node().get_type_name() not in ("Constant", "Result")


def _told(kind: Kind, error: UserError) -> tuple[Kind, str]:
    message = str(error)
    return (Kind.FAULT, f"more than a line: {message}") if "\n" in message.strip() else (kind, message)


def _fault(
    model: ov.Model, result: ov.Model, samples: Sequence[Sequence[Array]], floats: list[list[list[Array]]]
) -> str:
    """What is wrong with a quantized model; empty if nothing is."""
    if (now := _ports(result)) != (before := _ports(model)):
        return f"other ports: {now}, were {before}"
    try:
        executed, meant = _run(result, samples, _F32), _run(written_out(result), samples, EMULATED)
    except RuntimeError as error:
        return f"the result does not run: {_one_line(error)}"
    jumps = any(each.get_type_name() in _JUMPS for each in model.get_ordered_ops())
    for index, output in enumerate(model.outputs):
        if output.get_element_type().is_real():
            told = _told_apart(*([each[index] for each in run] for run in (*floats, executed, meant)))
            if told and not jumps:
                return f"output {index}: {told}"
    return ""


def _told_apart(first: list[Array], second: list[Array], executed: list[Array], meant: list[Array]) -> str:
    if any(not np.array_equal(one, other) for one, other in zip(first, second, strict=True)):
        return ""  # it draws random numbers, or the float model gives NaN
    if any(one.shape != other.shape for one, other in zip(first, executed, strict=True)):
        return ""  # the data decide how much there is
    signal, device, made, rounding = (
        _power(first, [0 * each for each in first]),
        _power(executed, meant),
        _power(executed, first),
        _power(meant, first),
    )
    # With LP_TRANSFORMS_MODE=NO the plugin loses a bias between a MatMul and a FakeQuantize if others read the MatMul.
    if device > max(_SLACK * signal, rounding) and made > rounding:
        return f"the device computes otherwise: {_db(signal, made)}, meant {_db(signal, rounding)} dB"
    if min(made, rounding) > signal * 10 ** (-_FAR / 10):
        return f"far: {_db(signal, min(made, rounding))} dB"
    return ""


def _power(ones: Sequence[Array], others: Sequence[Array]) -> float:
    with np.errstate(all="ignore"):
        return float(sum(np.square(a.astype(np.float64) - b).sum() for a, b in zip(ones, others, strict=True)))


def _db(signal: float, noise: float) -> str:
    with np.errstate(all="ignore"):
        return f"{float(10 * np.log10(np.float64(signal) / noise)):.0f}"


# ------------------------------------------------------------------------------------------- the runtime


def _converted(case: Case) -> ov.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(case.model, path)
        model: ov.Model = ov.convert_model(path)
    return model


def between(model: ov.Model, case: Case) -> ov.Model:
    """The model with a convolution or a matrix product in front of its first input of floats, and one behind it.

    The layers mix their channels a little and change little else, so that the operation gets the numbers it was made for.
    """
    arrays = zip(model.inputs, _by_port(model, case.feed), strict=True)
    port, array = next((port, array) for port, array in arrays if is_float(array) and array.ndim in _RANKS)
    readers = list(port.get_target_inputs())
    layer = _layer(port, array.shape)
    for each in readers:
        each.replace_source_output(layer)
    for result in model.get_results():
        value = result.input_value(0)
        shape = value.get_partial_shape()
        if value.get_element_type().is_real() and shape.is_static and len(shape) in _RANKS:
            result.input(0).replace_source_output(_layer(value, tuple(shape.to_shape())))
    model.validate_nodes_and_infer_types()
    return model


def _layer(value: Any, shape: Sequence[int]) -> Any:
    """Close to the identity: each channel, and a tenth of the next one."""
    picture = len(shape) == 4
    width = shape[1] if picture else shape[-1]
    kernel = (np.eye(width) + 0.1 * np.roll(np.eye(width), 1, axis=1)).astype(value.get_element_type().to_dtype())
    bias = np.full((1, width, 1, 1) if picture else (width,), 0.01, kernel.dtype)
    if picture:
        product = op.convolution(value, op.constant(kernel[:, :, None, None]), [1, 1], [0, 0], [0, 0], [1, 1])
    else:
        product = op.matmul(value, op.constant(kernel), False, True)
    return op.add(product, op.constant(bias)).output(0)


def _by_port(model: ov.Model, feed: dict[str, Array]) -> list[Array]:
    names = [port.get_names() | {port.get_node().get_friendly_name()} for port in model.inputs]
    return [next(value for name, value in feed.items() if name in each) for each in names]


def _run(model: ov.Model, samples: Sequence[Sequence[Array]], config: dict[str, str]) -> list[list[Array]]:
    core = ov.Core()
    if threads := os.environ.get("IRQUANT_THREADS"):
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads})
    request = core.compile_model(model, "CPU", config).create_infer_request()
    found: list[list[Array]] = []
    for each in samples:
        request.infer([_tensor(array) for array in each])
        found.append([np.array(tensor.data) for tensor in request.output_tensors])
    return found


def _tensor(array: Array) -> ov.Tensor:
    if array.dtype != ml_dtypes.bfloat16:
        return ov.Tensor(array)
    tensor = ov.Tensor(ov.Type.bf16, array.shape)
    tensor.data.view(np.uint16)[...] = array.view(np.uint16)
    return tensor


def _ports(model: ov.Model) -> list[tuple[list[str], str, str]]:
    return [
        (sorted(each.get_names()), str(each.get_partial_shape()), str(each.get_element_type()))
        for each in (*model.inputs, *model.outputs)
    ]


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return f"{type(error).__name__}: {(telling or lines or [''])[0]}"


def _told_of_fault(error: Exception) -> str:
    """What tells faults apart: the innermost place of ours, and the message."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "/corpora/" not in each.filename]
    ours = [each for each in frames if "site-packages" not in each.filename]
    place = f"{Path(ours[-1].filename).stem}.{ours[-1].name}" if ours else "?"
    return f"{place}: {_one_line(error)}"
