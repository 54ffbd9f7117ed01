"""Which samples are used: the first, or drawn ones; and data sets with a length and an index."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from irquant.passes import QuantizationConfig
from irquant.passes.calibration.subset import chosen_samples
from irquant.passes.runtime.samples import DataError


class DataSet:
    """As the published tool's DataLoader: a length and an index, and nothing else."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.asked = items, list[int]()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        return self.items[index]


def feeds(data: object, **options: Any) -> list[object]:
    return [sample.feed for sample in chosen_samples(data, QuantizationConfig.checked(**options))]


def test_the_first_samples_are_taken() -> None:
    assert feeds(range(10), samples=3) == [0, 1, 2]
    assert feeds(iter(range(4)), samples=9) == [0, 1, 2, 3]


def test_without_a_number_all_are_taken() -> None:
    assert QuantizationConfig().samples == 300
    assert len([*chosen_samples(range(1000), QuantizationConfig(samples=None))]) == 1000


@pytest.mark.parity
def test_drawn_samples_are_those_of_the_published_tool() -> None:
    """random.seed(5); random.sample(range(7), 3) gives 4, 2, 5."""
    assert feeds(list("abcdefg"), samples=3, shuffle=True, seed=5) == ["e", "c", "f"]
    data = DataSet([(index, None) for index in range(7)])
    assert feeds(data, samples=3, shuffle=True, seed=5) == [4, 2, 5]
    assert data.asked == [4, 2, 5]


def test_data_without_an_index_give_the_same_ones_in_their_own_order() -> None:
    class Again:
        def __iter__(self) -> Iterator[int]:
            return iter(range(7))

    assert feeds(Again(), samples=3, shuffle=True, seed=5) == [2, 4, 5]


def test_a_drawing_of_all_is_a_permutation() -> None:
    assert {*feeds(list(range(9)), samples=99, shuffle=True)} == {*range(9)}


@pytest.mark.better
def test_drawing_leaves_the_process_wide_generator_alone() -> None:
    random.seed(3)
    state = random.getstate()
    feeds(list(range(9)), samples=3, shuffle=True, seed=1)
    assert random.getstate() == state


def test_what_can_be_read_once_cannot_be_drawn_from() -> None:
    said = r"^samples cannot be drawn at random \(shuffle_data\) from a generator: give for example a list$"
    with pytest.raises(DataError, match=said):
        feeds((index for index in range(9)), samples=3, shuffle=True)


@pytest.mark.parametrize(
    "item",
    [
        ("data", "annotation"),
        ("data", "annotation", {"meta": 1}),
        (("id", "annotation"), "data"),
        (("id", "annotation"), "data", {"meta": 1}),
        "data",
    ],
)
def test_items_of_a_data_set_come_without_annotations(item: object) -> None:
    assert feeds(DataSet([item, item])) == ["data", "data"]


def test_tuples_of_other_data_are_the_models_inputs() -> None:
    pair = (np.zeros(1), np.ones(1))
    assert feeds([pair]) == [pair]


def test_an_empty_data_set_gives_nothing() -> None:
    assert feeds(DataSet([])) == []
