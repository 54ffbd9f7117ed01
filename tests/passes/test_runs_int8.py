"""What the plan says runs in int8 does, on the runtime at hand: one small net for each row of what is known of the CPU.

The list of layers that the runtime executed in float against the plan must be empty for every net here; where a layer is
planned float, it must be clean: no FakeQuantize in front of it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy import kernel_mismatch
from irquant.passes.infra.execution import Execution
from irquant.passes.runtime.modes import EMULATION, LATENCY
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
#: A net, and how many of its layers run int8 of how many.
Row = tuple[Any, int, int]
ROWS: dict[str, Callable[[], Row]] = {}
RNG = np.random.default_rng(0)
ONES, NONE = [1, 1], [0, 0]


def row(build: Callable[[], Row]) -> Callable[[], Row]:
    ROWS[build.__name__] = build
    return build


def image(channels: int = 16, size: int = 12) -> Any:
    return op.parameter([1, channels, size, size], np.float32)


def weights(*shape: int) -> Array:
    return np.asarray(RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)


def _channels(x: Any) -> int:
    shape = x.get_partial_shape() if isinstance(x, ov.Output) else x.get_output_partial_shape(0)
    return int(shape[1].get_length())


def conv(x: Any, out: int = 16, kernel: int = 3, **options: Any) -> Any:
    pads = options.get("pads", [kernel // 2] * 2)
    channels = _channels(x)
    layer = op.convolution(x, weights(out, channels, kernel, kernel), options.get("strides", ONES), pads, pads, ONES)
    return op.add(layer, weights(1, out, 1, 1))


def depthwise(x: Any) -> Any:
    channels = _channels(x)
    return op.group_convolution(x, weights(channels, 1, 1, 3, 3), ONES, ONES, ONES, ONES)


def between(*steps: Callable[[Any], Any]) -> Any:
    """Conv -> ReLU -> the steps -> conv."""
    x = image()
    y: Any = op.relu(conv(x))
    for step in steps:
        y = step(y)
    return ov.Model([op.result(op.relu(conv(y)))], [x], "m")


def model(x: Any, *results: Any) -> ov.Model:
    inputs = x if isinstance(x, list) else [x]
    return ov.Model([op.result(each) for each in results], inputs, "m")


def const(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


# ------------------------------------------------------------------------- convolutions and matrix products by themselves


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


@pytest.mark.parametrize("shape", [(3, 8, 5), (8, 5)])
def test_a_vector_times_weights_stays_float(shape: tuple[int, ...]) -> None:
    x = op.parameter([8], np.float32)
    y = op.reshape(op.matmul(x, weights(*shape), False, False), const(-1, 5), False)
    reports: list[Report] = []
    quantize(model(x, op.matmul(y, weights(4, 5), False, True)), [weights(8)] * 10, report=reports.append)
    assert [each.decision.reason for each in reports[0].layers] == [
        "in int8 the plugin multiplies a single vector with weights wrongly",
        "a8 x w8",
    ]


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


# ---------------------------------------------------------------------------------------- what stands between two layers


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


def some_slow(names: Iterable[str]) -> list[Any]:
    """The names, all but each third one marked as slow: each is a compiled network."""
    return [name if index % 3 == 0 else pytest.param(name, marks=pytest.mark.slow) for index, name in enumerate(names)]


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


# ------------------------------------------------------------------------------------------------ more than one branch


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


def matrix_product(x: Any, out: int = 12) -> Any:
    shape = x.get_shape() if isinstance(x, ov.Output) else x.get_output_shape(0)
    return op.matmul(x, weights(out, shape[-1]), False, True)


def signed(function: Callable[[Any], Any]) -> ov.Model:
    """Three branches whose data may be negative, so that ranges have zero points, in front of each kind of layer."""
    x = image()
    return model(x, *(layer(function(op.swish(conv(x)))) for layer in (conv, depthwise, matrix_product)))


@pytest.mark.parametrize("name", some_slow(MOVEMENTS))
def test_moved_data_with_a_zero_point_are_right(name: str) -> None:
    net = signed(MOVEMENTS[name])
    reports: list[Report] = []
    result = quantize(net, _samples(net), preset="mixed", report=reports.append)
    assert reports[0].check.execution == Execution(int8=6, total=6)
    assert _executed_as_meant(result) > 30


def _executed_as_meant(net: ov.Model) -> float:
    """How near what the runtime executes is to the FakeQuantizes computed in float, of the worst output, in dB."""
    samples = _samples(net)[:2]
    found, meant = (ov.compile_model(net, "CPU", options) for options in (LATENCY, EMULATION))
    pairs = [
        (one.astype(np.float64), other.astype(np.float64))
        for sample in samples
        for one, other in zip(found(sample).values(), meant(sample).values(), strict=True)
    ]
    return min(float(10 * np.log10((b**2).sum() / max(((a - b) ** 2).sum(), 1e-30))) for a, b in pairs)


def _bias(y: Any) -> Any:
    return op.add(y, weights(1, 32))


def _half(y: Any) -> Any:
    return op.multiply(y, np.float32(0.5))


def _batch_norm(y: Any) -> Any:
    return op.batch_norm_inference(y, *(op.constant(np.abs(weights(32)) + 0.5) for _ in range(4)), 1e-5)


def test_pointwise_convolutions_with_strides_are_right_for_any_size() -> None:
    """With AMX and i8 data, the runtime reads old memory if a small picture follows a larger one."""
    x = op.parameter(ov.PartialShape([-1, 64, -1, -1]), np.float32)
    strided = op.convolution(x, weights(32, 64, 1, 1), [2, 2], NONE, NONE, ONES, "same_upper")
    net = model(x, op.relu(conv(op.add(strided, weights(1, 32, 1, 1)), 8, 1)))
    sizes = [(2, 8, 8), (1, 8, 8), (1, 4, 4), (1, 2, 3), (1, 14, 9)]
    chance = np.random.default_rng(0)
    samples = [chance.normal(size=(batch, 64, *size)).astype(np.float32) for batch, *size in sizes * 2]
    result = quantize(net, samples)
    alone = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    found, meant = (ov.compile_model(result, "CPU", {**options, **alone}) for options in (LATENCY, EMULATION))
    for sample in samples:
        made, wanted = found(sample)[0], meant(sample)[0]
        assert np.square(made - wanted).sum() < 1e-3 * np.square(wanted).sum(), sample.shape


#: What stands between two small products, and how many of them run int8.
BETWEEN: dict[str, tuple[list[Callable[[Any], Any]], int]] = {
    "nothing": ([], 2),
    "relu": ([op.relu], 2),
    "clamp": ([lambda y: op.clamp(y, -1, 1)], 2),
    "bias and relu": ([_bias, op.relu], 2),
    "bias and gelu": ([_bias, lambda y: op.gelu(y, "erf")], 2),
    "half and sigmoid": ([_half, op.sigmoid], 2),
    "half": ([_half], 1),
    "half and relu": ([_half, op.relu], 1),
    "bias and half": ([_bias, _half], 1),
    "relu and bias": ([op.relu, _bias], 1),
    "batch norm and relu": ([_bias, _batch_norm, op.relu], 1),
}


def two_products(steps: Sequence[Callable[[Any], Any]], rows: int) -> ov.Model:
    """Two products that the plugin merges if it has one thread, or rows for each."""
    x = op.parameter([rows, 16], np.float32)
    y: Any = op.matmul(x, weights(32, 16), False, True)
    for step in steps:
        y = step(y)
    return model(x, op.matmul(y, weights(8, 32), False, True))


def _on_one_thread(net: ov.Model) -> float:
    one = {"INFERENCE_NUM_THREADS": "1"}
    samples = _samples(net)
    pairs = [
        [compiled(sample)[0].astype(np.float64) for sample in samples]
        for compiled in (ov.compile_model(net, "CPU", {**LATENCY, **one}), ov.compile_model(net, "CPU", EMULATION))
    ]
    found, meant = map(np.array, pairs)
    return float(10 * np.log10((meant**2).sum() / ((found - meant) ** 2).sum()))


@pytest.mark.parametrize("rows", [1, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BETWEEN)
def test_small_products_in_a_row_are_right_on_one_thread_too(name: str, rows: int) -> None:
    steps, int8 = BETWEEN[name]
    net = two_products(steps, rows)
    reports: list[Report] = []
    result = quantize(net, _samples(net), report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=2)
    assert not reports[0].warnings, "known from the target, not found by comparing"
    assert _on_one_thread(result) > 30


def test_without_a_bias_small_products_in_a_row_give_zeros_on_one_thread() -> None:
    """If this fails, the runtime has mended it, and both rules for MatMuls of rank 2 can go from cpu.yaml."""
    rules = tuple(rule for rule in load_target("cpu").rules if rule.op != ("MatMul",) or rule.ranks != (2,))
    net = two_products([op.relu], 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_mismatch, "MOST_FAULTS", 0)
        specs = load_target("cpu").specs
        plain = specs["a8"].model_copy(update={"absorbs_zero_point": False})  # else there would be a bias
        target = load_target("cpu").model_copy(update={"rules": rules, "specs": {**specs, "a8": plain}})
        config = QuantizationConfig(guard=False, correct_biases="no")
        result = quantize(net, _samples(net), target=target, config=config)
    assert _on_one_thread(result) < 1


#: What reads a scaled extreme, and how many of the layers run int8, of how many.
EXTREME_READERS: dict[str, tuple[Callable[[Any, Any], Any], int, int]] = {
    "convolution": (lambda y, x: conv(y, 8, 1), 1, 2),
    "depthwise": (lambda y, x: depthwise(y), 1, 2),
    "transposed": (lambda y, x: op.convolution_backprop_data(y, weights(16, 8, 3, 3), ONES), 1, 2),
    "product": (lambda y, x: matrix_product(y), 1, 2),
    "first of two activations": (lambda y, x: op.matmul(y, x, True, False), 1, 2),
    "second of two activations": (lambda y, x: op.matmul(x, y, False, False), 1, 2),
    "average": (lambda y, x: conv(op.avg_pool(y, [2, 1], NONE, NONE, [2, 1], True), 8, 1), 2, 2),
    "mean": (lambda y, x: conv(op.reduce_mean(y, const(2), True), 8, 1), 2, 2),
}


@pytest.mark.parametrize("is_half", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["f32", "f16"])
@pytest.mark.parametrize("reduce", [op.reduce_max, pytest.param(op.reduce_min, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EXTREME_READERS)
def test_what_reads_a_scaled_extreme_is_right(name: str, reduce: Callable[..., Any], *, is_half: bool) -> None:
    read, int8, total = EXTREME_READERS[name]
    x = image()
    factor = op.convert(op.constant(np.float16(0.7)), "f32") if is_half else op.constant(np.float32(0.7))
    net = model(x, read(op.multiply(reduce(x, const(3), True), factor), x), conv(x))
    reports: list[Report] = []
    result = quantize(net, _samples(net), report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert not reports[0].warnings, "known from the target, not found by comparing"
    assert _executed_as_meant(result) > 30


@pytest.mark.parametrize("preset", ["performance", pytest.param("mixed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", some_slow(ROWS))
def test_what_is_planned_is_executed(name: str, preset: str) -> None:
    net, int8, total = ROWS[name]()
    reports: list[Report] = []
    result = quantize(net, _samples(net), preset=preset, report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert _executed_as_meant(result) > 30
    assert [each.get_partial_shape() for each in cast(ov.Model, result).outputs] == [
        each.get_partial_shape() for each in net.outputs
    ]
    _assert_clean(result)


#: The functions that the target says are computed with a residual sum.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Abs": op.abs,
    "Clamp": lambda x: op.clamp(x, -1.0, 1.0),
    "Elu": lambda x: op.elu(x, 1.0),
    "Gelu": lambda x: op.gelu(x, "erf"),
    "HSigmoid": op.hsigmoid,
    "HSwish": op.hswish,
    "Mish": op.mish,
    "PReLU": lambda x: op.prelu(x, np.abs(weights(1, 16, 1, 1))),
    "ReLU": op.relu,
    "Sigmoid": op.sigmoid,
    "Swish": op.swish,
    "Tanh": op.tanh,
}


def test_the_functions_behind_sums_are_those_of_the_target() -> None:
    (rule,) = [rule for rule in load_target("cpu").rules if "Add" in rule.op]
    assert sorted(FUNCTIONS) == sorted(rule.fuses)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_residual_sum_and_the_function_behind_it_are_part_of_a_convolution(name: str, kernel: int) -> None:
    x = image()
    stem = op.relu(conv(x))
    for _ in range(2):
        stem = FUNCTIONS[name](op.add(conv(op.relu(conv(stem, kernel=kernel)), kernel=kernel), stem))
    net, int8, total = model(x, conv(stem)), 6, 6
    reports: list[Report] = []
    result = quantize(net, _samples(net), report=reports.append)
    assert reports[0].check.execution == Execution(int8=int8, total=total)
    assert _executed_as_meant(result) > 30
    runtime = cast(Any, ov.Core()).compile_model(result, "CPU", LATENCY).get_runtime_model()
    types = [node.get_rt_info()["layerType"].astype(str) for node in runtime.get_ordered_ops()]
    assert types.count("Convolution") == total
    assert types.count("Subgraph") == 1, "what rounds the input"


def _samples(net: ov.Model) -> Sequence[list[Array]]:
    rng = np.random.default_rng(7)
    shapes = [
        [12 if each.is_dynamic else each.get_length() for each in port.get_partial_shape()] for port in net.inputs
    ]
    return [[rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(10)]


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
