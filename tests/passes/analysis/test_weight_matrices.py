"""The constant matrices of a model: which layers read them, and in which orientation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.weight_matrices import at_the_ends, other_weights, weight_matrices
from tests.passes.weight_only_models import language_model, of_convolutions, of_odd_products, weights

Read = Callable[[ov.Model], Graph]


def products(graph: Graph) -> list[tuple[list[str], bool, int, int]]:
    return [
        ([layer.name for layer in each.layers], each.is_turned, each.rows, each.columns)
        for each in weight_matrices(graph)
    ]


def test_each_matrix_has_its_layers_and_rows(graph_of: Read) -> None:
    assert products(graph_of(language_model(layers=1))) == [
        (["embedding"], False, 50, 64),
        (["up0"], True, 256, 64),
        (["down0"], False, 64, 256),
        (["classifier"], False, 50, 64),
    ]


def test_rows_are_the_weights_of_an_output_in_either_orientation(graph_of: Read) -> None:
    found = {each.name: each.values() for each in weight_matrices(graph_of(language_model(layers=1)))}
    np.testing.assert_array_equal(found["up0"], weights(1, 64, 256).T)
    np.testing.assert_array_equal(found["down0"], weights(2, 64, 256))
    assert all(each.dtype == np.float32 and each.flags.c_contiguous for each in found.values())


def test_halves_are_converted(graph_of: Read) -> None:
    first = weight_matrices(graph_of(language_model(dtype=np.float16)))[0]
    np.testing.assert_array_equal(first.values(), weights(0, 50, 64).astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_tied_table_is_one_matrix(graph_of: Read, dtype: Any) -> None:
    found = products(graph_of(language_model(tied=True, dtype=dtype, layers=1)))
    assert found[0] == (["embedding", "classifier"], False, 50, 64)
    assert len(found) == 3


def test_a_matrix_read_in_two_orientations_is_two(graph_of: Read) -> None:
    x, matrix = op.parameter([2, 16], np.float32), op.constant(weights(0, 16, 16))
    one = op.matmul(x, matrix, False, True, name="as it is")
    other = op.matmul(one, matrix, False, False, name="turned")
    found = products(graph_of(ov.Model([op.result(other)], [x])))
    assert found == [(["as it is"], False, 16, 16), (["turned"], True, 16, 16)]


def test_moves_of_constants_belong_to_the_matrix(graph_of: Read) -> None:
    x, stored = op.parameter([2, 16], np.float32), op.constant(weights(0, 8, 4, 8))
    matrix = op.transpose(op.reshape(stored, np.array([16, 16]), False), np.array([1, 0]))
    (found,) = weight_matrices(graph_of(ov.Model([op.result(op.matmul(x, matrix, False, False))], [x])))
    np.testing.assert_array_equal(found.values(), weights(0, 8, 4, 8).reshape(16, 16))


@pytest.mark.parametrize(
    ("model", "names"), [(of_convolutions, {"conv"}), (of_odd_products, {"stack", "first"}), (language_model, set())]
)
def test_other_constant_weights_are_listed_apart(
    graph_of: Read, model: Callable[[], ov.Model], names: set[str]
) -> None:
    assert {port.node.name for port in other_weights(graph_of(model()))} == names


@pytest.mark.parametrize("indices", ["constant", "second axis", "activations"])
def test_what_is_no_embedding_is_no_matrix(graph_of: Read, indices: str) -> None:
    x = op.parameter([4, 16], np.float32, name="x")
    rows = op.parameter([3], np.int64, name="rows")
    table: Any = x if indices == "activations" else op.constant(weights(0, 4, 16))
    where: Any = op.constant([0, 1, 2]) if indices == "constant" else rows
    found = op.gather(table, where, op.constant(1 if indices == "second axis" else 0))
    assert weight_matrices(graph_of(ov.Model([op.result(found), op.result(op.relu(x))], [x, rows]))) == []


def test_a_product_of_activations_is_none(graph_of: Read) -> None:
    x = op.parameter([16, 16], np.float32)
    graph = graph_of(ov.Model([op.result(op.matmul(x, op.relu(x), False, True))], [x]))
    assert weight_matrices(graph) == []
    assert other_weights(graph) == []


def test_the_ends_are_what_nothing_is_in_front_of_or_behind(graph_of: Read) -> None:
    graph = graph_of(language_model(layers=2))
    layers = {layer for each in weight_matrices(graph) for layer in each.layers}
    assert {each.name for each in at_the_ends(graph, layers)} == {"embedding", "classifier"}
    assert at_the_ends(graph, {graph.node("up0")}) == {graph.node("up0")}
    assert at_the_ends(graph, set()) == set()
