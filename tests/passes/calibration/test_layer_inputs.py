"""Second moments of the inputs of layers, against those of activations that leave the runtime."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, QuantizationConfig
from irquant.passes.calibration.layer_inputs import LayerInputs
from irquant.passes.calibration.measure_outputs import MeasureOutputs
from irquant.passes.infra.progress import no_progress
from irquant.passes.options.compression import CompressionConfig
from irquant.passes.placement.weight_plan import PlannedWeights, plan_weights
from irquant.passes.runtime.samples import DataError
from irquant.targets import load_target
from tests.passes.weight_only_models import WIDTH, Array, language_model, sentences, weights

Read = Callable[[ov.Model], Graph]


def measured(graph: Graph, data: list[Array] | None, most: int = 1 << 30) -> tuple[LayerInputs, list[PlannedWeights]]:
    context = Context(load_target("cpu"), QuantizationConfig(), data, no_progress)
    if data is not None:
        MeasureOutputs().run(graph, context)
    plan = plan_weights(graph, context.target, CompressionConfig())
    return LayerInputs(graph, context, most), list(plan.matrices)


def test_the_moments_are_those_of_all_vectors_of_all_samples(graph_of: Read) -> None:
    data = sentences(5)
    inputs, planned = measured(graph_of(language_model()), data)
    found = {each.matrix.layers[0].name: moments for each, moments in inputs.moments(planned).items()}
    assert set(found) == {"up0", "down0", "up1", "down1", "classifier"}  # a table is multiplied with nothing
    rows = weights(0, 50, WIDTH)[np.concatenate(data, axis=1)[0]]
    np.testing.assert_allclose(found["up0"], rows.T @ rows, rtol=1e-4, atol=1e-5)
    hidden = np.maximum(rows @ weights(1, WIDTH, 4 * WIDTH) + 0.1, 0)
    np.testing.assert_allclose(found["down0"], hidden.T @ hidden, rtol=1e-3, atol=1e-4)


def test_layers_that_share_a_matrix_add_their_moments(graph_of: Read) -> None:
    x = op.parameter([4, 16], np.float32, name="x")
    matrix = op.constant(weights(0, 16, 16), name="w")
    first = op.matmul(x, matrix, False, True, name="first")
    second = op.matmul(op.relu(first), matrix, False, True, name="second")
    data = [weights(seed, 4, 16) for seed in range(1, 4)]
    inputs, planned = measured(graph_of(ov.Model([op.result(second)], [x])), data)
    (found,) = inputs.moments(planned).values()
    rows = np.concatenate(data)
    behind = np.maximum(rows @ weights(0, 16, 16).T, 0)
    np.testing.assert_allclose(found, rows.T @ rows + behind.T @ behind, rtol=1e-3, atol=1e-5)


def test_without_samples_nothing_is_known(graph_of: Read) -> None:
    inputs, planned = measured(graph_of(language_model()), None)
    assert inputs.moments(planned) == {}
    assert [*inputs.batches(planned)] == [planned]


def test_held_out_samples_do_not_count(graph_of: Read) -> None:
    data = sentences(9)
    inputs, planned = measured(graph_of(language_model()), data)
    found = {each.matrix.layers[0].name: moments for each, moments in inputs.moments(planned).items()}
    rows = weights(0, 50, WIDTH)[np.concatenate(data[:8], axis=1)[0]]
    np.testing.assert_allclose(found["up0"], rows.T @ rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("most", "runs"), [(1 << 30, 1), (4 * (WIDTH**2 + (4 * WIDTH) ** 2), 3), (1, 6)])
def test_what_does_not_fit_into_memory_takes_more_runs(graph_of: Read, most: int, runs: int) -> None:
    inputs, planned = measured(graph_of(language_model()), sentences(2), most)
    found = [*inputs.batches(planned)]
    assert len(found) == runs
    assert [each for some in found for each in some] == planned


def test_data_along_the_first_axis_are_not_measured(graph_of: Read) -> None:
    x = op.parameter([16, 4], np.float32, name="x")
    product = op.matmul(x, weights(0, 8, 16), True, True, name="turned")
    inputs, planned = measured(graph_of(ov.Model([op.result(product)], [x])), [weights(1, 16, 4)])
    assert inputs.moments(planned) == {}


def test_a_sample_that_gives_nan_is_named(graph_of: Read) -> None:
    x = op.parameter([4, 16], np.float32, name="x")
    product = op.matmul(op.sqrt(x, name="root"), weights(0, 8, 16), False, True, name="product")
    inputs, planned = measured(graph_of(ov.Model([op.result(product)], [x])), [np.ones((4, 16)), -np.ones((4, 16))])
    with pytest.raises(DataError) as caught:
        inputs.moments(planned)
    assert str(caught.value) == "sample 1: the float model gives NaN or Inf at Sqrt 'root' (id 1); leave the sample out"
