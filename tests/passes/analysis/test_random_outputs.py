"""Outputs that nobody can compare: the model gives others each time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import QuantizationConfig, Report
from irquant.passes.analysis.agreement import Verdict
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.analysis.random_outputs import may_be_random, random_tensors
from irquant.passes.evaluation.compare_models import compare_models
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import LATENCY
from irquant.passes.runtime.samples import Sample, ValidationSample
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
GraphOf = Callable[[ov.Model], Graph]
SAMPLES = [np.random.default_rng(k).normal(size=(1, 8)).astype(np.float32) for k in range(10)]


def sampler(*, is_noisy: bool = True) -> ov.Model:
    """A layer's result, and the same with noise, or with what the noise is rounded to."""
    x = op.parameter([1, 8], np.float32, name="x")
    y = op.matmul(x, np.eye(8, dtype=np.float32), False, True)
    noise = op.random_uniform(np.array([1, 8]), np.float32(0), np.float32(1), "f32", 1, 2)
    noise = noise if is_noisy else op.floor(noise)
    return ov.Model([op.result(op.relu(y)), op.result(op.add(y, noise))], [x], "m")


def plain() -> ov.Model:
    x = op.parameter([1, 8], np.float32, name="x")
    return ov.Model([op.result(op.relu(x))], [x], "m")


def test_only_models_that_draw_numbers_run_twice(graph_of: GraphOf) -> None:
    assert may_be_random(graph_of(sampler()))
    assert not may_be_random(graph_of(plain()))


def test_operations_that_nobody_knows_may_be_random(graph_of: GraphOf) -> None:
    graph = graph_of(plain())
    (node,) = graph.nodes("ReLU")
    graph.add("Shuffle", "mine", [node.output()], [(node.output().element_type, (1, 8))], opset="mine")
    assert may_be_random(graph)


@pytest.mark.parametrize(("is_noisy", "found"), [(True, {1}), (False, set[int]())])
def test_what_differs_when_it_runs_again_is_random(graph_of: GraphOf, found: set[int], *, is_noisy: bool) -> None:
    engine = Engine(graph_of(sampler(is_noisy=is_noisy)), LATENCY)
    sample = ValidationSample(Sample("one", None), {"x": SAMPLES[0]}, [])
    first = [each.copy() for each in engine.outputs(sample)]
    assert random_tensors(engine, ValidationSample(sample.sample, sample.feed, first)) == found


def test_the_report_says_so_and_the_guard_leaves_it(graph_of: GraphOf) -> None:
    model, floats = graph_of(sampler()), graph_of(sampler())
    graph, report = quantized(model)
    assert report.check.outputs is not None
    values, random = report.check.outputs
    assert (values.verdict, random.kind, random.verdict) == (Verdict.GOOD, OutputKind.RANDOM, Verdict.UNKNOWN)
    assert report.guard == ()
    samples = [Sample(f"sample {k}", each) for k, each in enumerate(SAMPLES)]
    found = compare_models(floats, graph, samples, latency=False)
    assert [each.kind for each in found.outputs] == [OutputKind.VALUES, OutputKind.RANDOM]
    assert not found.is_poor


def quantized(model: Graph) -> tuple[Graph, Report]:
    return quantize_graph(model, SAMPLES, load_target("cpu"), QuantizationConfig())
