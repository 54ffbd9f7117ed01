"""Masks and padding of -inf, or of the lowest number of a type: no data, but no reason to refuse a sample either."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.runtime.samples import DataError
from irquant.passes.statistics.masks import mask_limits
from irquant.passes.statistics.request import Reduction, request
from irquant.targets import load_target

LOWEST = float(np.finfo(np.float32).min)
RNG = np.random.default_rng(3)


def weights(*shape: int) -> Any:
    return op.constant((RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32))


def padded(value: float) -> ov.Model:
    """A max pool as TensorFlow writes it."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    y = op.convolution(x, weights(8, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    sizes = op.constant(np.array([0, 0, 1, 1]))
    y = op.pad(y, sizes, sizes, "constant", op.constant(np.float32(value)))
    y = op.max_pool(y, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3], "floor", "explicit", "i64", 0).output(0)
    return ov.Model([op.convolution(y, weights(8, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])], [x])


def pooled_over_time(value: float) -> ov.Model:
    """The largest of the words that count, as sentence embeddings take it."""
    x = op.parameter([1, 8, 8], np.float32, name="x")
    counts = op.constant((np.arange(8) < 5).reshape(1, 8, 1))
    y = op.select(counts, op.matmul(x, weights(8, 8), False, True), op.constant(np.float32(value)))
    return ov.Model([op.matmul(op.reduce_max(y, op.constant(np.array([1])), False), weights(4, 8), False, True)], [x])


@pytest.mark.slow
@pytest.mark.parametrize("value", [-np.inf, LOWEST, -65504.0])
@pytest.mark.parametrize("build", [padded, pooled_over_time])
def test_masks_are_no_data(build: Any, value: float) -> None:
    model, reports = build(value), list[Any]()
    data = [RNG.normal(size=list(model.input().shape)).astype(np.float32) for _ in range(12)]
    found = quantize(model, data, config=QuantizationConfig(guard=False), report=reports.append)
    assert reports[0].check.execution.int8 == reports[0].check.execution.total == 2
    one, other = (ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, found))
    signal = sum(float(np.square(one(sample)[0]).sum()) for sample in data)
    noise = sum(float(np.square(one(sample)[0] - other(sample)[0]).sum()) for sample in data)
    assert noise < signal / 10**1.8


def test_a_bound_for_data_is_no_mask() -> None:
    """As models keep hidden states in what f16 holds."""
    graph = from_text("""
        x: f32[1,4] = Parameter()
        low: f32[] = Const() [-65504.0]
        high: f32[] = Const() [65504.0]
        a: f32[1,4] = Maximum(x, low)
        b: f32[1,4] = Minimum(a, high)
        r = Result(b)
    """)
    assert not mask_limits(graph)


ATTENTION = """
    x: f32[1,4,4] = Parameter()
    m: f32[1,1,4] = Parameter()
    one: f32[] = Const() [1.0]
    lowest: f32[] = Const() [-3.4028234663852886e+38]
    off: f32[1,1,4] = Subtract(one, m) auto_broadcast="numpy"
    mask: f32[1,1,4] = Multiply(off, lowest) auto_broadcast="numpy"
    scores: f32[1,4,4] = Add(x, mask) auto_broadcast="numpy"
    shares: f32[1,4,4] = SoftMax(scores) axis="2"
    r = Result(shares)
"""


def test_a_mask_is_followed_up_to_the_softmax_that_takes_it_in() -> None:
    graph = from_text(ATTENTION)
    assert {tensor.node.name for tensor in mask_limits(graph)} == {"lowest", "mask", "scores"}


@pytest.mark.parametrize(
    ("reduction", "expected"), [(Reduction.MIN, -3.0), (Reduction.MAX, 2.0), (Reduction.MEAN, -0.0625)]
)
def test_statistics_are_those_of_the_data_with_zeros_for_masks(reduction: Reduction, expected: float) -> None:
    graph = from_text(ATTENTION)
    x = np.zeros((1, 4, 4), np.float32)
    x[0, 0] = [2, -3, 7, 9]
    context = Context(load_target("cpu"), samples=[{"x": x, "m": np.array([[[1, 1, 0, 0]]], np.float32)}])
    wanted = request(graph.node("scores").output(), reduction)
    context.wanted = frozenset({wanted})
    Calibrate().run(graph, context)
    assert context.statistics[wanted].item() == expected


@pytest.mark.parametrize(("name", "what"), [("log", "Log"), ("root", "Sqrt")])
def test_what_is_wrong_is_still_told(name: str, what: str) -> None:
    graph = from_text(f"x: f32[1,4] = Parameter()\n{name}: f32[1,4] = {what}(x)\nr = Result({name})")
    context = Context(load_target("cpu"), samples=[{"x": np.array([[1, -1, 0, 2]], np.float32)}])
    context.wanted = frozenset({request(graph.node(name).output(), Reduction.MAX)})
    with pytest.raises(DataError, match=f"gives NaN or Inf at {what} '{name}'"):
        Calibrate().run(graph, context)
