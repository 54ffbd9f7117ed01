"""Rows with the same index are the same rows, whatever their order."""

import numpy as np
import pytest

from irquant.passes.analysis.picked_by import PickedBy

ALONE, OF_ITEMS = PickedBy(1, 0), PickedBy(1, 1)


def test_rows_are_put_in_the_order_of_the_other_model() -> None:
    rows = np.array([[1.0, 2.0, 3.0]])
    assert ALONE.paired(np.array([8, 4, 6]), np.array([4, 6, 8]), rows, 1).tolist() == [[3, 1, 2]]


def test_a_row_that_is_picked_twice_is_there_twice() -> None:
    """As a box with two classes is."""
    rows = np.array([1.0, 2.0, 3.0])
    assert ALONE.paired(np.array([4, 4, 6]), np.array([4, 6, 4]), rows, 0).tolist() == [1, 3, 2]
    assert [each.tolist() for each in ALONE.common([np.array([4, 4]), np.array([5, 4])], [rows[:2], rows[1:]], 0)] == [
        [1],
        [3],
    ]


def test_indices_of_several_numbers_are_compared_together() -> None:
    wanted, given = np.array([[0, 1], [2, 0]]), np.array([[2, 0], [0, 1]])
    assert ALONE.paired(wanted, given, np.array([1.0, 2.0]), 0).tolist() == [2, 1]


def test_items_of_a_batch_have_their_own_order() -> None:
    wanted, given = np.array([[1, 2], [1, 2]]), np.array([[2, 1], [1, 3]])
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert OF_ITEMS.paired(wanted, given, rows, 1).tolist() == [[2, 1], [3, 4]]
    assert [each.tolist() for each in OF_ITEMS.common([wanted, given], [rows, rows], 1)] == [[1, 2, 3], [2, 1, 3]]


@pytest.mark.parametrize("rows", [np.ones((2, 3)), np.ones((3, 2)), np.ones(2)], ids=["rows", "items", "axes"])
def test_other_rows_than_indices_stay_as_they_are(rows: np.ndarray) -> None:
    indices = np.array([[1, 2], [1, 2]])
    assert not OF_ITEMS.numbers(rows, 1, indices)
    assert OF_ITEMS.paired(indices, indices[:, ::-1], rows, 1) is rows


def test_nothing_may_be_picked() -> None:
    rows, indices = np.zeros((0, 4)), np.zeros((0, 2), np.int64)
    assert ALONE.paired(indices, indices, rows, 0).shape == (0, 4)
    assert [each.size for each in ALONE.common([indices, indices], [rows, rows], 0)] == [0, 0]
