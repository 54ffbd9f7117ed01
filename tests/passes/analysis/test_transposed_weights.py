"""The runtime takes a square matrix for its transpose where products multiply it both ways, unless it is stored twice."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, Scope, from_text, verify
from irquant.passes import Context
from irquant.passes.analysis.constants import values_of
from irquant.passes.analysis.transposed_weights import shared_squares, turn
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
SIZE = 8
RNG = np.random.default_rng(0)
MATRIX, DATA = (RNG.normal(size=shape).astype(np.float32) for shape in ((SIZE, SIZE), (1, 4, SIZE)))


def both_ways(constants: int) -> ov.Model:
    """Products with a matrix, transposed and as it is; it is one constant, or two that are alike."""
    x = op.parameter(DATA.shape, np.float32, name="x")
    matrices = [op.constant(MATRIX.copy()) for _ in range(constants)]
    return ov.Model([op.matmul(x, matrices[0], False, True), op.matmul(x, matrices[-1], False, False)], [x], "m")


def outputs(model: ov.Model) -> list[Array]:
    found = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(DATA)
    return [found[number] for number in range(2)]


@pytest.mark.parametrize("constants", [1, 2])
def test_stored_twice_it_is_multiplied_rightly(constants: int) -> None:
    """Two constants that are alike have one place in a file. Once the first line fails, the runtime is mended."""
    graph = from_runtime(both_ways(constants))
    wanted = DATA @ MATRIX.T, DATA @ MATRIX
    assert not all(map(np.allclose, outputs(to_runtime(graph)), wanted))
    turn(shared_squares(graph), set())
    verify(graph)
    for found, right in zip(outputs(to_runtime(graph)), wanted, strict=True):
        np.testing.assert_allclose(found, right, atol=1e-5)


def computed_with(table: Any) -> Graph:
    """Products that read what is computed from constants and a matrix, "a" with it transposed, "b" with it as it is.

    A convolution keeps the runtime from folding all of it before it compiles.
    """
    kernel = np.eye(4, dtype=np.float32)[:, :, None]
    data, x = op.convolution(op.constant(DATA), op.constant(kernel), [1], [0], [0], [1]), op.parameter([1, 4, SIZE])
    products = [op.matmul(data, table, False, each) for each in (True, False)]
    readers = [op.matmul(x, each, True, False, name=name) for each, name in zip(products, "ab", strict=True)]
    return from_runtime(ov.Model(readers, [x], "m"))


def test_values_that_are_computed_with_it_are_right() -> None:
    graph = computed_with(op.constant(MATRIX))
    values = values_of([graph.node(name).source(1) for name in "ab"])
    for found, right in zip(values, (DATA @ MATRIX.T, DATA @ MATRIX), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_weights_that_are_computed_with_it_are_right(kind: Any) -> None:
    """What it is decompressed from is folded before anything is computed."""
    stored = MATRIX.astype(kind)
    graph, matrix = computed_with(op.convert(op.constant(stored), "f32")), stored.astype(np.float32)
    Normalize().run(graph, Context(load_target("cpu")))
    for name, right in zip("ab", (DATA @ matrix.T, DATA @ matrix), strict=True):
        np.testing.assert_allclose(graph.node(name).source(1).node.array, right[0], atol=1e-5)


SQUARES = """
    x: f32[1,2] = Parameter()
    c: f32[2,2] = Const() [1, 2, 3, 4]
    d: f32[2,2] = Const() [1, 2, 3, 4]
    y: f32[1,2] = MatMul(x, c) transpose_a="false" transpose_b="false"
    z: f32[1,2] = MatMul(x, d) transpose_a="false" transpose_b="true"
    ry = Result(y)
    rz = Result(z)
"""


def test_the_product_that_transposes_it_is_found() -> None:
    graph = from_text(SQUARES)
    assert shared_squares(graph) == [graph.node("z")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('transpose_b="true"', 'transpose_b="false"'),
        ('transpose_b="false"', 'transpose_b="true"'),
        ("d: f32[2,2] = Const() [1, 2, 3, 4]", "d: f32[2,2] = Const() [1, 2, 3, 5]"),
        ("d: f32[2,2] = Const() [1, 2, 3, 4]", "d: f32[2,2] = Const() [2, 2, 3, 4]"),
        ("d: f32[2,2] = Const() [1, 2, 3, 4]", "d: f32[1,2,2] = Const() [1, 2, 3, 4]"),
        ("c: f32[2,2] = Const() [1, 2, 3, 4]", "c: f32[2,2] = Parameter()"),
    ],
    ids=["multiplied as they are", "transposed by all", "other values", "another first row", "a stack", "data"],
)
def test_other_matrices_are_left_alone(old: str, new: str) -> None:
    assert shared_squares(from_text(SQUARES.replace(old, new))) == []


def test_matrices_that_are_not_square_are_left_alone() -> None:
    text = """
        x: f32[1,2] = Parameter()
        w: f32[1,3] = Parameter()
        c: f32[2,3] = Const() [1, 2, 3, 4, 5, 6]
        y: f32[1,3] = MatMul(x, c) transpose_a="false" transpose_b="false"
        z: f32[1,2] = MatMul(w, c) transpose_a="false" transpose_b="true"
        ry = Result(y)
        rz = Result(z)
    """
    assert shared_squares(from_text(text)) == []


def test_turned_twice_a_constant_is_as_it_was() -> None:
    graph, halves = from_text(SQUARES), set[tuple[Scope, int]]()
    for transposes, values in (("false", [[1, 3], [2, 4]]), ("true", [[1, 2], [3, 4]])):
        turn([graph.node("z")], halves)
        assert graph.node("z").attributes["transpose_b"] == transposes
        assert graph.node("z").source(1).node.array.tolist() == values
    assert (len(graph), halves) == (len(from_text(SQUARES)), set())


def test_an_empty_matrix_is_no_fault() -> None:
    graph = from_text("""
        x: f32[2,0] = Parameter()
        w: f32[0,0] = Const() []
        one: f32[2,0] = MatMul(x, w) transpose_a="false" transpose_b="false"
        two: f32[2,0] = MatMul(one, w) transpose_a="false" transpose_b="true"
        r = Result(two)
    """)
    assert [each.name for each in shared_squares(graph)] == ["two"]
