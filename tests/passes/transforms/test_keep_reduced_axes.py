"""Means over tokens and pixels are right in front of int8 layers."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.testing import check_pass
from irquant.passes.transforms.keep_reduced_axes import KeepReducedAxes
from irquant.targets import load_target

BEFORE = """
    tokens: f32[?,16,4] = Parameter()
    axes: i64[1] = Const() [1]
    scale: f32[1,4] = Const() [1.0, 2.0, 3.0, 4.0]
    weights: f32[2,4] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    pooled: f32[?,4] = ReduceMean(tokens, axes) keep_dims="false"
    scaled: f32[?,4] = Multiply(pooled, scale) auto_broadcast="numpy"
    y: f32[?,2] = MatMul(scaled, weights) transpose_a="false" transpose_b="true"
    r = Result(y)
"""
AFTER = """
    tokens: f32[?,16,4] = Parameter()
    axes: i64[1] = Const() [1]
    scale: f32[1,4] = Const() [1.0, 2.0, 3.0, 4.0]
    weights: f32[2,4] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    pooled: f32[?,1,4] = ReduceMean(tokens, axes) keep_dims="true"
    pooled/flat/sizes: i64[2] = Const() [0, -1]
    pooled/flat: f32[?,4] = Reshape(pooled, pooled/flat/sizes) special_zero="true"
    scaled: f32[?,4] = Multiply(pooled/flat, scale) auto_broadcast="numpy"
    y: f32[?,2] = MatMul(scaled, weights) transpose_a="false" transpose_b="true"
    r = Result(y)
"""


def test_a_reduction_in_front_of_a_layer_keeps_its_axes() -> None:
    check_pass(KeepReducedAxes(), before=BEFORE, after=AFTER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('keep_dims="false"', 'keep_dims="true"'),
        ("y: f32[?,2] = MatMul(scaled, weights)", "z: f32[?,2] = MatMul(other, weights)"),
        ("f32[?,16,4]", "f32[?,4,16,16]"),
    ],
    ids=["kept", "not in front of a layer", "of pixels"],
)
def test_other_reductions_stay(old: str, new: str) -> None:
    text = BEFORE.replace(old, new)
    if "other" in new:
        text = text.replace("scale:", "other: f32[?,4] = Parameter()\n    scale:").replace("Result(y)", "Result(z)")
    if "true" in new:
        text = text.replace("f32[?,4]", "f32[?,1,4]").replace("f32[?,2]", "f32[?,1,2]")
    if "16,16" in new:
        text = text.replace("i64[1] = Const() [1]", "i64[2] = Const() [-1, 2]")
    assert KeepReducedAxes().run(from_text(text), Context(load_target("cpu"))) == 0


def test_a_split_between_reduction_and_layer_changes_nothing() -> None:
    """FakeQuantizes in front of the layers move past it, to the scale behind the reduction."""
    rng = np.random.default_rng(0)
    first, *others = (rng.normal(size=shape).astype(np.float32) for shape in ((32, 32), (8, 16), (8, 16)))
    spread = rng.uniform(0.1, 3, (1, 32)).astype(np.float32)
    x = op.parameter([2, 5, 32], np.float32)
    pooled = op.reduce_mean(op.relu(op.matmul(x, first, False, True)), op.constant([1]), False)
    parts = op.split(op.multiply(pooled, spread), op.constant(1), 2).outputs()
    ends = [op.result(op.matmul(part, each, False, True)) for part, each in zip(parts, others, strict=True)]
    samples = [rng.normal(size=(2, 5, 32)).astype(np.float32) for _ in range(60)]
    quantized = ov.compile_model(quantize(ov.Model(ends, [x], "m"), samples), "CPU")
    wanted = [np.maximum(each @ first.T, 0).mean(1) * spread for each in samples]
    for k, weights in enumerate(others):
        meant = [each[:, 16 * k : 16 * (k + 1)] @ weights.T for each in wanted]
        assert sqnr(meant, [quantized(each)[k].copy() for each in samples]) > 32


@pytest.mark.parametrize("kind", ["mean", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("sum", "l2"))])
@pytest.mark.parametrize("behind", ["multiply", "add", "subtract"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [([2, 5, 32], [1]), pytest.param([2, 4, 5, 32], [1, 2], marks=pytest.mark.slow), ([2, 4, 5, 32], [0, -2])],
)
def test_pooled_tokens_are_right_on_the_device(kind: str, behind: str, shape: list[int], axes: list[int]) -> None:
    """The reference is numpy: the runtime computes such a FakeQuantize wrongly in float, too."""
    rng = np.random.default_rng(0)
    first, last = (rng.normal(size=(32, 32)).astype(np.float32) for _ in range(2))
    spread = rng.uniform(0.1, 3, (1, 32)).astype(np.float32)
    x = op.parameter(shape, np.float32)
    tokens = op.relu(op.matmul(x, first, False, True))
    pooled = getattr(op, f"reduce_{kind}")(tokens, op.constant(np.array(axes)), False)
    shifted = getattr(op, behind)(pooled, op.constant(spread))
    model = ov.Model([op.result(op.matmul(shifted, last, False, True))], [x], "m")
    samples = [rng.normal(size=shape).astype(np.float32) for _ in range(12)]

    def computed(sample: Any) -> Any:
        data, axis = np.maximum(sample @ first.T, 0), tuple(axes)
        wanted = {"mean": data.mean(axis), "sum": data.sum(axis), "l2": np.sqrt(np.square(data).sum(axis))}[kind]
        return getattr(np, behind)(wanted, spread) @ last.T

    quantized = ov.compile_model(quantize(model, samples, config=QuantizationConfig(guard=False)), "CPU")
    assert sqnr([computed(each) for each in samples], [quantized(each)[0].copy() for each in samples]) > 25


@pytest.mark.parametrize(("axes", "other"), [([1], [3, 7, 32]), ([0, 2], [2, 4, 3, 32])])
def test_the_quantized_model_takes_other_sizes(axes: list[int], other: list[int]) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(32, 32)).astype(np.float32)
    spread = rng.uniform(0.1, 3, (1, 32)).astype(np.float32)
    shape = [2, 5, 32] if len(other) == 3 else [2, 4, 5, 32]
    x = op.parameter(shape, np.float32)
    pooled = op.reduce_mean(x, op.constant(np.array(axes)), False)
    model = ov.Model([op.result(op.matmul(op.multiply(pooled, spread), weights, False, True))], [x], "m")
    quantized = quantize(model, [rng.normal(size=shape).astype(np.float32) for _ in range(40)])
    quantized.reshape(other)
    sample = rng.normal(size=other).astype(np.float32)
    meant = sample.mean(tuple(axes)) * spread @ weights.T
    assert sqnr([meant], [ov.compile_model(quantized, "CPU")(sample)[0]]) > 25
