"""A single number stands behind the operand of many numbers that it changes."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.testing import check_pass
from irquant.passes.transforms.order_operands import OrderOperands
from irquant.targets import load_target
from tests.emulation import EMULATED, written_out

GRAPH = """
    gate: f32[1,1] = Parameter()
    x: f32[1,8] = Parameter()
    c: f32[1,1] = Const() [2.0]
    gated: f32[1,8] = Multiply(gate, x) auto_broadcast="numpy"
    r = Result(gated)
"""


def test_the_operand_of_many_numbers_comes_first() -> None:
    check_pass(OrderOperands(), before=GRAPH, after=GRAPH.replace("(gate, x)", "(x, gate)"))


@pytest.mark.parametrize(
    "line",
    ["Multiply(x, gate)", "Multiply(c, x)", "Subtract(gate, x)", "Multiply(x, x)"],
)
def test_other_operands_stay(line: str) -> None:
    graph = from_text(GRAPH.replace("Multiply(gate, x)", line))
    assert OrderOperands().run(graph, Context(load_target("cpu"))) == 0


@pytest.mark.parametrize(
    "kind", ["multiply", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("add", "maximum"))]
)
@pytest.mark.parametrize("shape", [[1, 1], pytest.param([], marks=pytest.mark.slow)], ids=["of rank 2", "of rank 0"])
def test_small_layers_with_a_gate_between_them_are_right_with_one_thread(kind: str, shape: list[int]) -> None:
    rng = np.random.default_rng(0)
    x, gate = op.parameter([1, 64], np.float32, name="x"), op.parameter(shape, np.float32, name="gate")

    def layer(data: Any, width: int, height: int) -> Any:
        weights = rng.normal(size=(width, height)).astype(np.float32) / np.sqrt(np.float32(width))
        return op.add(op.matmul(data, weights, False, False), rng.normal(size=(1, height)).astype(np.float32))

    gated = getattr(op, kind)(gate, layer(x, 64, 16))
    model = ov.Model([op.result(layer(gated, 16, 8))], [x, gate])
    samples = [
        {"x": rng.normal(size=(1, 64)).astype(np.float32), "gate": rng.normal(size=shape).astype(np.float32)}
        for _ in range(12)
    ]
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False))
    alone = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    runs = (model, alone), (quantized, alone), (written_out(quantized), alone | EMULATED)
    compiled = [ov.compile_model(one, "CPU", how) for one, how in runs]
    floats, made, meant = ([each(sample)[0].copy() for sample in samples] for each in compiled)
    assert (sqnr(floats, made) > 25, sqnr(meant, made) > 35) == (True, True)


def test_sizes_that_are_unknown_may_be_others_than_one() -> None:
    graph = from_text(GRAPH.replace("gate: f32[1,1]", "gate: f32[?,?]").replace("[1,8]", "[?,8]"))
    assert OrderOperands().run(graph, Context(load_target("cpu"))) == 0
