"""The unit of a model's numbers does not matter: a physical model may have outputs of 1e-6."""

from functools import cache
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Context, PassManager, default_quantization, quantize_model
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.compress_weights import CompressWeights
from irquant.targets import load_target


def dense_sines(first: float, last: float) -> ov.Model:
    """Behind a sine, numbers have the scale 1."""
    chance = np.random.default_rng(0)
    x = op.parameter([16, 8], np.float32, name="x")
    hidden = op.sin(op.matmul(x, _weights(chance, 24, 8) * np.float32(1 / first), False, True))
    bias = (chance.normal(size=(1, 4)) * last).astype(np.float32)
    return ov.Model([op.matmul(hidden, _weights(chance, 4, 24) * np.float32(last), False, True) + bias], [x])


def convolutions(first: float, last: float) -> ov.Model:
    """All numbers have the scale of the input."""
    chance = np.random.default_rng(1)
    x = op.parameter([1, 5, 8, 8], np.float32, name="x")
    bias = (chance.normal(size=(1, 8, 1, 1)) * 0.1 * first).astype(np.float32)
    y = op.relu(op.convolution(x, _weights(chance, 8, 5, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]) + bias)
    y = op.convolution(y, _weights(chance, 4, 8, 3, 3) * np.float32(last), [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([y], [x])


def _weights(chance: np.random.Generator, *shape: int) -> Any:
    return (chance.normal(size=shape) * 2 / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@cache
def ratio(build: Any, first: float, last: float) -> float:
    """The ratio of signal to error in dB on the CPU, of new samples; all layers are in int8."""
    model, chance = build(first, last), np.random.default_rng(2)
    data = [(chance.normal(size=list(model.input().shape)) * first).astype(np.float32) for _ in range(40)]
    found = quantize_model(model, data[:32], guard=False)
    assert found.report.check
    assert found.report.check.execution
    assert found.report.check.execution.int8 == 2
    runs = (ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, found.model))
    wanted, made = ([run(sample)[0].astype(np.float64) for sample in data[32:]] for run in runs)
    return float(10 * np.log10(np.square(wanted).sum() / np.square(np.subtract(wanted, made)).sum()))


@pytest.mark.parametrize("build", [dense_sines, convolutions])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e4])
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_model_is_as_good_at_any_scale(build: Any, scale: float, place: str) -> None:
    scaled = ratio(build, *((scale, 1.0) if place == "first" else (1.0, scale)))
    assert scaled == pytest.approx(ratio(build, 1.0, 1.0), abs=0.5)
    assert scaled > 25


@pytest.mark.parametrize("scale", [1e-6, 1e-7])
def test_ranges_in_halves_are_normal_numbers(scale: float) -> None:
    """Below them, the ends of a range lose their digits, or are both zero."""
    chance = np.random.default_rng(3)
    x = op.parameter([4, 8], np.float16, name="x")
    rows = _weights(chance, 6, 8) * np.array([[1], [0.01], [1], [1], [1e-3], [1]])
    model = ov.Model([op.matmul(x, (rows * scale).astype(np.float16), False, True)], [x])
    data = [(chance.normal(size=(4, 8)) * scale).astype(np.float16) for _ in range(8)]
    graph, context = from_runtime(model), Context(load_target("cpu"), samples=data)
    PassManager([each for each in default_quantization() if not isinstance(each, CompressWeights)]).run(graph, context)
    for node in graph.nodes("FakeQuantize"):
        assert (node.source(2).node.array >= np.finfo(np.float16).smallest_normal).all()
