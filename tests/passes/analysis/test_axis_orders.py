"""Orders of axes: what Transposes do one after the other, and how much they copy."""

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.ir.ops import transpose_order
from irquant.passes.analysis.axis_orders import composed, inverse, is_same, moved_elements, permuted


@pytest.mark.parametrize("seed", range(10))
def test_orders_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, 3, 4, 5))
    first, second = (tuple(int(axis) for axis in rng.permutation(4)) for _ in range(2))
    turned = values.transpose(first)
    assert permuted(values.shape, first) == turned.shape
    np.testing.assert_array_equal(turned.transpose(inverse(first)), values)
    np.testing.assert_array_equal(turned.transpose(second), values.transpose(composed(first, second)))
    assert is_same(composed(first, inverse(first)))


@pytest.mark.parametrize(
    ("shape", "order", "moved"),
    [
        ((1, 8, 6, 5), (0, 2, 3, 1), 240),
        ((1, 8, 1, 1), (0, 2, 3, 1), 0),
        ((-1, 8, 1, 5), (0, 2, 1, 3), 0),
        ((-1, 8, 1, 5), (0, 3, 2, 1), 40),
        ((2, 0), (1, 0), 0),
    ],
)
def test_axes_of_size_1_move_without_a_copy(shape: tuple[int, ...], order: tuple[int, ...], moved: int) -> None:
    assert moved_elements(shape, order) == moved


def test_no_order_reverses_the_axes() -> None:
    graph = from_text(
        "x: f32[2,3,4] = Parameter()\nn: i64[0] = Const() []\ny: f32[4,3,2] = Transpose(x, n)\nr = Result(y)\n"
    )
    assert transpose_order(graph.node("y")) == (2, 1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "x: f32[2,3] = Parameter()\ny: f32[2,3] = ReLU(x)\nr = Result(y)\n",
        "x: f32[2,3] = Parameter()\nn: i64[2] = Parameter()\ny: f32[?,?] = Transpose(x, n)\nr = Result(y)\n",
    ],
    ids=["another operation", "an input"],
)
def test_an_order_may_be_unknown(text: str) -> None:
    assert transpose_order(from_text(text).node("y")) is None
