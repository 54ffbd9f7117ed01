"""Outputs that a second inference of the same sample gives otherwise."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array
from irquant.passes.runtime.warm_up import differ, is_random


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0001]), False),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0]), True),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), False),
        (np.array([np.nan, 2.0]), np.array([1.0, 2.0]), True),
        (np.zeros((1, 2)), np.zeros((2, 1)), True),
        (np.array(["one"]), np.array(["two"]), False),
        (np.array([1]), np.array([2]), False),
    ],
)
def test_only_numbers_that_differ_by_more_than_rounding_count(first: Array, second: Array, *, expected: bool) -> None:
    assert differ([first], [second]) is expected


def test_random_models_are_known() -> None:
    x = op.parameter([2], np.float32)
    drawn = op.random_uniform(op.constant([2]), op.constant(np.float32(0)), op.constant(np.float32(1)), "f32")
    assert is_random(ov.Model([op.result(op.add(x, drawn))], [x]))
    assert not is_random(ov.Model([op.result(op.relu(x))], [x]))
