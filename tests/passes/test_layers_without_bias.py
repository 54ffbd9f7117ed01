"""Layers in a row of which the first has no bias: it gets one, and the layer behind still finds its statistics."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import (
    Context,
    PassManager,
    QuantizationConfig,
    default_quantization,
    quantize,
    quantize_model,
)
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.correct_biases_fast import CorrectBiasesFast
from irquant.passes.transforms.create_biases import CreateBiases
from irquant.targets import load_target
from tests.passes.beside_data import beside_data

RNG = np.random.default_rng(5)


def weights(*shape: int) -> Any:
    """Of which rounding takes a good part: few are large, most small and positive."""
    values = np.abs(RNG.normal(size=shape)) * np.where(RNG.random(shape) < 0.1, 3, 0.02)
    return op.constant((values / np.sqrt(np.prod(shape[1:]))).astype(np.float32))


def separable() -> ov.Model:
    x = op.parameter([1, 8, 8, 8], np.float32, name="x")
    y = op.group_convolution(x, weights(8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([op.convolution(y, weights(8, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])], [x])


def factorised() -> ov.Model:
    x = op.parameter([1, 8, 8, 8], np.float32, name="x")
    y = op.convolution(x, weights(8, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([op.convolution(y, weights(8, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])], [x])


def low_rank() -> ov.Model:
    x = op.parameter([1, 4, 16], np.float32, name="x")
    return ov.Model([op.matmul(op.matmul(x, weights(8, 16), False, True), weights(16, 8), False, True)], [x])


def behind_a_max_pool() -> ov.Model:
    x = op.parameter([1, 8, 8, 8], np.float32, name="x")
    y = op.convolution(x, weights(8, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    y = op.max_pool(y, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], "floor", "explicit", "i64", 0).output(0)
    return ov.Model([op.convolution(y, weights(8, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])], [x])


def samples(model: ov.Model, count: int = 12) -> list[np.ndarray[Any, Any]]:
    return [RNG.random(list(model.input().shape)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("build", [separable, factorised, low_rank, behind_a_max_pool])
def test_both_run_in_int8_and_both_are_corrected(build: Any) -> None:
    model, reports = build(), list[Any]()
    data = samples(model)
    found = quantize(model, data, config=QuantizationConfig(weights={"bits": 4}, guard=False), report=reports.append)  # type: ignore[arg-type]
    assert reports[0].check.execution.int8 == 2
    assert reports[0].corrected == 2
    one, other = (ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, found))
    means = [np.mean([run(sample)[0] for sample in data]) for run in (one, other)]
    assert abs(means[1] - means[0]) < 0.02 * abs(means[0])


def test_a_layer_whose_input_was_not_measured_is_left_alone_and_told() -> None:
    graph = from_runtime(factorised())
    context = Context(load_target("cpu"), samples=samples(factorised()))
    passes = [each for each in default_quantization() if not isinstance(each, CorrectBiasesFast)]
    PassManager(passes[: passes.index(CreateBiases())]).run(graph, context)
    first, second = graph.nodes("Convolution")
    CorrectBiasesFast().run(graph, context)
    assert list(context.corrections) == [second]
    said = f"the bias of '{first.name}' is not corrected: the mean of its input was not measured"
    assert context.warnings[-1] == said


def convolution(x: Any) -> Any:
    return op.convolution(x, weights(8, 8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])


def groups(x: Any) -> Any:
    return op.group_convolution(x, weights(2, 4, 4, 3, 3), [1, 1], [0, 0], [0, 0], [1, 1])


def transposed(x: Any) -> Any:
    return op.convolution_backprop_data(x, weights(8, 4, 2, 2), strides=[2, 2])


def columns(x: Any) -> Any:
    return op.matmul(x, weights(8, 8), False, False)


@pytest.mark.parametrize("layer", [convolution, groups, transposed, columns])
def test_the_weights_say_how_many_channels_data_of_any_shape_have(layer: Any) -> None:
    x = op.parameter([1, 8, 8, 8], np.float32, name="x")
    model = ov.Model([layer(x)], [x])
    data = samples(model)
    model.reshape([-1, -1, -1, -1])
    config = QuantizationConfig(weights={"bits": 4}, guard=False)  # type: ignore[arg-type]
    found = quantize_model(model, data, config=config)
    assert found.report.corrected == 1
    assert not beside_data(found.report)
    one, other = (ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, found.model))
    means = [np.mean([run(sample)[0] for sample in data]) for run in (one, other)]
    assert abs(means[1] - means[0]) < 0.02 * abs(means[0])


def test_that_products_of_several_matrices_are_not_corrected_is_a_note() -> None:
    """There is nothing that a user could do about it."""
    x = op.parameter([2, 4, 16], np.float32, name="x")
    model = ov.Model([op.matmul(x, weights(2, 16, 8), False, False, name="heads")], [x])
    report = quantize_model(model, [RNG.random((2, 4, 16)).astype(np.float32) for _ in range(12)], guard=False).report
    said = "the bias of 'heads' is not corrected: each of its weight matrices needs means of its own"
    assert said in notes_in(report.warnings)
    assert not warnings_in(beside_data(report))
