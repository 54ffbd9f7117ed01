"""Data with a zero point that are moved are right in front of each kind of layer."""

from collections.abc import Callable
from typing import Any

import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.infra.execution import Execution
from tests.passes.runs_int8.nets import (
    conv,
    depthwise,
    executed_as_meant,
    image,
    matrix_product,
    model,
    samples_of,
)
from tests.passes.runs_int8.rows_between_layers import MOVEMENTS

pytestmark = pytest.mark.slow  # what the device computes changes with the runtime, not with the passes


def signed(function: Callable[[Any], Any]) -> ov.Model:
    """Three branches whose data may be negative, so that ranges have zero points, in front of each kind of layer."""
    x = image()
    return model(x, *(layer(function(op.swish(conv(x)))) for layer in (conv, depthwise, matrix_product)))


@pytest.mark.parametrize("name", MOVEMENTS)
def test_moved_data_with_a_zero_point_are_right(name: str) -> None:
    net = signed(MOVEMENTS[name])
    reports: list[Report] = []
    result = quantize(net, samples_of(net), preset="mixed", guard=False, report=reports.append)
    assert reports[0].check.execution == Execution(int8=6, total=6)
    assert executed_as_meant(result) > 30
