"""Where a model chooses: by its graph, and by what its outputs hold."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.choices import Choice, are_features, choice_of, chooses_for_pixels

Array = np.ndarray[Any, np.dtype[Any]]
GraphOf = Callable[[ov.Model], Graph]
RNG = np.random.default_rng(3)


def chosen(graph_of: GraphOf, build: Callable[[ov.Node], ov.Node], shape: Sequence[int], *, alone: bool = True) -> Any:
    x = op.parameter(list(shape), np.float32, name="x")
    graph = graph_of(ov.Model([op.result(build(x))], [x], "m"))
    (result,) = graph.nodes("Result")
    return choice_of(result.source(), is_alone=alone)


def convolved(x: ov.Node, channels: int) -> ov.Node:
    return op.convolution(x, np.ones((channels, x.shape[1], 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])


def multiplied(x: ov.Node, columns: int) -> ov.Node:
    return op.matmul(x, np.ones((columns, x.shape[-1]), np.float32), False, True)


SOFTMAX = {
    "the last axis": (lambda x: op.softmax(x, 2), [1, 5, 7], 2),
    "channels": (lambda x: op.softmax(x, 1), [1, 5, 4, 4], 1),
    "an axis from behind": (lambda x: op.log_softmax(x, -3), [1, 5, 4, 4], 1),
    "transposed": (lambda x: op.transpose(op.softmax(x, 1), np.array([0, 2, 3, 1])), [1, 5, 4, 4], 3),
    "reshaped": (lambda x: op.reshape(op.softmax(x, 1), np.array([1, 5, 16]), False), [1, 5, 4, 4], 1),
    "made f16": (lambda x: op.convert(op.softmax(x, 1), "f16"), [1, 5], 1),
}


@pytest.mark.parametrize(("build", "shape", "axis"), SOFTMAX.values(), ids=SOFTMAX)
def test_behind_a_softmax_its_axis_decides(
    graph_of: GraphOf, build: Callable[[ov.Node], ov.Node], shape: list[int], axis: int
) -> None:
    assert chosen(graph_of, build, shape, alone=False) == Choice(axis)


def test_an_axis_that_is_split_is_no_choice(graph_of: GraphOf) -> None:
    assert chosen(graph_of, lambda x: op.reshape(op.softmax(x, 1), np.array([2, 3]), False), [1, 6]) is None


GUESSED = {
    "logits": (lambda x: multiplied(x, 10), [1, 3], 1),
    "logits of pixels": (lambda x: convolved(x, 4), [1, 3, 8, 8], 1),
    "channels last": (lambda x: op.transpose(convolved(x, 4), np.array([0, 2, 3, 1])), [1, 3, 8, 8], 3),
    "with a bias": (lambda x: op.add(convolved(x, 4), np.ones((1, 4, 1, 1), np.float32)), [1, 3, 8, 8], 1),
    "tokens to pixels": (
        lambda x: op.reshape(op.transpose(multiplied(x, 5), np.array([0, 2, 1])), np.array([1, 5, 4, 4]), False),
        [1, 16, 3],
        1,
    ),
}


@pytest.mark.parametrize(("build", "shape", "axis"), GUESSED.values(), ids=GUESSED)
def test_what_a_layer_gives_may_be_a_choice(
    graph_of: GraphOf, build: Callable[[ov.Node], ov.Node], shape: list[int], axis: int
) -> None:
    assert chosen(graph_of, build, shape) == Choice(axis, is_guess=True)


NONE = {
    "two columns": (lambda x: multiplied(x, 2), [1, 3]),
    "one channel": (lambda x: convolved(x, 1), [1, 3, 8, 8]),
    "probabilities of each": (lambda x: op.sigmoid(convolved(x, 4)), [1, 3, 8, 8]),
    "features of tokens": (lambda x: multiplied(x, 64), [1, 9, 3]),
    "positive": (lambda x: op.relu(multiplied(x, 10)), [1, 3]),
}


@pytest.mark.parametrize(("build", "shape"), NONE.values(), ids=NONE)
def test_other_outputs_choose_nothing(graph_of: GraphOf, build: Callable[[ov.Node], ov.Node], shape: list[int]) -> None:
    assert chosen(graph_of, build, shape) is None


def test_one_of_several_vectors_is_no_choice(graph_of: GraphOf) -> None:
    assert chosen(graph_of, lambda x: multiplied(x, 10), [1, 3], alone=False) is None


def test_rows_whose_largest_is_small_choose_nothing() -> None:
    one, other = np.array([[0.9, 0.1], [0.2, 0.1], [0.3, 0.6]]), np.array([[0.1, 0.9], [0.1, 0.2], [0.3, 0.6]])
    assert Choice(1).same(one, other) == (1, 3)
    assert Choice(1, 0.25).same(one, other) == (1, 2)
    assert Choice(2).same(one, other) == (0, 0)
    assert Choice(1).same(np.zeros((0, 2)), np.zeros((0, 2))) == (0, 0)


# ------------------------------------------------------------------------------------------------- scores of pixels


def regions(classes: int = 3, side: int = 32) -> Array:
    """Scores of classes that are clear but at the borders of regions."""
    where = RNG.integers(classes, size=(side // 8, side // 8)).repeat(8, 0).repeat(8, 1)
    scores = 8 * np.eye(classes)[where] + RNG.normal(size=(side, side, classes))
    return np.moveaxis(scores, -1, 0)[None]


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_regions_of_classes_are_choices(classes: int) -> None:
    maps = regions(classes)
    assert chooses_for_pixels([maps], 1)
    assert chooses_for_pixels([np.moveaxis(maps, 1, 3)], 3)


def smooth(channels: int) -> Array:
    """A flow, say, or anything else without borders."""
    waves = [np.sin(np.linspace(0, 3 + k, 64) + RNG.uniform(0, 6)) for k in range(2 * channels)]
    return np.stack([np.outer(*waves[2 * k : 2 * k + 2]) for k in range(channels)])[None]


@pytest.mark.parametrize(
    "maps",
    [
        RNG.normal(size=(1, 3, 32, 32)),
        smooth(2),
        np.stack([np.full((32, 32), 5.0), RNG.normal(size=(32, 32)) / 9])[None],
        regions()[:, :1],
        np.full((1, 3, 8, 8), np.nan),
        np.zeros((1, 3, 0, 0)),
    ],
    ids=["noise", "a flow", "one class only", "one channel", "nan", "empty"],
)
def test_other_maps_are_no_choices(maps: Array) -> None:
    assert not chooses_for_pixels([maps], 1)


def test_maps_are_copied_one_at_a_time() -> None:
    maps = [regions(classes=20).astype(np.float32) for _ in range(100)]
    tracemalloc.start()
    assert chooses_for_pixels(maps, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < sum(each.nbytes for each in maps)


# ------------------------------------------------------------------------------------------------ features, or scores


def scores(count: int, classes: int) -> Array:
    rows = RNG.normal(size=(count, classes))
    rows[np.arange(count), RNG.integers(classes, size=count)] += 7
    return rows


@pytest.mark.parametrize("width", [64, 128, 512])
def test_features_differ_as_at_random(width: int) -> None:
    assert are_features([row[None] for row in RNG.normal(size=(16, width))])


def test_vectors_of_one_norm_are_features() -> None:
    rows = scores(8, 10)
    assert are_features([rows / np.linalg.norm(rows, axis=1, keepdims=True)])


@pytest.mark.parametrize("classes", [3, 10, 64, 512, 1000])
def test_clear_scores_are_none(classes: int) -> None:
    assert not are_features([scores(16, classes)])


def test_as_many_columns_as_no_width_of_features_are_classes_however_unclear() -> None:
    assert not are_features([RNG.normal(size=(16, 1000))])


def test_outputs_without_rows_are_no_scores() -> None:
    assert are_features([np.zeros((0, 10)), np.zeros((0, 10))])


def test_one_row_has_no_norm_to_compare() -> None:
    assert not are_features([scores(1, 10)])
