"""The outputs of the float model on held-out samples; the others are kept for later."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest

from irquant.ir import Graph
from irquant.passes import Context, QuantizationConfig
from irquant.passes.calibration.measure_outputs import MeasureOutputs
from irquant.passes.runtime.samples import DataError
from irquant.targets import load_target
from tests.passes.weight_only_models import Array, language_model, sentences

Read = Callable[[ov.Model], Graph]


def measured(graph: Graph, data: list[Array], most: int | None = 300) -> Context:
    context = Context(load_target("cpu"), QuantizationConfig(samples=most), data)
    assert MeasureOutputs().run(graph, context) == 0
    return context


def test_a_tenth_is_held_out_with_outputs_and_the_rest_is_kept(graph_of: Read) -> None:
    data = sentences(30)
    context = measured(graph_of(language_model()), data)
    assert [*context.kept] == [index for index in range(30) if index not in (8, 21, 29)]
    compiled = ov.Core().compile_model(language_model(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for index, each in zip((8, 21, 29), context.held_out, strict=True):
        np.testing.assert_array_equal(each.feed["rows"], data[index])
        np.testing.assert_allclose(each.outputs[0], compiled([data[index]])[0], rtol=1e-4, atol=1e-4)
    assert context.statistics.samples == 27
    assert context.calibration.data_fingerprint


def test_no_more_samples_are_used_than_asked(graph_of: Read) -> None:
    assert measured(graph_of(language_model()), sentences(30), most=5).statistics.samples == 5


def test_few_samples_are_all_kept(graph_of: Read) -> None:
    context = measured(graph_of(language_model()), sentences(3))
    assert (len(context.kept), context.held_out) == (3, [])


def test_the_graph_stays_as_it_is(graph_of: Read) -> None:
    graph = graph_of(language_model())
    measured(graph, sentences(12))
    assert not graph.is_edited


def test_no_samples_are_refused(graph_of: Read) -> None:
    with pytest.raises(DataError, match=r"^the calibration data are empty: at least one sample is needed$"):
        measured(graph_of(language_model()), [])


def test_a_sample_that_does_not_fit_is_named(graph_of: Read) -> None:
    with pytest.raises(DataError, match=r"^sample 1, row 0: input 'rows' i64\[1,\?\]: got float64\[1, 3\]; "):
        measured(graph_of(language_model()), [*sentences(1), np.ones((2, 3))])
