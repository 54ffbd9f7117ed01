"""Residual sums and the functions behind them are computed by a convolution."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.infra.execution import Execution
from irquant.passes.runtime.modes import LATENCY
from irquant.targets import load_target
from tests.passes.runs_int8.nets import conv, executed_as_meant, image, model, samples_of, weights

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes

#: The functions that the target says are computed with a residual sum.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Abs": op.abs,
    "Clamp": lambda x: op.clamp(x, -1.0, 1.0),
    "Elu": lambda x: op.elu(x, 1.0),
    "Gelu": lambda x: op.gelu(x, "erf"),
    "HSigmoid": op.hsigmoid,
    "HSwish": op.hswish,
    "Mish": op.mish,
    "PReLU": lambda x: op.prelu(x, np.abs(weights(1, 16, 1, 1))),
    "ReLU": op.relu,
    "Sigmoid": op.sigmoid,
    "Swish": op.swish,
    "Tanh": op.tanh,
}


def test_the_functions_behind_sums_are_those_of_the_target() -> None:
    (rule,) = [rule for rule in load_target("cpu").rules if "Add" in rule.op]
    assert sorted(FUNCTIONS) == sorted(rule.fuses)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_residual_sum_and_the_function_behind_it_are_part_of_a_convolution(name: str, kernel: int) -> None:
    x = image()
    stem = op.relu(conv(x))
    for _ in range(2):
        stem = FUNCTIONS[name](op.add(conv(op.relu(conv(stem, kernel=kernel)), kernel=kernel), stem))
    net, int8, total = model(x, conv(stem)), 6, 6
    reports: list[Report] = []
    result = quantize(net, samples_of(net), guard=False, report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert executed_as_meant(result) > 30
    runtime = cast(Any, ov.Core()).compile_model(result, "CPU", LATENCY).get_runtime_model()
    types = [node.get_rt_info()["layerType"].astype(str) for node in runtime.get_ordered_ops()]
    assert types.count("Convolution") == total
    assert types.count("Subgraph") == 1, "what rounds the input"
