"""What rounding each operation costs, against slow and obvious ways to find out."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Builder, Graph, Node, verify
from irquant.passes import Context, QuantizationConfig, analyze_graph
from irquant.passes.accuracy.requantize import CalibratedModel
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.analyze import Analysis
from irquant.passes.evaluation.fake_quant_switch import GATES, AttachGates, rounded_operations
from irquant.passes.evaluation.sensitivity import Effect, measure_effects, ranked
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.options.quantization import RangeEstimator
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import EMULATION
from irquant.passes.runtime.samples import DataError, PreparedSample
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
#: The ranges of these do not depend on who reads a tensor, so that they are the same whatever else is rounded.
PUBLISHED = QuantizationConfig(range_estimator=RangeEstimator())
SAMPLES = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(20)]


def weights(*shape: int) -> Array:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32) * 0.3


def net() -> ov.Model:
    """A residual connection, a MaxPool behind a FakeQuantize, a pool that is stored in int8, a classifier."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    ones = [1, 1]
    first = op.relu(op.convolution(x, weights(8, 3, 3, 3), ones, ones, ones, ones, name="first"))
    pooled = op.max_pool(first, [1, 1], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    second = op.convolution(pooled, weights(8, 8, 3, 3), ones, ones, ones, ones, name="second")
    added = op.add(second, pooled, name="residual")
    third = op.relu(op.convolution(added, weights(8, 8, 3, 3), ones, ones, ones, ones, name="third"))
    flat = op.reduce_mean(third, np.array([2, 3]), False, name="mean")
    logits = op.matmul(flat, weights(10, 8), False, True, name="fc")
    return ov.Model([op.result(logits)], [x], "net")


def prepared() -> tuple[Graph, Context, CalibratedModel]:
    graph = from_runtime(net())
    _, _, calibrated = quantize_once(graph, SAMPLES, load_target("cpu"), PUBLISHED)
    rounded, context = calibrated.rounded(PUBLISHED, {}, hiding=False)
    return rounded, context, calibrated


def run(graph: Graph, context: Context, gates: Array | None = None) -> list[list[Array]]:
    more = {} if gates is None else {GATES: gates}
    found: list[list[Array]] = []
    feeds = [PreparedSample(each.sample, each.feed | more) for each in context.held_out]
    Engine(graph, EMULATION).run(feeds, lambda _, outputs: found.append([each.copy() for each in outputs]))
    return found


def gated(graph: Graph, context: Context) -> tuple[Graph, int]:
    twin = graph.copy()
    operations = rounded_operations(graph, context.plan)
    AttachGates.of(operations, context.plan).run(twin, context)
    verify(twin)
    return twin, len(operations)


def test_all_gates_open_are_the_quantized_model_and_none_the_float_one() -> None:
    graph, context, _ = prepared()
    twin, count = gated(graph, context)
    quantized = [each[0] for each in run(graph, context)]
    opened = [each[1] for each in run(twin, context, np.ones(count, np.float32))]
    closed = [each[1] for each in run(twin, context, np.zeros(count, np.float32))]
    assert sqnr(quantized, opened) > 80
    assert sqnr([each.outputs[0] for each in context.held_out], closed) > 100


def test_every_reader_of_a_quantized_tensor_has_a_gate() -> None:
    graph, context, _ = prepared()
    names = [node.name for node in rounded_operations(graph, context.plan)]
    assert names == ["first", "second", "residual", "third", "mean", "fc"]


def test_gates_are_attached_once() -> None:
    graph, context, _ = prepared()
    twin, count = gated(graph, context)
    assert count > 0
    assert AttachGates.of(rounded_operations(graph, context.plan), context.plan).run(twin, context) == 0
    assert AttachGates((), frozenset(), {}).run(graph.copy(), context) == 0


def test_an_effect_is_that_of_a_model_in_which_nothing_else_is_rounded() -> None:
    """The slow way: one model for each operation, all others returned to float."""
    graph, context, calibrated = prepared()
    found = measure_effects(graph, context, context.held_out, 1000)
    layers = [each for each in found if each.type in ("Convolution", "MatMul")]
    references = [each.outputs[0] for each in context.held_out]
    for effect in layers:
        others = {(each.scope, each.node): "put aside" for each in found if each.node != effect.node}
        alone, left = calibrated.rounded(PUBLISHED, others, hiding=False)
        assert sum(decision.int8 for decision in left.plan.decisions.values()) == 1
        assert effect.worst == pytest.approx(sqnr(references, [each[0] for each in run(alone, context)]), abs=0.5)


def test_an_operations_own_error_is_that_of_its_rounded_operands() -> None:
    graph, context, _ = prepared()
    effect = next(each for each in measure_effects(graph, context, context.held_out, 1000) if each.name == "first")
    both = {node.name: node for node in graph.nodes("FakeQuantize")}
    layer = Node(graph, effect.node)
    assert {layer.source(0).node.name, layer.source(1).node.name} < both.keys()
    twin = graph.copy()
    exact = twin.copy()
    for model in (twin, exact):
        for node in model.nodes("Result"):
            node.input().connect(Node(model, effect.node).output())
    for index in (0, 1):
        port = Node(exact, effect.node).input(index)
        port.connect(port.source.node.source())
    rounded, floats = ([each[0] for each in run(model, context)] for model in (twin, exact))
    assert effect.own == pytest.approx(sqnr(floats, rounded), abs=0.01)


def test_operations_with_the_largest_errors_of_their_own_are_measured_first() -> None:
    graph, context, _ = prepared()
    found = measure_effects(graph, context, context.held_out, 2 * len(context.held_out))
    measured = [each for each in found if each.outputs]
    assert len(measured) == 2
    assert max(each.own for each in measured) <= min(each.own for each in found if not each.outputs)
    every = {each.node: each for each in measure_effects(graph, context, context.held_out, 1000)}
    assert sum(each.share for each in every.values()) == pytest.approx(1)
    for each in measured:
        assert each.share == pytest.approx(every[each.node].share, abs=0.2), "of the error of all, measured or not"
    assert sum(each.share for each in found) < 0.95


def test_nothing_is_measured_without_samples() -> None:
    graph, context, _ = prepared()
    assert measure_effects(graph, context, [], 100) == []


def test_what_leads_to_no_compared_output_is_not_measured() -> None:
    """As behind a selection, whose result is left out if all layers are in front of it."""
    graph, context, _ = prepared()
    (result,) = graph.in_file_order("Result")
    second = Builder(graph).result(graph.node("residual").output(), name="second output")
    outputs = replace(context.outputs, left_out=(result.id,))
    context.calibration = replace(context.calibration, outputs=outputs)
    found = measure_effects(graph, context, context.held_out, 1000)
    assert [each.name for each in found] == ["first", "second", "residual"]
    assert second.graph is graph


def test_what_was_not_measured_comes_last_by_its_own_error() -> None:
    effects = [
        Effect((), 1, "a", "MatMul", own=30.0),
        Effect((), 2, "b", "MatMul", own=10.0),
        Effect((), 3, "c", "MatMul", own=50.0, share=0.2),
        Effect((), 4, "d", "MatMul", own=60.0, share=0.8),
    ]
    assert [each.name for each in ranked(effects)] == ["d", "c", "b", "a"]
    assert effects[0].worst == math.inf


def analyzed(model: ov.Model, samples: list[Array]) -> Analysis:
    return analyze_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig())


