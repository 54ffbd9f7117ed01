"""What the plan says runs in int8 does, on the runtime at hand: one small net for each row of what is known of the CPU.

The list of layers that the runtime executed in float against the plan must be empty for every net here; where a layer is
planned float, it must be clean: no FakeQuantize in front of it.
"""

from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.infra.execution import Execution
from tests.passes.runs_int8 import rows_between_layers, rows_of_branches, rows_of_layers
from tests.passes.runs_int8.nets import const, executed_as_meant, model, samples_of, some_slow, weights

ROWS = {**rows_of_layers.ROWS, **rows_between_layers.ROWS, **rows_of_branches.ROWS}


@pytest.mark.parametrize("shape", [(3, 8, 5), (8, 5)])
def test_a_vector_times_weights_stays_float(shape: tuple[int, ...]) -> None:
    x = op.parameter([8], np.float32)
    y = op.reshape(op.matmul(x, weights(*shape), False, False), const(-1, 5), False)
    reports: list[Report] = []
    quantize(model(x, op.matmul(y, weights(4, 5), False, True)), [weights(8)] * 10, guard=False, report=reports.append)
    assert [each.decision.reason for each in reports[0].layers] == [
        "in int8 the plugin multiplies a single vector with weights wrongly",
        "a8 x w8",
    ]


@pytest.mark.parametrize("name", some_slow(ROWS, 6))
def test_what_is_planned_is_executed(name: str) -> None:
    _assert_planned_is_executed(name, "performance")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ROWS][::3])
def test_what_is_planned_is_executed_with_zero_points(name: str) -> None:
    _assert_planned_is_executed(name, "mixed")


def _assert_planned_is_executed(name: str, preset: str) -> None:
    net, int8, total = ROWS[name]()
    reports: list[Report] = []
    result = quantize(net, samples_of(net), preset=preset, guard=False, report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert executed_as_meant(result) > 30
    assert [each.get_partial_shape() for each in cast(ov.Model, result).outputs] == [
        each.get_partial_shape() for each in net.outputs
    ]
    _assert_clean(result)


def _assert_clean(net: ov.Model) -> None:
    """Every FakeQuantize leads to a layer with 8-bit weights or operands, and none changes a model output."""
    for node in net.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            assert _reached(node) - {"Result"}
            assert "Result" not in {each.get_node().get_type_name() for each in node.output(0).get_target_inputs()}


def _reached(node: Any) -> set[str]:
    layers = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"}
    found: set[str] = set()
    for port in (port for output in node.outputs() for port in output.get_target_inputs()):
        reader = port.get_node()
        found |= {reader.get_type_name()} if reader.get_type_name() in layers else _reached(reader)
    return found & layers
