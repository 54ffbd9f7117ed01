"""The operations that stand out are all found, and few groups are measured."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.passes.evaluation.standouts import heaviest


class Counted:
    """Measures groups whose errors are sums, and counts them."""

    def __init__(self, errors: Sequence[float]) -> None:
        self.of, self.runs = errors, 0

    def __call__(self, groups: Sequence[Sequence[int]]) -> list[float]:
        self.runs += len(groups)
        return [sum(self.of[each] for each in group) for group in groups]


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=200))
def test_all_that_make_so_much_of_the_error_are_found(errors: list[float]) -> None:
    total, found = heaviest(range(len(errors)), Counted(errors), 1000, 0.2)
    assert total == pytest.approx(sum(errors))
    clear = {index for index, each in enumerate(errors) if each > 0.201 * total}
    near = {index for index, each in enumerate(errors) if each > 0.199 * total}
    assert clear <= found.keys() <= near
    assert all(found[index] == errors[index] for index in found)


@pytest.mark.parametrize(("count", "runs"), [(1, 1), (2, 3), (64, 13), (1000, 21)])
def test_one_among_many_is_found_in_few_runs(count: int, runs: int) -> None:
    errors = [1e-6] * count
    errors[count // 3] = 1.0
    measure = Counted(errors)
    assert list(heaviest(range(count), measure, 1000, 0.2)[1]) == [count // 3]
    assert measure.runs <= runs


def test_where_all_are_alike_nothing_is_found_in_few_runs() -> None:
    measure = Counted([1.0] * 1000)
    assert heaviest(range(1000), measure, 1000, 0.2) == (1000.0, {})
    assert measure.runs <= 15


def test_no_error_at_all_is_nobody_s() -> None:
    assert heaviest([0, 1], Counted([0.0, 0.0]), 10, 0.2) == (0.0, {})
    assert heaviest([0], Counted([0.0]), 10, 0.2) == (0.0, {})


def test_no_more_groups_are_measured_than_allowed() -> None:
    measure = Counted([1.0] * 7 + [5.0] * 2)
    heaviest(range(9), measure, 4, 0.01)
    assert measure.runs == 3


def test_groups_whose_errors_are_not_sums_end_the_search_all_the_same() -> None:
    def falling(groups: Sequence[Sequence[int]]) -> list[float]:
        return [1.0 / len(group) for group in groups]

    assert len(heaviest(range(100), falling, 10_000, 0.2)[1]) == 100
