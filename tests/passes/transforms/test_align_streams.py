"""Aligning streams changes no output, and knows the statistics without a second run."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset4 as op4
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, to_text
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.statistics.request import Reduction, request
from irquant.passes.transforms.align_streams import AlignStreams
from irquant.targets import load_target
from tests.passes.measured_again import assert_as_measured_again
from tests.passes.runs_int8.nets import some_slow

RNG = np.random.default_rng(5)
SIDE, WIDTH = 8, 8
SPREAD = np.array([1, 1, 8, 1, 0.2, 1, 20, 1], np.float32)


def weights(*shape: int) -> Any:
    """Output channels of very different sizes."""
    values = RNG.normal(scale=0.3, size=shape).astype(np.float32)
    if shape[0] == WIDTH:
        values *= SPREAD.reshape(WIDTH, *[1] * (len(shape) - 1))
    return op.constant(values)


def conv(x: Any, outputs: int = WIDTH, size: int = 1) -> Any:
    inputs, pad = x.get_output_partial_shape(0)[1].get_length(), size // 2
    found = op.convolution(x, weights(outputs, inputs, size, size), [1, 1], [pad, pad], [pad, pad], [1, 1])
    return op.add(found, op.constant(RNG.normal(size=(1, outputs, 1, 1)).astype(np.float32)))


def grouped(x: Any, groups: int) -> Any:
    kernel = weights(WIDTH, WIDTH // groups, 3, 3).data.reshape(groups, WIDTH // groups, WIDTH // groups, 3, 3)
    return op.group_convolution(x, op.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])


def transposed(x: Any) -> Any:
    kernel = np.moveaxis(weights(WIDTH, WIDTH, 2, 2).data, 0, 1).copy()
    return op.convolution_backprop_data(x, op.constant(kernel), [2, 2])


def transposed_in_groups(x: Any) -> Any:
    kernel = RNG.normal(size=(2, 4, 4, 2, 2)).astype(np.float32)
    return op.group_convolution_backprop_data(x, op.constant(kernel), [2, 2])


def excited(x: Any) -> Any:
    squeezed = op.reduce_mean(x, op.constant(np.array([2, 3])), True)
    return op.multiply(x, op.sigmoid(conv(op.relu(conv(squeezed, 4)))))


def swapped(x: Any) -> Any:
    one, other = op.split(x, op.constant(1), 2).outputs()
    return op.relu(op.concat([other, one], 1))


#: What lies between the first convolution and the last.
BETWEEN: dict[str, Any] = {
    "ReLU": op.relu,
    "PReLU": lambda x: op.prelu(x, op.constant(np.full(WIDTH, 0.1, np.float32))),
    "a residual sum": lambda x: op.add(op.relu(x), conv(op.relu(x))),
    "a difference": lambda x: op.subtract(op.constant(np.float32(1)), op.relu(x)),
    "a scalar bias behind": lambda x: op.add(op.relu(x), op.constant(np.float32(1))),
    "a factor": lambda x: op.multiply(op.relu(x), op.constant(np.float32(0.3))),
    "a gate": lambda x: excited(op.relu(x)),
    "joined tensors": lambda x: op.concat([op.relu(x), conv(op.relu(x), 3)], 1),
    "joined with what must stay": lambda x: op.concat([op.relu(x), op4.swish(conv(op.relu(x), 3))], 1),
    "swapped halves": swapped,
    "depthwise": lambda x: op.relu(grouped(op.relu(x), WIDTH)),
    "two groups": lambda x: op.relu(grouped(op.relu(x), 2)),
    "a transposed convolution": lambda x: op.relu(transposed(op.relu(x))),
    "a transposed convolution in groups": lambda x: op.relu(transposed_in_groups(op.relu(x))),
    "pooling": lambda x: op.avg_pool(op.relu(x), [2, 2], [1, 1], [1, 1], [2, 2], False),
    "a larger picture": lambda x: op.interpolate(op.relu(x), op.constant(np.array([16, 16])), "nearest", "sizes", axes=op.constant(np.array([2, 3]))),
}  # fmt: skip


def model(between: Any) -> Graph:
    x = op.parameter([1, 4, SIDE, SIDE], np.float32, name="x")
    return from_runtime(ov.Model([op.result(op.tanh(conv(between(conv(x, size=3)), 5)))], [x]))


def context_of(graph: Graph, **options: Any) -> Context:
    data = [RNG.normal(size=(1, 4, SIDE, SIDE)).astype(np.float32) for _ in range(12)]
    context = Context(load_target("cpu"), QuantizationConfig.checked(align_streams=True, **options), data)
    context.wanted = PassManager(default_quantization(config=context.config)).prepare(graph, context)
    Calibrate().run(graph, context)
    return context


def run(graph: Graph) -> np.ndarray:
    sample = np.random.default_rng(8).normal(size=(1, 4, SIDE, SIDE)).astype(np.float32)
    compiled = ov.Core().compile_model(to_runtime(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(sample)[0])


@pytest.mark.parametrize("case", some_slow(BETWEEN, 2))
def test_the_outputs_stay(case: str) -> None:
    graph = model(BETWEEN[case])
    before, text = run(graph), to_text(graph, values=True)
    context = context_of(graph)
    assert AlignStreams().run(graph, context) > 0
    assert to_text(graph, values=True) != text
    np.testing.assert_allclose(run(graph), before, rtol=1e-3, atol=1e-5)
    assert AlignStreams().run(graph, context) == 0


@pytest.mark.parametrize("case", some_slow(BETWEEN))
@pytest.mark.better
def test_statistics_are_those_of_a_run_of_the_aligned_model(case: str) -> None:
    graph = model(BETWEEN[case])
    context = context_of(graph)
    AlignStreams().run(graph, context)
    assert_as_measured_again(graph, context)


def test_the_channels_become_more_alike() -> None:
    graph = model(op.relu)
    context = context_of(graph)
    (tensor,) = (node.output() for node in graph.nodes("ReLU"))
    before = spread(tensor, context)
    AlignStreams().run(graph, context)
    assert spread(tensor, context) < before / 2


def spread(tensor: Any, context: Context) -> float:
    largest = np.median(context.statistics[request(tensor, Reduction.MAX, 1)], axis=0)
    return float(largest.max() / largest[largest > 0].min())


def test_channels_that_are_alike_stay() -> None:
    graph = model(op.relu)
    for node in graph.nodes("Convolution"):
        constant = node.source(1).node
        ones = np.ones_like(constant.array)
        constant.set_array(np.where(np.arange(ones.size).reshape(ones.shape) % 2, ones, -ones) / 9)
    for node in graph.nodes("Add"):
        constant = node.source(1).node
        constant.set_array(np.zeros_like(constant.array))
    text = to_text(graph, values=True)
    context = context_of(graph)
    assert AlignStreams().run(graph, context) == 0
    assert to_text(graph, values=True) == text


def test_layers_whose_channels_are_aligned_already_are_left_alone() -> None:
    graph = model(op.relu)
    context = context_of(graph)
    context.aligned |= set(graph.nodes("Convolution"))
    assert AlignStreams().run(graph, context) == 0


def test_ranges_from_quantiles_are_left_alone() -> None:
    graph = model(op.relu)
    context = context_of(graph, range_estimator={"preset": "quantile"})
    assert AlignStreams().run(graph, context) == 0


@pytest.mark.parametrize("wanted", [False, True])
def test_only_the_option_turns_it_on(*, wanted: bool) -> None:
    names = [each.name for each in default_quantization(config=QuantizationConfig(align_streams=wanted))]
    assert ("align-streams" in names) == wanted
    assert "align-streams" not in [each.name for each in default_quantization()]
