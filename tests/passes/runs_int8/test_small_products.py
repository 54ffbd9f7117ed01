"""Small products in a row, which the plugin may merge."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy import kernel_mismatch
from irquant.passes.infra.execution import Execution
from irquant.passes.runtime.modes import EMULATION, LATENCY
from irquant.targets import load_target
from tests.passes.beside_data import beside_data
from tests.passes.runs_int8.nets import model, samples_of, weights

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes


def _bias(y: Any) -> Any:
    return op.add(y, weights(1, 32))


def _half(y: Any) -> Any:
    return op.multiply(y, np.float32(0.5))


def _batch_norm(y: Any) -> Any:
    return op.batch_norm_inference(y, *(op.constant(np.abs(weights(32)) + 0.5) for _ in range(4)), 1e-5)


#: What stands between two small products, and how many of them run int8.
BETWEEN: dict[str, tuple[list[Callable[[Any], Any]], int]] = {
    "nothing": ([], 2),
    "relu": ([op.relu], 2),
    "clamp": ([lambda y: op.clamp(y, -1, 1)], 2),
    "bias and relu": ([_bias, op.relu], 2),
    "bias and gelu": ([_bias, lambda y: op.gelu(y, "erf")], 2),
    "half and sigmoid": ([_half, op.sigmoid], 2),
    "half": ([_half], 1),
    "half and relu": ([_half, op.relu], 1),
    "bias and half": ([_bias, _half], 1),
    "relu and bias": ([op.relu, _bias], 1),
    "batch norm and relu": ([_bias, _batch_norm, op.relu], 1),
}


def two_products(steps: Sequence[Callable[[Any], Any]], rows: int) -> ov.Model:
    """Two products that the plugin merges if it has one thread, or rows for each."""
    x = op.parameter([rows, 16], np.float32)
    y: Any = op.matmul(x, weights(32, 16), False, True)
    for step in steps:
        y = step(y)
    return model(x, op.matmul(y, weights(8, 32), False, True))


def _on_one_thread(net: ov.Model) -> float:
    one = {"INFERENCE_NUM_THREADS": "1"}
    samples = samples_of(net)
    pairs = [
        [compiled(sample)[0].astype(np.float64) for sample in samples]
        for compiled in (ov.compile_model(net, "CPU", {**LATENCY, **one}), ov.compile_model(net, "CPU", EMULATION))
    ]
    found, meant = map(np.array, pairs)
    return float(10 * np.log10((meant**2).sum() / ((found - meant) ** 2).sum()))


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("name", BETWEEN)
def test_small_products_in_a_row_are_right_on_one_thread_too(name: str, rows: int) -> None:
    steps, int8 = BETWEEN[name]
    net = two_products(steps, rows)
    reports: list[Report] = []
    result = quantize(net, samples_of(net), guard=False, report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=2)
    assert not beside_data(reports[0]), "known from the target, not found by comparing"
    assert _on_one_thread(result) > 30


def test_without_a_bias_small_products_in_a_row_give_zeros_on_one_thread() -> None:
    """If this fails, the runtime has mended it, and both rules for MatMuls of rank 2 can go from cpu.yaml."""
    rules = tuple(rule for rule in load_target("cpu").rules if rule.op != ("MatMul",) or rule.ranks != (2,))
    net = two_products([op.relu], 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_mismatch, "MOST_FAULTS", 0)
        specs = load_target("cpu").specs
        plain = specs["a8"].model_copy(update={"absorbs_zero_point": False})  # else there would be a bias
        target = load_target("cpu").model_copy(update={"rules": rules, "specs": {**specs, "a8": plain}})
        config = QuantizationConfig(guard=False, correct_biases="no")
        reports: list[Report] = []  # without them, what the device check says would be a Python warning
        result = quantize(net, samples_of(net), target=target, config=config, report=reports.append)
    assert _on_one_thread(result) < 1
