"""What stands between two layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from tests.passes.runs_int8.nets import NONE, ONES, Row, between, const, weights

ROWS: dict[str, Callable[[], Row]] = {}


def activation(name: str, function: Callable[[Any], Any]) -> None:
    """Activations are fused; their FakeQuantize stands behind them."""
    ROWS[f"behind_{name}"] = lambda: (between(function), 2, 2)


for _name, _function in {
    "clamp": lambda x: op.clamp(x, 0.0, 0.8),
    "sigmoid": op.sigmoid,
    "hswish": op.hswish,
    "swish": op.swish,
    "swish_written_out": lambda x: op.multiply(x, op.sigmoid(x)),
    "prelu": lambda x: op.prelu(x, op.constant(np.array([0.2], np.float32))),
    "elu": lambda x: op.elu(x, 1.0),
    "gelu": lambda x: op.gelu(x, "erf"),
    "tanh": op.tanh,
    "abs": op.abs,
    "softmax": lambda x: op.softmax(x, 1),
    "multiply_by_constants": lambda x: op.multiply(x, weights(1, 16, 1, 1)),
    "add_of_constants": lambda x: op.add(x, weights(1, 16, 1, 1)),
    "maximum_with_a_constant": lambda x: op.maximum(x, np.float32(0.1)),
    "mvn": lambda x: op.mvn(x, const(2, 3), True, 1e-5, "INSIDE_SQRT"),
    "normalize_l2": lambda x: op.normalize_l2(x, const(1), 1e-5, "add"),
    "power": lambda x: op.power(op.abs(x), np.float32(0.5)),
}.items():
    activation(_name, _function)
MOVEMENTS: dict[str, Callable[[Any], Any]] = {}


def movement(name: str, function: Callable[[Any], Any]) -> None:
    """Operations that move values: wherever the FakeQuantize stands, both layers run int8."""
    ROWS[f"moved_by_{name}"] = lambda: (between(function), 2, 2)
    MOVEMENTS[name] = function


for _name, _function in {
    "max_pool": lambda x: op.max_pool(x, [2, 2], [1, 1], NONE, NONE, [2, 2], "floor").output(0),
    "max_pool_with_padding": lambda x: op.max_pool(x, [2, 2], ONES, ONES, ONES, [3, 3], "floor").output(0),
    "max_pool_with_dilation": lambda x: op.max_pool(x, ONES, [2, 2], ONES, ONES, [3, 3], "floor").output(0),
    "max_pool_of_opset14": lambda x: ov.opset14.max_pool(
        x, [2, 2], [1, 1], NONE, NONE, [3, 3], "ceil_torch", "explicit", "i64"
    ).output(0),
    "avg_pool": lambda x: op.avg_pool(x, [2, 2], NONE, NONE, [2, 2], True),
    "avg_pool_without_its_padding": lambda x: op.avg_pool(x, ONES, ONES, ONES, [3, 3], True),
    "avg_pool_with_its_padding": lambda x: op.avg_pool(x, ONES, ONES, ONES, [3, 3], False),
    "avg_pool_with_automatic_padding": lambda x: op.avg_pool(
        x, [2, 2], NONE, NONE, [3, 3], False, auto_pad="same_upper"
    ),
    "reduce_mean": lambda x: op.reduce_mean(x, const(2, 3), True),
    "reduce_max": lambda x: op.reduce_max(x, const(2, 3), True),
    "reduce_min": lambda x: op.reduce_min(x, const(2, 3), True),
    "reduce_sum": lambda x: op.reduce_sum(x, const(2, 3), True),
    "pad_with_zero": lambda x: op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "constant"),
    "pad_with_one": lambda x: op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "constant", op.constant(np.float32(1))),
    "pad_with_zero_and_pool": lambda x: op.max_pool(
        op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "constant"), [2, 2], ONES, NONE, NONE, [3, 3], "floor"
    ).output(0),
    "pad_of_one_axis": lambda x: op.pad(x, const(0, 0, 2, 0), const(0, 0, 0, 0), "constant"),
    "pad_of_channels": lambda x: op.pad(x, const(0, 2, 1, 0), const(0, 3, 0, 0), "constant"),
    "pad_of_the_batch": lambda x: op.pad(x, const(1, 0, 0, 0), const(0, 0, 0, 0), "constant"),
    "pad_that_crops": lambda x: op.pad(x, const(0, 0, -1, 1), const(0, 0, 1, -1), "constant"),
    "pad_by_edges": lambda x: op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "edge"),
    "pad_by_symmetry": lambda x: op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "symmetric"),
    "pad_by_reflection": lambda x: op.pad(x, const(0, 0, 1, 1), const(0, 0, 1, 1), "reflect"),
    "reshape": lambda x: op.reshape(x, const(1, 16, 6, 24), False),
    "transpose": lambda x: op.transpose(x, const(0, 1, 3, 2)),
    "strided_slice": lambda x: op.strided_slice(x, const(0, 0, 2, 2), const(1, 16, 10, 10), const(1, 1, 1, 1), [0] * 4, [0] * 4),
    "slice": lambda x: op.slice(x, const(2), const(10), const(1), const(2)),
    "squeeze_and_unsqueeze": lambda x: op.unsqueeze(op.squeeze(x, const(0)), const(0)),
    "split": lambda x: op.split(x, op.constant(np.int64(1)), 2).output(1),
    "split_and_concat": lambda x: op.concat([*reversed(op.split(x, op.constant(np.int64(1)), 2).outputs())], 1),
    "depth_to_space": lambda x: op.depth_to_space(x, "blocks_first", 2),
    "space_to_depth": lambda x: op.space_to_depth(x, "blocks_first", 2),
    "batch_to_space_and_back": lambda x: op.batch_to_space(
        op.space_to_batch(x, const(1, 1, 2, 2), const(0, 0, 0, 0), const(0, 0, 0, 0)),
        const(1, 1, 2, 2), const(0, 0, 0, 0), const(0, 0, 0, 0),
    ),
    "space_to_batch_with_padding": lambda x: op.space_to_batch(
        x, const(1, 1, 2, 2), const(0, 0, 2, 2), const(0, 0, 2, 2)
    ),
    "space_to_batch_with_padding_and_back": lambda x: op.batch_to_space(
        op.space_to_batch(x, const(1, 1, 2, 2), const(0, 0, 2, 2), const(0, 0, 2, 2)),
        const(1, 1, 2, 2), const(0, 0, 2, 1), const(0, 0, 1, 2),
    ),
    "shuffle_channels": lambda x: op.shuffle_channels(x, 1, 4),
    "gather": lambda x: op.gather(x, const(*range(15, -1, -1)), const(1)),
    "broadcast": lambda x: op.broadcast(op.reduce_max(x, const(2), True), const(1, 16, 12, 12)),
    "tile": lambda x: op.tile(x, const(1, 1, 2, 1)),
    "roll": lambda x: op.roll(x, const(1), const(2)),
    "gather_elements": lambda x: op.gather_elements(x, op.constant(np.zeros((1, 16, 12, 12), np.int64)), 2),
    "scatter_update": lambda x: op.scatter_update(x, const(0), op.constant(np.ones((1, 1, 12, 12), np.float32)), const(1)),
    "nearest_interpolation": lambda x: op.interpolate(
        x, op.constant(np.array([2, 2], np.float32)), "nearest", "scales", NONE, NONE, axes=const(2, 3)
    ),
    "nearest_interpolation_of_corners": lambda x: op.interpolate(
        x, const(24, 24), "nearest", "sizes", NONE, NONE, "align_corners", axes=const(2, 3)
    ),
    "nearest_interpolation_with_padding": lambda x: op.interpolate(
        x, op.constant(np.array([2, 2], np.float32)), "nearest", "scales", [0, 0, 1, 1], [0, 0, 1, 1], axes=const(2, 3)
    ),
    "linear_interpolation": lambda x: op.interpolate(
        x, op.constant(np.array([2, 2], np.float32)), "linear_onnx", "scales", NONE, NONE, axes=const(2, 3)
    ),
    "cubic_interpolation": lambda x: op.interpolate(
        x, op.constant(np.array([2, 2], np.float32)), "cubic", "scales", NONE, NONE, axes=const(2, 3)
    ),
}.items():  # fmt: skip
    movement(_name, _function)
