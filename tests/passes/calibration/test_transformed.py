"""The user's function for each item of the data."""

import operator
from typing import Any

import pytest

from irquant.passes import QuantizationConfig
from irquant.passes.calibration.subset import chosen_samples
from irquant.passes.calibration.transformed import Transformed
from irquant.passes.runtime.samples import DataError


class DataSet:
    """A length and an index, and nothing else."""

    batch_size = 4

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[int, str]:
        return index, "label"


def first(item: Any) -> int:
    return int(item[0])


@pytest.mark.parametrize("data", [DataSet(), [(0, "a"), (1, "b"), (2, "c")], iter([(0,), (1,), (2,)])])
def test_each_item_becomes_a_sample(data: object) -> None:
    made = Transformed(data, first)
    assert operator.length_hint(made) == 3
    assert [each.feed for each in chosen_samples(made, QuantizationConfig())] == [0, 1, 2]


def test_a_loader_still_says_how_many_samples_an_item_holds() -> None:
    assert Transformed(DataSet(), first).batch_size == 4
    assert Transformed([], first).batch_size is None


def test_a_function_that_fails_is_named_with_its_sample() -> None:
    with pytest.raises(DataError) as caught:
        list(Transformed([(0,), ()], first))
    assert str(caught.value) == "sample 1: transform raised IndexError: tuple index out of range"


def test_items_of_data_with_an_index_are_made_in_any_order() -> None:
    made = Transformed(DataSet(), first)
    assert made.count_parts() == 3
    found = [(each.label, each.feed) for part in made.parts_in([2, 0]) for each in part]
    assert found == [("sample 2", 2), ("sample 0", 0)]


@pytest.mark.parametrize("data", [iter([(0,), (1,)]), "photos"])
def test_items_of_other_data_are_made_in_their_order(data: object) -> None:
    assert Transformed(data, first).count_parts() == 0
