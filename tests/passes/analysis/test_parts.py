"""Columns that differ in scale: which are judged on their own, and which are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.choices import Choice
from irquant.passes.analysis.outputs import find_outputs
from irquant.passes.analysis.parts import Part, find_parts

Array = np.ndarray[Any, np.dtype[Any]]
GraphOf = Callable[[ov.Model], Graph]
RNG = np.random.default_rng(5)


def boxes(count: int = 200) -> Array:
    return RNG.uniform(5, 640, size=(count, 4))


def scores(count: int = 200, classes: int = 6) -> Array:
    """Of few boxes with an object; the last class is never seen."""
    found = RNG.uniform(0, 1e-3, size=(count, classes))
    found[::20, :-1] += RNG.uniform(0, 0.95, size=(count // 20, classes - 1))
    return found


def named(*arrays: Array) -> list[str]:
    return [str(part) for part in find_parts(0, arrays)]


HEAD = np.concatenate([boxes(), scores()], axis=1)


@pytest.mark.parametrize("axis", [1, 2])
def test_boxes_and_scores_are_apart_along_either_axis(axis: int) -> None:
    tensor = HEAD[None] if axis == 2 else HEAD.T[None]
    first, second = find_parts(7, [tensor])
    assert first == Part(7, axis, 3, (4, 5, 6, 7, 8, 9), Choice(axis, 0.25))
    assert second == Part(7, axis, 3, (0, 1, 2, 3))
    assert [each.of(tensor).shape[axis] for each in (first, second)] == [6, 4]


def test_columns_that_do_not_lie_together_are_counted() -> None:
    mixed = np.stack([boxes()[:, 0], scores()[:, 0], boxes()[:, 0], scores()[:, 1]], axis=1)
    assert named(mixed) == ["2 of columns 1 to 3", "2 of columns 0 to 2"]
    assert str(Part(0, 1, 2, (3,))) == "column 3"


def test_sizes_that_vary_are_no_columns() -> None:
    other = np.concatenate([boxes(40), scores(40)], axis=1)
    assert named(HEAD[None], other[None]) == ["columns 4 to 9", "columns 0 to 3"]


def test_boxes_of_which_no_sample_shows_one_have_no_scores_to_judge() -> None:
    assert named(np.concatenate([boxes(), RNG.uniform(0, 0.02, size=(200, 6))], axis=1)) == ["columns 0 to 3"]


def test_constants_are_no_part() -> None:
    assert named(np.concatenate([boxes(), np.full((200, 1), 0.5)], axis=1)) == ["columns 0 to 3"]


@pytest.mark.parametrize(
    "tensor",
    [
        scores(),
        np.concatenate([boxes() / 640, scores()], axis=1),
        RNG.normal(size=(200, 8)) * np.geomspace(1, 1e-4, 8),
        np.concatenate([boxes(), np.zeros((200, 2))], axis=1),
        np.concatenate([boxes(), RNG.normal(size=(200, 2)) * 1e-6], axis=1),
        np.full((3, 4), np.nan),
        np.ones((3, 4), np.int64),
        np.zeros((0, 4)),
        np.array(3.0),
        np.array([[3.0, 1e-3, -2.0, 5.0], [4.0, -2e-3, 6.0, 2.0]]),
    ],
    ids=[
        "scores",
        "boxes from 0 to 1",
        "a slope",
        "zeros",
        "rounding of floats",
        "nan",
        "integers",
        "none",
        "a number",
        "numbers that are small by chance",
    ],
)
def test_nothing_else_has_parts(tensor: Array) -> None:
    assert named(tensor) == []


def test_tensors_of_other_ranks_have_no_parts() -> None:
    assert named(HEAD, HEAD[None]) == []


# ------------------------------------------------------------------------------------------------------------- the graph


def joined(graph_of: GraphOf, build: Callable[[ov.Node, ov.Node], ov.Node]) -> bool:
    x = op.parameter([1, 4, 8], np.float32, name="x")
    one, other = (op.matmul(x, np.ones((8, 8), np.float32), False, True) for _ in range(2))
    return bool(find_outputs(graph_of(ov.Model([op.result(build(one, other))], [x], "m"))).joined)


def layer(x: ov.Node) -> ov.Node:
    return op.matmul(x, np.eye(8, dtype=np.float32), False, True)


@pytest.mark.parametrize(
    ("build", "is_joined"),
    [
        (lambda one, other: op.concat([one, op.sigmoid(other)], 2), True),
        (lambda one, other: op.transpose(op.concat([op.exp(one), other], 1), np.array([0, 2, 1])), True),
        (lambda one, other: layer(op.concat([one, other], 1)), False),
        (lambda one, other: op.relu(op.add(one, other)), False),
        (lambda one, _: op.reshape(one, op.concat([op.shape_of(one), np.array([1])], 0), False), False),
    ],
    ids=["joined", "joined and moved", "a layer behind", "a sum", "a joined shape"],
)
def test_what_is_joined_behind_the_last_layers_has_columns(
    graph_of: GraphOf, build: Callable[[ov.Node, ov.Node], ov.Node], *, is_joined: bool
) -> None:
    assert joined(graph_of, build) is is_joined
