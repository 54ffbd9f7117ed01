"""What reads a scaled maximum or minimum."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.infra.execution import Execution
from tests.passes.beside_data import beside_data
from tests.passes.runs_int8.nets import (
    NONE,
    ONES,
    const,
    conv,
    depthwise,
    executed_as_meant,
    image,
    matrix_product,
    model,
    samples_of,
    weights,
)

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes

#: What reads a scaled extreme, and how many of the layers run int8, of how many.
EXTREME_READERS: dict[str, tuple[Callable[[Any, Any], Any], int, int]] = {
    "convolution": (lambda y, x: conv(y, 8, 1), 1, 2),
    "depthwise": (lambda y, x: depthwise(y), 1, 2),
    "transposed": (lambda y, x: op.convolution_backprop_data(y, weights(16, 8, 3, 3), ONES), 1, 2),
    "product": (lambda y, x: matrix_product(y), 1, 2),
    "first of two activations": (lambda y, x: op.matmul(y, x, True, False), 1, 2),
    "second of two activations": (lambda y, x: op.matmul(x, y, False, False), 1, 2),
    "average": (lambda y, x: conv(op.avg_pool(y, [2, 1], NONE, NONE, [2, 1], True), 8, 1), 2, 2),
    "mean": (lambda y, x: conv(op.reduce_mean(y, const(2), True), 8, 1), 2, 2),
}


@pytest.mark.parametrize("is_half", [False, True], ids=["f32", "f16"])
@pytest.mark.parametrize("reduce", [op.reduce_max, op.reduce_min])
@pytest.mark.parametrize("name", EXTREME_READERS)
def test_what_reads_a_scaled_extreme_is_right(name: str, reduce: Callable[..., Any], *, is_half: bool) -> None:
    read, int8, total = EXTREME_READERS[name]
    x = image()
    factor = op.convert(op.constant(np.float16(0.7)), "f32") if is_half else op.constant(np.float32(0.7))
    net = model(x, read(op.multiply(reduce(x, const(3), True), factor), x), conv(x))
    reports: list[Report] = []
    result = quantize(net, samples_of(net), guard=False, report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert not beside_data(reports[0]), "known from the target, not found by comparing"
    assert executed_as_meant(result) > 30
