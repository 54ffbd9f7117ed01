"""Nets of more than one branch, and of sizes that are computed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from tests.passes.runs_int8.nets import NONE, ONES, Row, const, conv, depthwise, image, model, rows_in, weights

ROWS: dict[str, Callable[[], Row]] = {}
row = rows_in(ROWS)


@row
def residual() -> Row:
    x = image()
    stem = op.relu(conv(x))
    return model(x, conv(op.relu(op.add(conv(op.relu(conv(stem))), stem)))), 4, 4


@row
def residuals_in_a_row() -> Row:
    x = image()
    y = conv(x)
    for _ in range(3):
        y = op.add(y, conv(op.relu(conv(y, 32)), 16))
    return model(x, conv(y)), 8, 8


@row
def sum_that_leads_nowhere_in_int8() -> Row:
    x = image()
    return model(x, op.sigmoid(op.add(conv(x), op.relu(conv(x))))), 2, 2


@row
def one_tensor_for_two_layers() -> Row:
    x = image()
    stem = op.relu(conv(x))
    return model(x, conv(stem), depthwise(stem)), 3, 3


@row
def plain_and_transposed_of_one_tensor() -> Row:
    x = image()
    return model(x, conv(x), op.convolution_backprop_data(x, op.constant(weights(16, 16, 2, 2)), [2, 2])), 2, 2


@row
def plain_convolution_and_first_operand_of_one_tensor() -> Row:
    x = image()
    return model(x, conv(x), op.matmul(x, op.relu(x), False, True)), 2, 2


@row
def plain_convolution_and_second_operand_of_one_tensor() -> Row:
    x = image()
    return model(x, conv(x), op.matmul(op.relu(x), x, False, True)), 2, 2


@row
def depthwise_and_transposed_of_one_tensor() -> Row:
    x = image()
    return model(x, depthwise(x), op.convolution_backprop_data(x, op.constant(weights(16, 16, 2, 2)), [2, 2])), 2, 2


@row
def convolution_and_square_of_one_tensor() -> Row:
    x = image()
    return model(x, conv(x), op.matmul(x, x, False, True)), 2, 2


@row
def inner_tensor_that_is_an_output() -> Row:
    x = image()
    stem = op.relu(conv(x))
    return model(x, stem, conv(stem)), 2, 2


@row
def convolution_without_bias_read_twice() -> Row:
    x = image()
    raw = op.convolution(x, weights(16, 16, 3, 3), ONES, ONES, ONES, ONES)
    return model(x, conv(op.relu(raw)), conv(op.sigmoid(raw))), 3, 3


@row
def concat_of_unlike_branches() -> Row:
    x = image()
    joined = op.concat([op.relu(conv(x)), op.multiply(op.sigmoid(conv(x)), np.float32(30)), conv(x)], 1)
    return model(x, conv(joined)), 4, 4


@row
def concat_for_depthwise() -> Row:
    x = image()
    return model(x, depthwise(op.concat([op.relu(conv(x)), conv(x)], 1))), 3, 3


@row
def concat_with_a_constant() -> Row:
    x = image()
    return model(x, conv(op.concat([op.relu(conv(x)), op.constant(weights(1, 4, 12, 12))], 1))), 2, 2


@row
def concat_with_a_constant_along_the_batch_and_the_rows() -> Row:
    """With another zero point than the constant's, by a rounding, the runtime joins floats: with every third range."""
    x = image()
    joined = [
        conv(op.concat([op.multiply(x, np.float32(scale)), op.constant(weights(*shape))], axis))
        for axis, shape in ((0, (1, 16, 12, 12)), (2, (1, 16, 2, 12)))
        for scale in (0.3, 0.77, 1.9, 4.1)
    ]
    return model(x, *joined), 8, 8


@row
def depthwise_convolutions_behind_a_transpose_that_is_read_twice() -> Row:
    """The runtime moves the FakeQuantize in front of the Transpose, and no scale per channel back through it."""
    x, volume = op.parameter([1, 12, 12, 16], np.float32), op.parameter([1, 6, 6, 6, 8], np.float32)
    picture, body = op.transpose(x, np.array([0, 3, 1, 2])), op.transpose(volume, np.array([0, 4, 1, 2, 3]))
    deep = op.group_convolution(body, weights(8, 1, 1, 3, 3, 3), *[[1] * 3] * 4)
    return model([x, volume], picture, body, depthwise(picture), deep), 2, 2


