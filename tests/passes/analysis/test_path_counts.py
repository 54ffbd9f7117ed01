"""Paths that the runtime would follow one by one are counted, not followed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, Node
from irquant.passes import quantize_model
from irquant.passes.analysis.path_counts import MOST_PATHS, behind_many_paths
from irquant.passes.runtime.convert import from_runtime
from tests.passes.runs_int8.nets import some_slow

Double = Callable[[Any], Any]
DOUBLES: dict[str, Double] = {
    "sum": lambda y: op.add(y, y),
    "maximum": lambda y: op.maximum(y, op.multiply(y, np.float32(0.5))),
    "reshapes": lambda y: op.reshape(op.add(flat(y), flat(y)), np.array([1, 8, 4, 4]), False),
    "activations": lambda y: op.add(op.relu(y), op.sigmoid(y)),
    "gate": lambda y: op.multiply(y, op.sigmoid(y)),
    "joined": lambda y: op.slice(op.concat([y, y], 1), *(np.array([each]) for each in (4, 12, 1, 1))),
}


def flat(y: Any) -> Any:
    return op.reshape(y, np.array([1, 8, 16]), False)


def conv(y: Any, name: str) -> Any:
    weights = np.random.default_rng(0).normal(size=(8, 8, 1, 1)).astype(np.float32)
    return op.convolution(y, weights, [1, 1], [0, 0], [0, 0], [1, 1], name=name)


def doubled(count: int, double: Double, between: Double | None = None) -> ov.Model:
    """A convolution, doublings, and another convolution."""
    x = op.parameter([1, 8, 4, 4], np.float32, name="x")
    y = op.relu(conv(x, "first"))
    for _ in range(count):
        y = double(between(y) if between else y)
    return ov.Model([op.result(conv(y, "second"))], [x], "m")


def layers_behind_many(graph: Graph) -> list[str]:
    return [node.name for node in behind_many_paths(graph, lambda node: node.type == "Convolution")]


def samples() -> list[Any]:
    return [np.random.default_rng(each).normal(size=(1, 8, 4, 4)).astype(np.float32) * 1e-3 for each in range(10)]


@pytest.mark.parametrize("double", some_slow(DOUBLES.values(), 2), ids=DOUBLES)
def test_doublings_are_quantized_but_for_the_layer_behind_them(double: Double) -> None:
    model = quantize_model(doubled(24, double), samples()).report
    decisions = {layer.name: layer.decision for layer in model.layers}
    assert decisions["first"].int8
    assert decisions["second"].reason == (
        f"more than {MOST_PATHS} paths lead to it, and the runtime's int8 transformations would follow each"
    )


@pytest.mark.parametrize("count", [0, 1, 10])
def test_a_few_doublings_are_no_obstacle(count: int) -> None:
    assert layers_behind_many(from_runtime(doubled(count, DOUBLES["sum"]))) == []


def test_nothing_is_asked_of_nodes_if_no_paths_are_many() -> None:
    asked: list[Node] = []

    def is_asked(node: Node) -> bool:
        asked.append(node)
        return True

    assert behind_many_paths(from_runtime(doubled(2, DOUBLES["sum"])), is_asked) == []
    assert asked == []


def test_a_layer_in_between_ends_the_paths() -> None:
    assert layers_behind_many(from_runtime(doubled(60, DOUBLES["sum"], lambda y: conv(y, "between")))) == []


def test_the_count_is_that_of_the_walk() -> None:
    """1 + 2 + 4 + ... up to the level of the first activation, and the layer behind which the walk ends."""
    for count, expected in ((11, []), (13, ["second"])):
        graph = from_runtime(doubled(count, DOUBLES["sum"]))
        assert layers_behind_many(graph) == expected


def test_a_near_end_ends_the_walk_whatever_lies_elsewhere() -> None:
    model = doubled(60, DOUBLES["sum"])
    (before,) = [node for node in model.get_ordered_ops() if node.get_friendly_name() == "second"]
    x = model.get_parameters()[0]
    near = op.add(before.input_value(0), x)
    graph = from_runtime(ov.Model([op.result(conv(near, "third"))], [x], "m"))
    assert "third" not in layers_behind_many(graph)


def test_sizes_that_are_known_lead_to_no_end() -> None:
    """The runtime folds them first; the end that they led to, a few steps away, is gone then."""
    x = op.parameter([1, 8, 4, 4], np.float32, name="x")
    first = y = conv(x, "first")
    for _ in range(24):
        y = op.add(y, y)
    near = op.broadcast(y, op.shape_of(first))
    graph = from_runtime(ov.Model([op.result(conv(near, "second"))], [x], "m"))
    assert layers_behind_many(graph) == ["second"]
