"""Means of distributions, and joins of scores with what is far larger."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.detector_heads import MEAN, means_of_distributions, mixed_joins, mixed_ranges
from irquant.passes.options.ignored import Ignored
from irquant.passes.placement.placement import plan_placement
from irquant.passes.placement.stays_float import stays_float
from irquant.targets import load_target
from tests.passes.detectors import yolo

GraphOf = Callable[[ov.Model], Graph]


def linear(x: Any, columns: int = 8, name: str = "layer") -> Any:
    width = int(x.get_output_partial_shape(0)[-1].get_length())
    return op.matmul(x, np.ones((columns, width), np.float32), False, True, name=name)


def graph(graph_of: GraphOf, build: Callable[[Any], Any]) -> Graph:
    x = op.parameter([1, 4, 8], np.float32, name="x")
    return graph_of(ov.Model([op.result(build(linear(x, name="first")))], [x], "m"))


PIXELS = np.float32(640)


def joined(x: Any, scale: Any = PIXELS, axis: int = 2) -> Any:
    return op.concat([op.multiply(x, scale), op.sigmoid(x)], axis, name="joined")


# ---------------------------------------------------------------------------------------------------- joins


def test_boxes_in_pixels_beside_scores_are_mixed(graph_of: GraphOf) -> None:
    graph = graph_of(yolo())
    found = stays_float(graph, [graph], load_target("cpu"), Ignored().hits(graph))
    reasons = {node.name: reason for node, reason in found.items()}
    assert reasons["joined"].startswith("it joins scores from 0 to 1 with values that constants scale by ")
    assert reasons["joined"].endswith(": one range leaves scores no levels")
    assert reasons["dfl"] == MEAN
    assert len(reasons) == 2


@pytest.mark.parametrize("moved", [False, True])
def test_a_layer_that_reads_them_so_stays_float(graph_of: GraphOf, *, moved: bool) -> None:
    def build(x: Any) -> Any:
        y = joined(x)
        return linear(op.reshape(y, np.array([1, 2, 32]), False) if moved else y, name="second")

    plan = plan_placement(graph(graph_of, build), load_target("cpu"))
    assert {plan.names[node]: (each.int8, each.reason) for node, each in plan.decisions.items()} == {
        "first": (True, "a8 x w8"),
        "second": (
            False,
            "its data are scores from 0 to 1 joined with values that constants scale by 640, too far apart for a range",
        ),
    }


def test_a_layer_that_reads_one_part_of_them_runs_int8(graph_of: GraphOf) -> None:
    def build(x: Any) -> Any:
        return linear(op.slice(joined(x), np.array([8]), np.array([16]), np.array([1]), np.array([2])), name="second")

    plan = plan_placement(graph(graph_of, build), load_target("cpu"))
    assert [each.int8 for each in plan.decisions.values()] == [True, True]


MIXED = {
    "added": lambda x: op.concat([op.add(x, PIXELS), op.sigmoid(x)], 2),
    "divided": lambda x: op.concat([op.divide(x, np.float32(0.01)), op.sigmoid(x)], 2),
    "scaled twice": lambda x: joined(op.multiply(x, np.float32(5)), np.float32(5)),
    "moved scores": lambda x: op.concat(
        [op.multiply(x, PIXELS), op.reshape(op.sigmoid(x), np.array([1, 4, 8]), False)], 2
    ),
    "scores times scores": lambda x: op.concat(
        [op.multiply(x, PIXELS), op.multiply(op.sigmoid(x), op.softmax(x, 2))], 2
    ),
    "joined boxes": lambda x: op.concat(
        [op.concat([x, op.multiply(x, PIXELS)], 1), op.concat([op.sigmoid(x)] * 2, 1)], 2
    ),
}
PLAIN = {
    "small constants": lambda x: joined(x, np.float32(15)),
    "back from pixels": lambda x: joined(op.multiply(x, PIXELS), np.float32(1 / 640)),
    "divided by pixels": lambda x: op.concat([op.divide(op.add(x, PIXELS), PIXELS), op.sigmoid(x)], 2),
    "scores only": lambda x: op.concat([op.sigmoid(x), op.sigmoid(op.multiply(x, PIXELS))], 2),
    "no scores": lambda x: op.concat([op.multiply(x, PIXELS), op.relu(x)], 2),
    "features": lambda x: op.concat([linear(op.multiply(x, PIXELS), name="inner"), op.sigmoid(x)], 2),
}


@pytest.mark.parametrize("build", MIXED.values(), ids=MIXED)
def test_scales_that_are_too_far_apart_are_found(graph_of: GraphOf, build: Callable[[Any], Any]) -> None:
    assert len(mixed_joins(graph(graph_of, build))) == 1


@pytest.mark.parametrize("double", [lambda y: op.multiply(y, y), lambda y: op.concat([y, y], 2)])
def test_products_and_joins_of_scores_with_themselves_are_seen_once_each(
    graph_of: GraphOf, double: Callable[[Any], Any]
) -> None:
    def build(x: Any) -> Any:
        scores = op.sigmoid(x)
        for _ in range(60):
            scores = op.slice(double(scores), np.array([0]), np.array([8]), np.array([1]), np.array([2]))
        return op.concat([op.multiply(x, PIXELS), scores], 2)

    assert list(mixed_joins(graph(graph_of, build)).values()) == [PIXELS]


@pytest.mark.parametrize("build", PLAIN.values(), ids=PLAIN)
def test_other_joins_are_left_alone(graph_of: GraphOf, build: Callable[[Any], Any]) -> None:
    assert mixed_ranges(graph(graph_of, build)) == {}


# ----------------------------------------------------------------------------------------------------------- means


def mean(weights: Any) -> Callable[[Any], Any]:
    return lambda x: op.matmul(op.softmax(x, 2), np.asarray(weights, np.float32), False, False)


@pytest.mark.parametrize("weights", [np.arange(8)[:, None], 0.5 - np.arange(8)[:, None] / 8])
def test_even_steps_weigh_a_distribution(graph_of: GraphOf, weights: Any) -> None:
    (found,) = means_of_distributions(graph(graph_of, mean(weights)))
    assert found.source().node.type == "SoftMax"


@pytest.mark.parametrize(
    "build",
    [
        mean(np.random.default_rng(0).normal(size=(8, 1))),
        mean(np.ones((8, 1))),
        mean(np.stack([np.arange(8)] * 2, 1)),
        lambda x: op.matmul(op.relu(x), np.arange(8, dtype=np.float32)[:, None], False, False),
        lambda x: op.matmul(op.softmax(x, 2), op.transpose(x, np.array([0, 2, 1])), False, False),
    ],
    ids=["learned", "a sum", "two outputs", "no softmax", "attention"],
)
def test_other_layers_are_no_means(graph_of: GraphOf, build: Callable[[Any], Any]) -> None:
    assert list(means_of_distributions(graph(graph_of, build))) == []
