"""Masks with a number a column are repeated for each head where the device would take them along the wrong axis."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text, verify
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.placement.plan import Decision, Plan
from irquant.passes.transforms.widen_masks import WidenMasks
from irquant.targets import load_target

RNG = np.random.default_rng(0)
HEADS, LENGTH, SIZE = 2, 6, 8
INT8 = Decision(int8=True, reason="")


def attention(mask: str, shape: list[int]) -> tuple[ov.Model, list[list[Any]]]:
    """Attention with a mask of some kind, and samples."""
    inputs = [op.parameter(shape, np.float32, name=name) for name in "qkv"]
    q, k, v = (op.multiply(each, np.float32(0.9)) for each in inputs)
    hidden = np.where(np.arange(LENGTH) < LENGTH - 1, 0.0, -1e4).astype(np.float32)
    drawn: Any = op.constant(hidden if mask == "of rank 1" else hidden[None, None, None])
    flags: list[Any] = []
    if mask == "computed":
        inputs.append(op.parameter([shape[0], LENGTH], np.float32, name="flags"))
        seen = op.subtract(op.constant(np.float32(1)), op.unsqueeze(inputs[-1], op.constant([1, 2])))
        drawn, flags = op.multiply(seen, op.constant(np.float32(-1e4))), [(hidden == 0).astype(np.float32)[None]]
    scores = op.add(op.multiply(op.matmul(q, k, False, True), np.float32(0.3)), drawn)
    model = ov.Model([op.result(op.matmul(op.softmax(scores, -1), v, False, False))], inputs, "m")
    samples = [[*RNG.normal(size=(3, 1, HEADS, LENGTH, SIZE)).astype(np.float32), *flags] for _ in range(12)]
    return model, samples


@pytest.mark.parametrize("mask", ["of rank 1", "of rank 4", "computed"])
@pytest.mark.parametrize(
    ("batch", "length"),
    [(1, LENGTH), pytest.param(-1, LENGTH, marks=pytest.mark.slow), (-1, -1)],
    ids=["static", "batch", "dynamic"],
)
def test_masked_attention_is_right_as_users_compile_it(mask: str, batch: int, length: int) -> None:
    model, samples = attention(mask, [batch, HEADS, length, SIZE])
    reports: list[Report] = []
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    assert [each.decision.int8 for each in reports[0].layers] == [True, True]
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    found = [ov.Core().compile_model(each, "CPU", config)(samples[0])[0] for each in (model, quantized)]
    assert sqnr([found[0]], [found[1]]) > 25


def test_masked_attention_is_right_if_the_users_options_rule_int8_out() -> None:
    """The target runs no data of 7 bits in int8."""
    model, samples = attention("of rank 4", [1, HEADS, LENGTH, SIZE])
    positive = [[*each[:2], np.abs(each[2])] for each in samples]
    reports: list[Report] = []
    options = QuantizationConfig.checked(guard=False, activations={"bits": 7})
    quantized = quantize(model, positive, config=options, report=reports.append)
    assert [each.decision.int8 for each in reports[0].layers] == [False, False]
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    found = [ov.Core().compile_model(each, "CPU", config)(positive[0])[0] for each in (model, quantized)]
    assert sqnr([found[0]], [found[1]]) > 25


def widened(mask: str, whole: str, decision: Decision = INT8) -> list[int]:
    """How many masks are widened in a first and in a second run, and the shape of what is added then."""
    graph = from_text(f"""
        q: f32[{whole[:-1]}8] = Parameter()
        k: f32[{whole[:-1]}8] = Parameter()
        mask: f32[{mask}] = Parameter()
        scores: f32[{whole}] = MatMul(q, k) transpose_a="false" transpose_b="true"
        scaled: f32[{whole}] = Multiply(scores, scores) auto_broadcast="numpy"
        masked: f32[{whole}] = Add(mask, scaled) auto_broadcast="numpy"
        r = Result(masked)
    """)
    context = Context(load_target("cpu"))
    context.plan = Plan(decisions={graph.node("scores"): decision})
    changes = [WidenMasks().run(graph, context) for _ in range(2)]
    verify(graph)
    return [*changes, *graph.node("masked").source(0).shape]


def test_masks_are_repeated_for_each_head_or_else_for_each_row() -> None:
    assert widened("1,1,1,5", "1,2,5,5") == [1, 0, 1, 2, 1, 5]
    assert widened("5", "1,2,5,5") == [1, 0, 1, 2, 1, 5]
    assert widened("1,1,1,5", "1,1,5,5") == [1, 0, 1, 1, 5, 5]
    assert widened("1,1,1,5", "3,1,?,5") == [1, 0, 3, 1, 1, 5]


@pytest.mark.parametrize("mask", ["1,1,5,5", "1,2,1,5", "?,1,1,5", "1,1,5,1", "1", ""])
def test_other_masks_are_left_alone(mask: str) -> None:
    assert widened(mask, "1,2,5,5")[:2] == [0, 0]


def test_masks_are_repeated_behind_products_that_may_run_int8_against_the_plan() -> None:
    unsupported = Decision(int8=False, reason="", is_unsupported=True)
    assert widened("1,1,1,5", "1,2,5,5", unsupported) == [1, 0, 1, 2, 1, 5]


def test_masks_are_left_alone_behind_products_in_float_and_where_nothing_is_known_to_repeat_them_for() -> None:
    assert widened("1,1,1,5", "1,2,5,5", Decision(int8=False, reason=""))[:2] == [0, 0]
    assert widened("1,1,1,5", "?,1,?,5")[:2] == [0, 0]


def test_sums_of_a_tensor_with_itself_are_passed_once_each() -> None:
    doublings = "\n".join(f"y{k}: f32[1,2,5,5] = Add(y{k - 1}, y{k - 1})" for k in range(1, 61))
    graph = from_text(f"""
        q: f32[1,2,5,8] = Parameter()
        mask: f32[1,1,1,5] = Parameter()
        y0: f32[1,2,5,5] = MatMul(q, q) transpose_a="false" transpose_b="true"
        {doublings}
        masked: f32[1,2,5,5] = Add(y60, mask) auto_broadcast="numpy"
        r = Result(masked)
    """)
    context = Context(load_target("cpu"))
    context.plan = Plan(decisions={graph.node("y0"): Decision(int8=True, reason="")})
    assert WidenMasks().run(graph, context) == 1
    assert graph.node("masked").source(1).shape == (1, 2, 1, 5)