def test_an_analysis_needs_samples_that_calibration_did_not_see() -> None:
    with pytest.raises(DataError, match=r"^an analysis compares samples that calibration did not see: give nine "):
        analyzed(net(), SAMPLES[:5])


def test_shapes_that_are_not_known_are_no_obstacle() -> None:
    x = op.parameter(ov.PartialShape([-1, 3, -1, -1]), np.float32, name="x")
    ones = [1, 1]
    first = op.relu(op.convolution(x, weights(8, 3, 3, 3), ones, ones, ones, ones, name="first"))
    second = op.convolution(first, weights(3, 8, 3, 3), ones, ones, ones, ones, name="second")
    effects = analyzed(ov.Model([op.result(second)], [x], "m"), SAMPLES).effects
    assert [each.name for each in effects] == ["first", "second"]
    assert all(20 < each.worst < 80 for each in effects)


def test_half_precision_graphs_are_analyzed_too() -> None:
    x = op.parameter([1, 3, 8, 8], np.float16, name="x")
    ones = [1, 1]
    first = op.relu(op.convolution(x, weights(8, 3, 3, 3).astype(np.float16), ones, ones, ones, ones, name="first"))
    second = op.convolution(first, weights(4, 8, 3, 3).astype(np.float16), ones, ones, ones, ones, name="second")
    effects = analyzed(ov.Model([op.result(second)], [x], "m"), [each.astype(np.float16) for each in SAMPLES]).effects
    assert [each.name for each in effects if each.outputs] == ["first", "second"]


@pytest.mark.parametrize("fault", ["outlier channel", "box arithmetic", "saturating activation"])
def test_a_faulty_layer_is_ranked_first(faulty: Callable[..., Any], fault: str) -> None:
    """Seventeen networks a fault; nine in ten must be right."""
    seeds = range(17)
    right = 0
    for seed in seeds:
        model, guilty, samples = faulty(fault, seed)
        right += ranked(analyzed(model, samples).effects)[0].name == guilty
    assert right >= 0.9 * len(seeds)


def test_at_least_one_operation_is_measured_when_the_time_is_over() -> None:
    graph, context, _ = prepared()
    found = measure_effects(graph, context, context.held_out, seconds=0.0)
    assert [0 < each.share < 1 for each in found if each.outputs] == [True]