@row
def concat_with_a_constant_that_is_never_negative() -> Row:
    x = image()
    return model(x, conv(op.concat([op.relu(conv(x)), op.constant(np.abs(weights(1, 4, 12, 12)))], 1))), 2, 2


@row
def concat_with_a_constant_for_a_product() -> Row:
    x = op.parameter([1, 6, 16], np.float32)
    return model(x, op.matmul(op.concat([x, op.constant(weights(1, 2, 16))], 1), weights(8, 16), False, True)), 1, 1


@row
def concat_with_what_is_computed_from_constants() -> Row:
    """A state of zeros in front of a sequence, as large as the sequence says, of its type."""
    x = op.parameter([1, 6, 16], np.float32)
    y = op.relu(op.matmul(x, weights(16, 16), False, True))
    shape = op.concat([op.gather(op.shape_of(y), const(0), const(0)), const(2, 16)], 0)
    zeros = op.convert_like(op.broadcast(op.constant(np.float32(0)), shape), y)
    return model(x, op.matmul(op.concat([zeros, y], 1), weights(8, 16), False, True)), 2, 2


@row
def concat_with_nothing() -> Row:
    x = image()
    y = op.relu(conv(x))
    left, right = op.variadic_split(y, op.constant(np.int64(1)), const(16, 0)).outputs()
    return model(x, conv(op.concat([op.relu(left), right], 1))), 2, 2


@row
def concat_of_concats() -> Row:
    x = image()
    y = op.relu(conv(x))
    for _ in range(3):
        y = op.concat([y, op.relu(conv(y, 8))], 1)
    return model(x, conv(y)), 5, 5


@row
def concat_with_a_map_of_coordinates() -> Row:
    x = image()
    return model(x, conv(op.concat([conv(x), op.constant(weights(1, 2, 12, 12))], 1))), 2, 2


@row
def concat_of_an_input_with_a_map_of_coordinates() -> Row:
    x = image()
    return model(x, conv(op.concat([x, op.constant(weights(1, 2, 12, 12))], 1))), 1, 1


@row
def concat_that_is_an_output() -> Row:
    x = image()
    joined = op.concat([op.relu(conv(x)), conv(x)], 1)
    return model(x, joined, conv(joined)), 3, 3


@row
def concat_of_padded_and_of_negative_values() -> Row:
    x = image()
    padded = op.pad(op.relu(conv(x)), const(0, 0, 1, 1), const(0, 0, 1, 1), "constant")
    joined = op.concat([padded, op.swish(conv(x, kernel=1, pads=[1, 1]))], 1)
    return model(x, conv(joined)), 3, 3


@row
def pool_whose_indices_are_read() -> Row:
    x = image()
    pooled = ov.opset8.max_pool(op.relu(conv(x)), [2, 2], ONES, NONE, NONE, [2, 2], "floor", "explicit", "i64")
    return model(x, conv(pooled.output(0)), pooled.output(1)), 2, 2


@row
def u_net() -> Row:
    x = image()
    fine = op.relu(conv(x))
    coarse = op.relu(conv(op.max_pool(fine, [2, 2], [1, 1], NONE, NONE, [2, 2], "floor").output(0), 32))
    up = op.convolution_backprop_data(coarse, op.constant(weights(32, 16, 2, 2)), [2, 2])
    return model(x, conv(op.concat([fine, op.relu(up)], 1))), 4, 4


@row
def shuffled_halves() -> Row:
    x = image()
    left, right = op.split(op.relu(conv(x)), op.constant(np.int64(1)), 2).outputs()
    y = op.concat([left, op.relu(conv(right, 8))], 1)
    y = op.reshape(
        op.transpose(op.reshape(y, const(1, 2, 8, 12, 12), False), const(0, 2, 1, 3, 4)), const(1, 16, 12, 12), False
    )
    return model(x, conv(y)), 3, 3


@row
def squeeze_and_excitation_gate_stays_float() -> Row:
    x = image()
    y = op.relu(conv(x))
    gate = op.sigmoid(conv(op.relu(conv(op.reduce_mean(y, const(2, 3), True), 4, 1)), 16, 1))
    return model(x, conv(op.multiply(y, gate))), 2, 4


