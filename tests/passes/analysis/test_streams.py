"""What is tied is scaled alike, one channel at a time; whatever is not known to commute with scaling stays as it is."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset4 as op4
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.streams import absorbs, streams
from irquant.passes.runtime.convert import from_runtime

RNG = np.random.default_rng(11)
SIDE, WIDTH = 6, 8


def weights(*shape: int) -> Any:
    return op.constant(RNG.normal(size=shape).astype(np.float32))


def conv(x: Any, outputs: int = WIDTH, *, name: str = "") -> Any:
    inputs = x.get_output_partial_shape(0)[1].get_length()
    return op.convolution(x, weights(outputs, inputs, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1], name=name)


def depthwise(x: Any) -> Any:
    return op.group_convolution(x, weights(WIDTH, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])


def model(between: Any) -> Graph:
    """A convolution `first`, something, and a convolution `last`."""
    x = op.parameter([1, 4, SIDE, SIDE], np.float32, name="x")
    found = conv(between(conv(x, name="first")), 5, name="last")
    return from_runtime(ov.Model([op.result(op.tanh(found))], [x]))


def named(graph: Graph) -> list[tuple[int, set[str]]]:
    """Of each stream its size, and the nodes whose tensors are in it."""
    return [(each.size, {tensor.node.name for tensor in each.channels}) for each in streams(graph)]


def free(graph: Graph) -> list[bool]:
    """For each channel that the last convolution reads, whether it may be divided."""
    tensor = graph.node("last").source()
    found = [each for each in streams(graph) if tensor in each.channels]
    return (found[0].channels[tensor] < found[0].size).tolist() if found else [False] * tensor.shape[1]


def integers(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def padded(x: Any, mode: str, value: float, *, channels: int = 0) -> Any:
    sides = integers(0, channels, 1, 1)
    return op.pad(x, sides, sides, mode, op.constant(np.float32(value)))


#: What channels keep their factors through.
THROUGH: dict[str, Any] = {
    "nothing": lambda x: x,
    "a bias": lambda x: op.add(x, weights(1, WIDTH, 1, 1)),
    "a bias of one number": lambda x: op.add(x, op.constant(np.float32(2))),
    "a bias for each place": lambda x: op.add(x, weights(WIDTH, SIDE, SIDE)),
    "a constant that x is taken from": lambda x: op.subtract(weights(1, WIDTH, 1, 1), x),
    "a factor": lambda x: op.multiply(x, weights(1, WIDTH, 1, 1)),
    "a divisor": lambda x: op.divide(x, weights(1, WIDTH, 1, 1)),
    "ReLU": op.relu,
    "PReLU": lambda x: op.prelu(x, weights(WIDTH)),
    "Abs": op.abs,
    "MaxPool": lambda x: op.relu(op.max_pool(x, [2, 2], [1, 1], [0, 0], [1, 1], [2, 2]).output(0)),
    "AvgPool that averages its padding": lambda x: op.avg_pool(x, [2, 2], [1, 1], [1, 1], [2, 2], False),
    "AvgPool that does not": lambda x: op.avg_pool(x, [2, 2], [1, 1], [1, 1], [2, 2], True),
    "zeros around": lambda x: padded(x, "constant", 0),
    "a border that repeats": lambda x: padded(x, "edge", 7),
    "a mean over the places": lambda x: op.reduce_mean(x, integers(-1, 2), True),
    "a residual sum": lambda x: op.add(x, conv(op.relu(x))),
    "a difference of two": lambda x: op.subtract(conv(x), x),
    "a gate": lambda x: op.multiply(x, op.sigmoid(conv(op.reduce_mean(x, integers(2, 3), True)))),
    "a gate that comes first": lambda x: op.multiply(op.sigmoid(conv(op.reduce_max(x, integers(2, 3), True))), x),
    "two halves": lambda x: op.concat([op.relu(x), conv(x, 3)], 1),
    "two pictures side by side": lambda x: op.concat([op.relu(x), conv(x)], 3),
    "channels taken apart": lambda x: op.concat(op.split(x, op.constant(1), 2).outputs()[::-1], 1),
    "places taken apart": lambda x: op.add(*op.split(x, op.constant(-1), 2).outputs()),
    "unlike parts": lambda x: op.concat(op.variadic_split(x, op.constant(1), integers(3, -1)).outputs(), 1),
    "a larger picture": lambda x: op.interpolate(x, integers(12, 12), "linear_onnx", "sizes", axes=integers(2, 3)),
}  # fmt: skip
#: What they do not.
NOT: dict[str, Any] = {
    "ReLU6": lambda x: op.clamp(x, 0.0, 6.0),
    "a curve": lambda x: op4.swish(x),
    "a second reader that wants it as it is": lambda x: op.add(op.relu(x), op.sigmoid(x)),
    "a slope that depends on the data": lambda x: op.prelu(x, op.reduce_mean(x, integers(0, 2, 3), False)),
    "ones around": lambda x: padded(x, "constant", 1),
    "channels around": lambda x: padded(x, "constant", 0, channels=1),
    "a square": lambda x: op.multiply(x, x),
    "a product of two pictures": lambda x: op.multiply(x, op.relu(conv(x))),
    "a picture for all channels": lambda x: op.add(x, op.sigmoid(conv(x, 1))),
    "a factor that widens the channels": lambda x: op.multiply(conv(x, 1), weights(1, WIDTH, 1, 1)),
    "a constant of more dimensions": lambda x: op.squeeze(op.add(x, weights(1, 1, WIDTH, 1, 1)), integers(0)),
    "a dividend": lambda x: op.divide(weights(1, WIDTH, 1, 1), op.add(op.abs(x), op.constant(np.float32(1)))),
    "a mean over channels": lambda x: op.add(op.relu(x), op.reduce_mean(x, integers(1), True)),
    "another order of the axes": lambda x: op.transpose(x, integers(0, 1, 3, 2)),
    "shuffled places": lambda x: op.depth_to_space(op.concat([x, x, x, x], 1), "blocks_first", 2),
    "a Softmax": lambda x: op.softmax(x, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", THROUGH)
def test_factors_go_through(case: str) -> None:
    assert all(free(model(THROUGH[case])))


@pytest.mark.parametrize("case", NOT)
def test_everything_else_wants_its_channels_as_they_are(case: str) -> None:
    assert not any(free(model(NOT[case])))


def test_the_channels_of_a_constant_in_a_concat_stay_and_so_does_what_is_joined_with_it() -> None:
    graph = model(lambda x: op.concat([op.relu(x), weights(1, 2, SIDE, SIDE)], 1))
    assert not any(free(graph))


def test_the_channels_beside_fixed_ones_are_free() -> None:
    graph = model(lambda x: op.concat([op.relu(conv(x, 3)), op.sigmoid(conv(x, 2))], 1))
    assert free(graph) == [True, True, True, False, False]


def test_channels_that_meet_in_a_sum_have_one_number_each() -> None:
    graph = model(lambda x: op.add(op.relu(x), conv(op.abs(x))))
    assert [size for size, _ in named(graph)] == [WIDTH]


def test_channels_that_are_joined_have_numbers_of_their_own() -> None:
    graph = model(lambda x: op.concat([op.relu(x), conv(x, 3)], 1))
    assert [size for size, _ in named(graph)] == [WIDTH + 3]


def test_halves_that_are_swapped_and_added_share_their_numbers() -> None:
    def swapped(x: Any) -> Any:
        one, other = op.split(x, op.constant(1), 2).outputs()
        return op.add(x, op.concat([other, one], 1))

    assert [size for size, _ in named(model(swapped))] == [WIDTH // 2]


def test_a_depthwise_convolution_has_a_stream_on_either_side() -> None:
    assert [size for size, _ in named(model(lambda x: depthwise(op.relu(x))))] == [WIDTH, WIDTH]


def test_the_input_of_a_layer_that_is_to_be_kept_stays() -> None:
    graph = model(op.relu)
    assert streams(graph)
    assert not streams(graph, [graph.node("last")])


def test_the_inputs_and_outputs_of_the_model_stay() -> None:
    x = op.parameter([1, WIDTH, SIDE, SIDE], np.float32, name="x")
    graph = from_runtime(ov.Model([op.result(op.relu(conv(op.relu(x))))], [x]))
    assert not streams(graph)


def test_an_output_in_the_middle_stays() -> None:
    x = op.parameter([1, 4, SIDE, SIDE], np.float32, name="x")
    inner = op.relu(conv(x))
    graph = from_runtime(ov.Model([op.result(inner), op.result(op.tanh(conv(inner)))], [x]))
    assert not streams(graph)


def test_a_layer_whose_weights_another_one_reads_takes_no_factors() -> None:
    x = op.parameter([1, WIDTH, SIDE, SIDE], np.float32, name="x")
    shared, found = weights(WIDTH, WIDTH, 1, 1), x
    for _ in range(2):
        found = op.relu(op.convolution(found, shared, [1, 1], [0, 0], [0, 0], [1, 1]))
    graph = from_runtime(ov.Model([op.result(found)], [x]))
    assert not any(absorbs(node) for node in graph.nodes("Convolution"))
    assert not streams(graph)


def test_channels_in_unknown_number_stay() -> None:
    x = op.parameter([1, -1, SIDE, SIDE], np.float32, name="x")
    graph = from_runtime(ov.Model([op.result(op.relu(op.relu(x)))], [x]))
    assert not streams(graph)


def test_halves_stay() -> None:
    x = op.parameter([1, 4, SIDE, SIDE], np.float16, name="x")
    kernels = [op.constant(RNG.normal(size=size).astype(np.float16)) for size in ((8, 4, 1, 1), (4, 8, 1, 1))]
    found = x
    for each in kernels:
        found = op.relu(op.convolution(found, each, [1, 1], [0, 0], [0, 0], [1, 1]))
    graph = from_runtime(ov.Model([op.result(found)], [x]))
    assert not streams(graph)
