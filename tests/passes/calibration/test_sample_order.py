"""Samples come from all over the data, and the held-out ones do not depend on where a measurement ends."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from irquant.passes.calibration.sample_order import Spread, held_out_samples, is_held_out, some_samples
from irquant.passes.runtime.samples import Sample


def read(data: object, numbers: Iterable[int], most: int = 300) -> list[object]:
    spread = Spread.of(data, most)
    assert spread
    return [each.feed for each in spread.samples(numbers)]


def spread_of(data: object, most: int = 300) -> Spread:
    found = Spread.of(data, most)
    assert found
    return found


@pytest.mark.parametrize("count", [100, 300, 5000])
@pytest.mark.parametrize("first", [32, 64])
def test_the_first_samples_of_sorted_data_are_of_all_kinds(count: int, first: int) -> None:
    kinds = [10 * index // count for index in range(count)]
    counts = Counter(read(kinds, spread_of(kinds).measured[:first]))
    assert len(counts) == 10
    assert max(counts.values()) - min(counts.values()) <= 3


@pytest.mark.parametrize("period", [2, 3, 7, 10])
def test_so_are_they_if_the_kinds_take_turns(period: int) -> None:
    kinds = [index % period for index in range(300)]
    counts = Counter(read(kinds, spread_of(kinds).measured[:64]))
    assert len(counts) == period
    assert max(counts.values()) - min(counts.values()) <= 4


@pytest.mark.parametrize("kind_of", [lambda index: index // 32, lambda index: index % 10])
def test_some_samples_are_of_all_kinds_whether_data_are_sorted_or_kinds_take_turns(
    kind_of: Callable[[int], int],
) -> None:
    data = [Sample(f"s{index}", kind_of(index)) for index in range(320)]
    samples, is_spread = some_samples(data, 32)
    counts = Counter(each.feed for each in samples)
    assert is_spread
    assert sum(counts.values()) == 32
    assert len(counts) == 10
    assert max(counts.values()) - min(counts.values()) <= 4


def test_data_that_have_an_order_of_their_own_give_their_first_samples() -> None:
    samples, is_spread = some_samples((Sample("s", index) for index in range(320)), 32)
    assert [each.feed for each in samples] == [*range(32)]
    assert not is_spread


def test_each_sample_is_measured_or_held_out() -> None:
    spread = spread_of(range(200))
    assert sorted([*spread.measured, *spread.held_out]) == [*range(200)]
    assert spread.held_out == [index for index in range(200) if is_held_out(index)]
    assert spread.measured[0] == 0


def test_parts_of_many_are_at_even_distances() -> None:
    assert spread_of(range(1000), 4).places == (0, 250, 500, 750)
    assert spread_of(range(3), 4).places == (0, 1, 2)


def test_labels_have_the_numbers_in_the_data() -> None:
    assert [each.label for each in spread_of([*"abcdefgh"], 4).samples([3, 1])] == ["sample 6", "sample 2"]


class DataSet:
    """A length and an index; items with annotations."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[int, str]:
        return index, "annotation"


def test_data_with_an_index_have_parts() -> None:
    assert read(DataSet(), [5, 2]) == [5, 2]
    rows: Any = read(np.arange(6).reshape(3, 2), [2, 0])
    assert [row.tolist() for row in rows] == [[4, 5], [0, 1]]


class Stream(DataSet):
    """Has an index only by inheritance, as streams of torch do."""

    def __getitem__(self, index: int) -> tuple[int, str]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(range(8))


@pytest.mark.parametrize("data", [(index for index in range(9)), Stream(), [], None, "photos", {"x": 1}])
def test_other_data_have_none(data: object) -> None:
    assert Spread.of(data, 300) is None


def test_held_out_samples_are_those_of_a_calibration() -> None:
    samples = [Sample(f"{index}", index) for index in range(1000)]

    def one_by_one() -> Iterator[Sample]:
        yield from samples

    assert [each.feed for each in held_out_samples(samples, 300)] == [
        index for index in range(300) if is_held_out(index)
    ]
    assert [each.feed for each in held_out_samples(one_by_one(), None)] == [
        index for index in range(300) if is_held_out(index)
    ]
    spread = spread_of(samples)
    assert [each.feed for each in held_out_samples(samples, None)] == [spread.places[each] for each in spread.held_out]