@row
def normalized_input() -> Row:
    x = image(3)
    y = op.multiply(op.subtract(x, np.array([0.4, 0.5, 0.6], np.float32).reshape(1, 3, 1, 1)), np.float32(4.4))
    return model(x, conv(y)), 1, 1


@row
def shared_weights() -> Row:
    x, kernel = image(), op.constant(weights(16, 16, 3, 3))
    y = op.relu(op.convolution(x, kernel, ONES, ONES, ONES, ONES))
    return model(x, op.convolution(y, kernel, ONES, ONES, ONES, ONES)), 2, 2


def learned(y: Any) -> Any:
    """A constant that the runtime computes from the shape of an input, as reshaped models keep it."""
    batch = op.gather(op.shape_of(y), const(0), op.constant(np.int64(0)))
    return op.tile(op.constant(weights(1, 10, 16)), op.concat([batch, const(1, 1)], 0))


@row
def queries_that_the_runtime_folds() -> Row:
    x = op.parameter([1, 10, 16], np.float32)
    queries = op.matmul(learned(x), weights(16, 16), False, True)
    scores = op.softmax(op.matmul(queries, op.matmul(x, weights(16, 16), False, True), False, True), 2)
    return model(x, op.matmul(scores, x, False, False)), 2, 3


@row
def weights_that_the_runtime_folds() -> Row:
    x = op.parameter([1, 10, 16], np.float32)
    normalized = op.multiply(op.constant(weights(16, 16)), op.exp(op.constant(weights(16, 1))))
    y = op.relu(op.matmul(x, normalized, False, True))
    return model(x, op.matmul(y, op.reshape(learned(x), const(10, 16), False), False, True)), 2, 2


@row
def shape_arithmetic() -> Row:
    x = op.parameter(ov.PartialShape([1, 16, -1, -1]), np.float32)
    y = op.relu(conv(x))
    size = op.gather(op.shape_of(y), const(2, 3), const(0))
    up = op.interpolate(y, op.multiply(size, const(2)), "nearest", "sizes", NONE, NONE, axes=const(2, 3))
    return model(x, conv(up)), 2, 2


def sized(name: str, function: Callable[[Any, Any], Any]) -> None:
    """Moves whose sizes are computed from the shape of a dynamic input."""

    def build() -> Row:
        x = op.parameter(ov.PartialShape([1, 16, -1, -1]), np.float32)
        y = op.relu(conv(x))
        return model(x, conv(function(y, op.gather(op.shape_of(y), const(2), op.constant(0))))), 2, 2

    ROWS[f"sized_by_computation_{name}"] = build


for _name, _sized in {
    "reshape": lambda y, n: op.reshape(y, op.concat([const(1, 16, -1), n], 0), False),
    "slice": lambda y, n: op.slice(y, const(1), op.subtract(n, const(1)), const(1), const(2)),
    "pad": lambda y, n: op.pad(
        y, const(0, 0, 0, 0), op.concat([const(0, 0, 1), op.subtract(n, const(11))], 0), "constant"
    ),
    "broadcast": lambda y, n: op.broadcast(op.reduce_max(y, const(2), True), op.concat([const(1, 16), n, n], 0)),
    "gather": lambda y, n: op.gather(y, op.subtract(n, const(2)), const(2)),
    "variadic_split": lambda y, n: op.variadic_split(
        y, op.constant(np.int64(2)), op.concat([const(6), op.subtract(n, const(6))], 0)
    ).output(0),
}.items():
    sized(_name, _sized)


@row
def box_decoding_and_suppression() -> Row:
    x = image(16, 8)
    y = op.relu(conv(x))
    boxes = op.reshape(op.transpose(conv(y, 4, 1), const(0, 2, 3, 1)), const(1, 64, 4), False)
    anchors = np.abs(weights(1, 64, 2))
    centre = op.add(op.multiply(op.slice(boxes, const(0), const(2), const(1), const(2)), anchors), anchors)
    size = op.multiply(op.exp(op.slice(boxes, const(2), const(4), const(1), const(2))), anchors)
    corners = op.concat([op.subtract(centre, size), op.add(centre, size)], 2)
    scores = op.sigmoid(op.reshape(conv(y, 2, 1), const(1, 2, 64), False))
    best = op.non_max_suppression(corners, scores, op.constant(np.int64(5)), op.constant(np.float32(0.5)))
    return model(x, op.convert(best.output(0), "f32"), corners), 3, 3
