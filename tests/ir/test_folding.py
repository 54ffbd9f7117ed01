"""The value of a constant behind conversions and moves, and of nothing else."""

import numpy as np
import pytest

from irquant.ir import Builder, Graph, element_type, from_text
from irquant.ir.folding import folded

HEAD = """
x: f32[2,2] = Parameter()
h: f16[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
c: f32[2,2] = Convert(h) destination_type="f32"
order: i64[2] = Const() [1, 0]
four: i64[1] = Const() [4]
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('v: f32[2,2] = Convert(h) destination_type="f32"', [[1, 2], [3, 4]]),
        ("v: f32[2,2] = Transpose(c, order)", [[1, 3], [2, 4]]),
        ('v: f32[4] = Reshape(c, four) special_zero="false"', [1, 2, 3, 4]),
    ],
)
def test_conversions_and_moves_of_a_constant_have_a_value(line: str, expected: list[object]) -> None:
    value = folded(from_text(f"{HEAD}{line}\nr = Result(v)\n").node("v").output())
    assert value is not None
    assert value.dtype == np.float32
    assert value.tolist() == expected


def test_a_packed_constant_has_a_value_if_it_is_asked_for() -> None:
    graph = Graph()
    build = Builder(graph)
    packed = build.constant(np.array([3, 15], np.uint8), name="z", packed=element_type("u4"))
    converted = build.convert(packed, element_type("f32"), name="c")
    assert folded(converted) is None
    value = folded(converted, unpack=True)
    assert value is not None
    assert (value.dtype, value.tolist()) == (np.dtype(np.float32), [3.0, 15.0])


@pytest.mark.parametrize(
    "line",
    [
        "v: f32[2,2] = ReLU(c)",
        "v: f32[2,2] = Transpose(x, order)",
        'v: u4[2,2] = Convert(h) destination_type="u4"',  # numpy has no such type
    ],
)
def test_other_tensors_have_none(line: str) -> None:
    assert folded(from_text(f"{HEAD}{line}\nr = Result(v)\n").node("v").output()) is None
