"""What made the reference implementation crash or go wrong, and does neither here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, PassManager, QuantizationConfig, Report, default_quantization
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(21)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def quantized(build: Callable[[Any], Any], *shape: int, target: str = "cpu", **options: Any) -> tuple[Graph, Report]:
    x = op.parameter(list(shape), np.float32, name="x")
    graph = from_runtime(ov.Model([op.result(build(x))], [x]))
    data = [normal(*shape) for _ in range(12)]
    return quantize_graph(graph, data, load_target(target), QuantizationConfig.checked(**options))


def all_int8(report: Report) -> bool:
    execution = report.check.execution
    return execution is not None and execution.int8 == execution.total > 0


@pytest.mark.better
def test_weights_of_one_range_go_with_a_transposed_convolution() -> None:
    """The reference: TypeError, unexpected keyword 'transpose'."""
    weights = normal(4, 6, 2, 2)
    _, report = quantized(
        lambda x: op.relu(op.convolution_backprop_data(x, weights, [2, 2])),
        *(1, 4, 5, 5),
        weights={"granularity": "pertensor"},
    )
    assert all_int8(report)


@pytest.mark.better
def test_a_tensor_may_feed_a_convolution_and_a_matrix_product() -> None:
    """The reference: ValueError in bias correction, which knew one channel axis a tensor."""
    kernel, matrix = np.abs(normal(5, 4, 1, 1)), np.abs(normal(8, 3))
    _, report = quantized(
        lambda x: op.add(
            op.reduce_mean(op.convolution(op.relu(x), kernel, [1, 1], [0, 0], [0, 0], [1, 1]), [1, 3], True),
            op.reduce_mean(op.matmul(op.relu(x), matrix, False, False), [1, 3], True),
        ),
        *(1, 4, 6, 8),
    )
    assert all_int8(report)
    assert report.corrected + report.uncorrected == 2


@pytest.mark.better
def test_all_matrices_of_a_recurrent_layer_have_ranges_of_their_own() -> None:
    """The reference: W, R and a constant state all got the range of the last one."""
    hidden = 6
    w, r = normal(1, 4 * hidden, 4) / 10, normal(1, 4 * hidden, hidden) * 8

    def build(x: Any) -> Any:
        state = np.zeros((1, 1, hidden), np.float32)
        cell = op.lstm_sequence(x, state, state, np.array([5]), w, r, normal(1, 4 * hidden), hidden, "forward")
        return cell.output(0)

    graph, _ = quantized(build, 1, 5, 4, target="npu")
    layer = next(graph.nodes("LSTMSequence"))
    scales = [layer.source(port).node.source(1).node.array for port in (4, 5)]
    for scale, matrix in zip(scales, (w, r), strict=True):
        largest = np.abs(matrix).max(axis=2, keepdims=True)
        np.testing.assert_allclose(scale * 127, np.maximum(largest, 0.01 * largest.max()), rtol=1e-5)
    assert layer.source(1).node.type == "Const"  # the state is left alone


@pytest.mark.better
def test_every_saturation_fix_goes_with_attention_and_unknown_weights() -> None:
    """The reference: an exception for products of activations, and for first convolutions without constant weights."""
    matrix = normal(8, 8)

    def build(x: Any) -> Any:
        product = op.matmul(x, op.softmax(op.matmul(x, x, False, True), -1), True, False)
        return op.matmul(product, matrix, True, False)

    for fix in ("all", "first_layer"):
        _, report = quantized(build, 1, 8, 8, saturation_fix=fix)
        assert report.check.execution is not None
        assert not report.check.execution.fallen


@pytest.mark.parametrize("kind", ["Convolution", "GroupConvolution"])
@pytest.mark.better
def test_grouped_convolutions_are_ignored_by_either_name(kind: str) -> None:
    """The reference: its GroupConvolution never hits."""
    grouped, plain = normal(2, 2, 2, 3, 3), normal(4, 4, 1, 1)

    def build(x: Any) -> Any:
        first = op.relu(op.group_convolution(x, grouped, [1, 1], [1, 1], [1, 1], [1, 1]))
        return op.relu(op.convolution(first, plain, [1, 1], [0, 0], [0, 0], [1, 1]))

    x = op.parameter([1, 4, 6, 6], np.float32)
    graph = from_runtime(ov.Model([op.result(build(x))], [x]))
    config = QuantizationConfig.checked(ignored={"operations": [{"type": kind, "attributes": {"group": 2}}]})
    context = Context(load_target("cpu"), config)
    PassManager(default_quantization()).prepare(graph, context)
    assert [each.int8 for each in context.plan.decisions.values()] == [False, True]
