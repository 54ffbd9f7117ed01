"""Convolutions and matrix products by themselves."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from tests.passes.runs_int8.nets import NONE, ONES, RNG, Row, const, conv, depthwise, image, model, rows_in, weights

ROWS: dict[str, Callable[[], Row]] = {}
row = rows_in(ROWS)


@row
def convolution_of_one_dimension() -> Row:
    x = op.parameter([1, 8, 40], np.float32)
    return model(x, op.convolution(x, weights(8, 8, 5), [1], [2], [2], [1])), 1, 1


@row
def convolution_of_three_dimensions() -> Row:
    x = op.parameter([1, 8, 6, 6, 6], np.float32)
    return model(x, op.convolution(x, weights(8, 8, 3, 3, 3), [1] * 3, [1] * 3, [1] * 3, [1] * 3)), 1, 1


@row
def convolution_of_a_picture() -> Row:
    x = image(3)
    return model(x, conv(x)), 1, 1


@row
def convolution_with_stride_and_dilation() -> Row:
    x = image()
    return model(x, op.convolution(x, weights(16, 16, 3, 3), [2, 2], [2, 2], [2, 2], [2, 2])), 1, 1


@row
def convolution_with_groups() -> Row:
    x = image()
    return model(x, op.group_convolution(x, weights(4, 4, 4, 3, 3), ONES, ONES, ONES, ONES)), 1, 1


@row
def convolution_with_groups_of_odd_sizes() -> Row:
    """In front of a PReLU a channel, data with a zero point gave 17 dB."""
    x = image(8)
    y = op.group_convolution(x, weights(4, 3, 2, 1, 1), ONES, NONE, NONE, ONES)
    return (
        model(x, op.prelu(op.add(y, weights(1, 12, 1, 1)), op.constant(np.linspace(0, 0.3, 12, dtype=np.float32)))),
        1,
        1,
    )


@row
def what_reads_a_scaled_minimum_stays_float() -> Row:
    x = image()
    y = op.multiply(op.reduce_min(x, const(2, 3), False), np.float32(0.5))
    return model(x, op.matmul(y, weights(8, 16), False, True), conv(x)), 1, 2


@row
def depthwise_convolution() -> Row:
    x = image()
    return model(x, depthwise(x)), 1, 1


@row
def pointwise_convolution_of_any_size_before_a_depthwise_one() -> Row:
    """With a zero point, the runtime reads limits by channel from a wrong address where there is AMX."""
    x = op.parameter(ov.PartialShape([1, 16, -1, -1]), np.float32)
    pooled = op.max_pool(x, [2, 2], ONES, NONE, NONE, [3, 3], "floor").output(0)
    return model(x, depthwise(op.gelu(conv(pooled, kernel=1), "erf"))), 2, 2


@row
def transposed_convolution() -> Row:
    x = image()
    return model(x, op.convolution_backprop_data(x, op.constant(weights(16, 16, 2, 2)), [2, 2])), 1, 1


def upsampling(rank: int, kernel: int, stride: int, dilation: int = 1) -> Any:
    """A convolution behind it, for what stays float."""
    x = op.parameter([1, 8] + [10] * rank, np.float32)
    up = op.convolution_backprop_data(
        x, op.constant(weights(8, 8, *[kernel] * rank)), [stride] * rank, dilations=[dilation] * rank
    )
    zero, one = [0] * rank, [1] * rank
    return model(x, op.convolution(op.relu(up), weights(8, 8, *one), one, zero, zero, one))


ROWS.update(
    {
        "transposed_convolution_of_one_dimension": lambda: (upsampling(1, 4, 2), 2, 2),
        "transposed_convolution_of_three_dimensions": lambda: (upsampling(3, 3, 3), 2, 2),
        "transposed_convolution_of_a_vocoder_stays_float": lambda: (upsampling(1, 16, 8), 1, 2),
        "transposed_convolution_with_gaps_stays_float": lambda: (upsampling(2, 1, 2), 1, 2),
        "transposed_convolution_with_dilation_stays_float": lambda: (upsampling(2, 3, 2, 2), 1, 2),
    }
)


@row
def depthwise_convolution_of_three_dimensions() -> Row:
    x = op.parameter([1, 8, 6, 6, 6], np.float32)
    return model(x, op.group_convolution(x, weights(8, 1, 1, 3, 3, 3), *[[1] * 3] * 4)), 1, 1


@row
def several_channels_of_each_stay_float() -> Row:
    x = image()
    return model(x, conv(op.relu(op.group_convolution(x, weights(16, 2, 1, 3, 3), ONES, ONES, ONES, ONES)))), 1, 2


@row
def transposed_convolution_with_groups_stays_float() -> Row:
    x = image()
    kernel = op.constant(weights(4, 4, 4, 2, 2))
    return model(x, conv(op.group_convolution_backprop_data(x, kernel, [2, 2]))), 1, 2


@row
def fully_connected() -> Row:
    x = op.parameter([4, 32], np.float32)
    y = op.add(op.matmul(x, weights(24, 32), False, True), weights(1, 24))
    return model(x, op.matmul(op.relu(y), weights(24, 8), False, False)), 2, 2


@row
def fully_connected_over_three_dimensions() -> Row:
    x = op.parameter([2, 10, 32], np.float32)
    return model(x, op.matmul(x, weights(24, 32), False, True)), 1, 1


def stacked(data: Sequence[int], *shape: int, transposed: bool = False) -> Row:
    """A matrix of weights for each head, expert, ...: each has scales of its own."""
    x = op.parameter(list(data), np.float32)
    sizes = np.exp(RNG.normal(size=(*shape[:-2], 1, 1))).astype(np.float32)
    return model(x, op.relu(op.matmul(x, weights(*shape) * sizes, False, transposed))), 1, 1


ROWS.update(
    {
        "a_matrix_for_each_head": lambda: stacked([2, 3, 12, 8], 3, 8, 5),
        "a_matrix_for_each_head_transposed": lambda: stacked([2, 3, 12, 8], 3, 5, 8, transposed=True),
        "a_matrix_for_each_sample_and_head": lambda: stacked([2, 3, 12, 8], 2, 3, 8, 5),
        "a_matrix_for_each_head_of_one_batch": lambda: stacked([1, 12, 8], 3, 8, 5),
        "a_matrix_for_each_sample_for_all_heads": lambda: stacked([2, 3, 12, 8], 2, 1, 8, 5),
        "a_stack_of_one_matrix": lambda: stacked([3, 12, 8], 1, 8, 5),
        "a_stack_of_one_matrix_and_less_data": lambda: stacked([12, 8], 1, 1, 5, 8, transposed=True),
        "a_stack_of_one_matrix_and_a_vector": lambda: stacked([8], 1, 8, 5),
    }
)


@row
def products_written_as_einsum() -> Row:
    x = op.parameter([2, 6, 16], np.float32)
    y = op.einsum([x, op.constant(weights(16, 2, 8))], "bsd,dhe->bshe")
    scores = op.einsum([y, op.tanh(y)], "bqhe,bkhe->bhqk")
    return model(x, op.einsum([scores, op.constant(weights(5, 6))], "bhqk,nk->bhqn")), 3, 3


@row
def weights_in_front_stay_float() -> Row:
    x = op.parameter([1, 32, 24], np.float32)
    y = op.matmul(op.constant(weights(16, 32)), x, False, False)
    return model(x, op.matmul(y, weights(8, 24), False, True)), 1, 2


@row
def product_of_two_activations() -> Row:
    x, y = op.parameter([1, 10, 16], np.float32), op.parameter([1, 12, 16], np.float32)
    return model([x, y], op.matmul(x, y, False, True)), 1, 1


@row
def product_with_a_second_operand_that_is_never_negative() -> Row:
    x, y = op.parameter([1, 10, 16], np.float32), op.parameter([1, 12, 16], np.float32)
    return model([x, y], op.matmul(x, op.relu(y), False, True)), 1, 1


@row
def square_of_an_activation() -> Row:
    x = op.parameter([1, 10, 10], np.float32)
    return model(x, op.matmul(x, x, False, True)), 1, 1


@row
def attention() -> Row:
    x = op.parameter([1, 10, 32], np.float32)

    def head() -> Any:
        y = op.add(op.matmul(x, weights(32, 32), False, True), weights(1, 1, 32))
        return op.transpose(op.reshape(y, const(1, 10, 4, 8), False), const(0, 2, 1, 3))

    scores = op.multiply(op.matmul(head(), head(), False, True), np.float32(8**-0.5))
    mixed = op.transpose(op.matmul(op.softmax(scores, 3), head(), False, False), const(0, 2, 1, 3))
    return model(x, op.matmul(op.reshape(mixed, const(1, 10, 32), False), weights(32, 32), False, True)), 6, 6


@row
def attention_as_one_operation() -> Row:
    x = op.parameter([1, 4, 10, 8], np.float32)
    heads = [op.matmul(x, weights(8, 8), False, True) for _ in range(3)]
    return model(x, op.scaled_dot_product_attention(*heads)), 5, 5


@row
def causal_attention_stays_float() -> Row:
    x = op.parameter([1, 4, 10, 8], np.float32)
    heads = [op.matmul(x, weights(8, 8), False, True) for _ in range(3)]
    return model(x, op.scaled_dot_product_attention(*heads, causal=True)), 3, 5


@row
def lstm_stays_float() -> Row:
    x = op.parameter([1, 6, 16], np.float32)
    zero = op.constant(np.zeros((1, 1, 8), np.float32))
    y = op.matmul(x, weights(16, 16), False, True)
    layer = op.lstm_sequence(
        y, zero, zero, const(6), op.constant(weights(1, 32, 16)), op.constant(weights(1, 32, 8)),
        op.constant(weights(1, 32)), 8, "FORWARD",
    )  # fmt: skip
    return model(x, op.matmul(layer.output(0), weights(8, 8), False, True)), 2, 2
