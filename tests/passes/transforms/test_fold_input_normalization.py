"""Mean and scale of inputs: what is folded, what is not, and that the model computes the same."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Context
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.transforms.fold_input_normalization import FoldInputNormalization
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

MEAN = np.array([0.4, 0.5, 0.6], np.float32).reshape(1, 3, 1, 1)
SCALE = np.array([4.0, 5.0, 6.0], np.float32).reshape(3, 1, 1)
ONES = [1, 1]


def model(case: str, pad: int) -> ov.Model:
    x = op.parameter([1, 3, 8, 8], np.float32)
    y: Any = {
        "scale": lambda: op.multiply(x, SCALE),
        "divide": lambda: op.divide(x, SCALE),
        "mean": lambda: op.subtract(x, MEAN),
        "mean_and_scale": lambda: op.divide(op.subtract(x, MEAN), SCALE),
        "scale_and_shift": lambda: op.add(op.multiply(x, np.float32(3)), MEAN),
        "reversed": lambda: op.subtract(op.constant(MEAN), x),
        "each_pixel": lambda: op.multiply(x, np.ones((1, 3, 8, 8), np.float32)),
        "power": lambda: op.power(x, np.float32(2)),
        "relu": lambda: op.multiply(op.relu(x), SCALE),
    }[case]()
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    conv = op.add(op.convolution(y, weights, ONES, [pad] * 2, [pad] * 2, ONES), np.ones((1, 4, 1, 1), np.float32))
    return ov.Model([op.result(conv)], [x], "m")


@pytest.mark.parametrize(
    ("case", "pad", "folded"),
    [
        ("scale", 0, 1),
        ("scale", 1, 1),  # zero stays zero
        ("divide", 1, 1),
        ("mean", 0, 1),
        ("mean", 1, 0),  # the padding would have to be the mean
        ("mean_and_scale", 0, 2),
        ("mean_and_scale", 1, 1),
        ("scale_and_shift", 0, 2),
        ("scale_and_shift", 1, 0),
        ("reversed", 0, 0),
        ("each_pixel", 0, 0),
        ("power", 0, 0),
        ("relu", 0, 0),  # inside the model: no input normalization
    ],
)
def test_steps_go_where_that_changes_nothing(case: str, pad: int, folded: int) -> None:
    before = model(case, pad)
    graph, context = from_runtime(before), Context(load_target("cpu"))
    Normalize().run(graph, context)
    assert FoldInputNormalization().run(graph, context) == folded
    assert FoldInputNormalization().run(graph, context) == 0
    data = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    one, other = (ov.Core().compile_model(each, "CPU", config)(data)[0] for each in (before, to_runtime(graph)))
    np.testing.assert_allclose(other, one, atol=2e-5 * np.abs(one).max())


def test_an_input_that_others_read_normalized_stays() -> None:
    x = op.parameter([1, 3, 8, 8], np.float32)
    y = op.multiply(x, SCALE)
    weights = np.ones((4, 3, 1, 1), np.float32)
    conv = op.convolution(y, weights, ONES, [0, 0], [0, 0], ONES)
    graph = from_runtime(ov.Model([op.result(conv), op.result(y)], [x], "m"))
    assert FoldInputNormalization().run(graph, Context(load_target("cpu"))) == 0


def last(values: np.ndarray[Any, Any]) -> Any:
    return np.asarray(values.reshape(3), np.float32)


LAST_FIRST = [0, 3, 1, 2]
CHAINS: dict[str, tuple[Any, int]] = {
    "in front of a transpose": (
        lambda x: op.transpose(op.divide(op.subtract(x, last(MEAN)), last(SCALE)), op.constant(LAST_FIRST)), 2,
    ),
    "behind a transpose": (lambda x: op.divide(op.subtract(op.transpose(x, op.constant(LAST_FIRST)), MEAN), SCALE), 2),
    "on both sides": (lambda x: op.divide(op.transpose(op.subtract(x, last(MEAN)), op.constant(LAST_FIRST)), SCALE), 2),
    "a constant first": (lambda x: op.transpose(op.multiply(op.constant(last(SCALE)), x), op.constant(LAST_FIRST)), 1),
    "of another axis": (
        lambda x: op.multiply(op.transpose(x, op.constant(LAST_FIRST)), np.ones((1, 1, 8, 1), np.float32) * 2), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", [pytest.param(np.float32, marks=pytest.mark.slow), np.uint8])
def test_channels_are_followed_through_transposes_and_conversions(chain: str, kind: Any) -> None:
    make, folded = CHAINS[chain]
    x = op.parameter([1, 8, 8, 3], kind, name="x")
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    y = op.convolution(make(x if kind is np.float32 else op.convert(x, "f32")), weights, ONES, [0, 0], [0, 0], ONES)
    before = ov.Model([op.result(op.relu(y))], [x], "m")
    graph, context = from_runtime(before), Context(load_target("cpu"))
    Normalize().run(graph, context)
    assert FoldInputNormalization().run(graph, context) == folded
    sample = (np.random.default_rng(1).random((1, 8, 8, 3)) * 9).astype(kind)
    f32 = {"INFERENCE_PRECISION_HINT": "f32"}
    one, other = (ov.compile_model(each, "CPU", f32)(sample)[0] for each in (before, to_runtime(graph)))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["u8", "i32", "f16"])
def test_what_rounds_is_not_passed(kind: str) -> None:
    """A Multiply behind a Convert that cuts off is another one than in front of it."""
    x = op.parameter([1, 3, 8, 8], np.float32)
    rounded = op.convert(op.convert(op.multiply(x, np.float32(255)), kind), "f32")
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    conv = op.convolution(op.multiply(rounded, SCALE), weights, ONES, [0, 0], [0, 0], ONES)
    before = ov.Model([op.result(conv)], [x], "m")
    graph, context = from_runtime(before), Context(load_target("cpu"))
    Normalize().run(graph, context)
    FoldInputNormalization().run(graph, context)
    data = np.random.default_rng(1).uniform(size=(1, 3, 8, 8)).astype(np.float32)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    one, other = (ov.compile_model(each, "CPU", config)(data)[0] for each in (before, to_runtime(graph)))
    np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3)
