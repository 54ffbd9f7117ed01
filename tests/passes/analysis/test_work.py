"""How much work a layer is: against loops that count, and against what is known of devices."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Node
from irquant.passes.analysis.work import SLOWDOWN, multiply_accumulates, sizes_are_known, time_in_float, work
from irquant.passes.runtime.convert import from_runtime

ONE, NONE = [1, 1], [0, 0]


def layer(result: ov.Node, *inputs: ov.Node) -> Node:
    graph = from_runtime(ov.Model([op.result(result)], list(inputs), "m"))
    return next(node for node in graph.nodes() if node.name == "y")


def zeros(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.zeros(shape, np.float32)


def image(*shape: int) -> ov.Node:
    return op.parameter(list(shape), np.float32)


def test_each_place_of_the_output_of_a_convolution_meets_all_weights() -> None:
    x = image(2, 3, 8, 8)
    y = op.convolution(x, zeros(5, 3, 3, 3), [2, 2], ONE, ONE, ONE, name="y")
    assert multiply_accumulates(layer(y, x)) == 2 * 4 * 4 * 5 * 3 * 3 * 3


def test_groups_make_it_less() -> None:
    x = image(1, 6, 8, 8)
    y = op.group_convolution(x, zeros(6, 1, 1, 3, 3), ONE, ONE, ONE, ONE, name="y")
    assert multiply_accumulates(layer(y, x)) == 8 * 8 * 6 * 3 * 3


def test_of_a_transposed_convolution_each_place_of_the_input_does() -> None:
    x = image(1, 3, 4, 4)
    y = op.convolution_backprop_data(x, zeros(3, 5, 2, 2), [2, 2], name="y")
    assert multiply_accumulates(layer(y, x)) == 4 * 4 * 3 * 5 * 2 * 2


@pytest.mark.parametrize(("first", "is_transposed"), [((2, 7, 3), False), ((2, 3, 7), True)])
def test_each_element_of_a_product_meets_a_row_and_a_column(first: tuple[int, ...], *, is_transposed: bool) -> None:
    x = image(*first)
    y = op.matmul(x, zeros(3, 4), is_transposed, False, name="y")
    assert multiply_accumulates(layer(y, x)) == 2 * 7 * 4 * 3


def test_a_product_of_vectors_is_one_row() -> None:
    x = image(3)
    assert multiply_accumulates(layer(op.matmul(x, zeros(3, 4), False, False, name="y"), x)) == 3 * 4


def test_what_is_not_known_counts_as_one() -> None:
    x = image(-1, 3, -1, 8)
    y = op.convolution(x, zeros(5, 3, 1, 1), ONE, NONE, NONE, ONE, name="y")
    assert multiply_accumulates(layer(y, x)) == 8 * 5 * 3


def test_an_addition_multiplies_nothing_but_moves_three_tensors() -> None:
    x = image(1, 3, 4, 4)
    node = layer(op.add(x, x, name="y"), x)
    assert (multiply_accumulates(node), work(node)) == (0, 3 * 48)


def test_a_layer_alone_takes_three_times_its_time_more_in_float() -> None:
    x = image(1, 3, 8, 8)
    node = layer(op.convolution(x, zeros(5, 3, 3, 3), ONE, ONE, ONE, ONE, name="y"), x)
    assert time_in_float(node.graph, [node]) == {node: SLOWDOWN - 1}


def test_layers_that_are_float_already_make_the_others_matter_less() -> None:
    x = image(1, 4, 8, 8)
    first = op.convolution(x, zeros(4, 4, 3, 3), ONE, ONE, ONE, ONE, name="first")
    second = op.convolution(first, zeros(4, 4, 3, 3), ONE, ONE, ONE, ONE, name="y")
    node = layer(second, x)
    assert time_in_float(node.graph, [node])[node] == pytest.approx((SLOWDOWN - 1) / (1 + SLOWDOWN))


@pytest.mark.parametrize(("shape", "is_known"), [((-1, 3, 8, 8), True), ((1, 3, -1, 8), False), ((1, 3, 8, 8), True)])
def test_only_the_batch_may_be_unknown(shape: tuple[int, ...], *, is_known: bool) -> None:
    x = image(*shape)
    node = layer(op.convolution(x, zeros(5, 3, 1, 1), ONE, NONE, NONE, ONE, name="y"), x)
    assert sizes_are_known([node]) is is_known
