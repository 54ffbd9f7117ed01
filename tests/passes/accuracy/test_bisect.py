"""How few of a ranked list are enough: on made-up answers."""

from collections.abc import Callable, Sequence

import pytest

from irquant.passes.accuracy.bisect import fewest, named, predicted
from irquant.passes.accuracy.control import PUT_BACK, without_needless
from irquant.passes.evaluation.sensitivity import Effect


def counting(enough: Callable[[int], bool], budget: int = 100) -> tuple[list[int], Callable[[int], bool | None]]:
    """Answers, and what was asked."""
    asked: list[int] = []

    def is_enough(count: int) -> bool | None:
        if len(asked) == budget:
            return None
        asked.append(count)
        return enough(count)

    return asked, is_enough


def effects(*shares: float) -> list[Effect]:
    return [Effect((), index, f"layer {index}", "MatMul", 20.0, (), share) for index, share in enumerate(shares)]


@pytest.mark.parametrize("first", [1, 5, 17, 40])
@pytest.mark.parametrize("needed", [1, 2, 7, 16, 39, 40])
def test_the_smallest_number_is_found_from_any_guess(needed: int, first: int) -> None:
    asked, is_enough = counting(lambda count: count >= needed)
    assert fewest(40, first, is_enough) == needed
    assert len(asked) == len(set(asked)) <= 12
    assert 0 not in asked


def test_what_is_never_enough_is_told_after_trying_all() -> None:
    asked, is_enough = counting(lambda _: False)
    assert fewest(40, 3, is_enough) is None
    assert asked == [3, 6, 12, 24, 40]


def test_an_empty_list_asks_nothing() -> None:
    asked, is_enough = counting(lambda _: True)
    assert fewest(0, 0, is_enough) is None
    assert asked == []


def test_where_more_can_be_worse_the_answer_was_still_enough() -> None:
    good = {3, 4, 11, 12, 13, 30}
    for first in range(1, 41):
        asked, is_enough = counting(lambda count: count in good)
        found = fewest(40, first, is_enough)
        assert found is None or (found in good and found in asked)


def test_without_budget_the_best_so_far_counts() -> None:
    asked, is_enough = counting(lambda count: count >= 5, budget=2)
    assert fewest(40, 4, is_enough) == 8
    assert asked == [4, 8]
    assert fewest(40, 4, counting(lambda count: count >= 5, budget=0)[1]) is None


@pytest.mark.parametrize("needed", [1, 5, 8, 27, 90])
def test_a_tolerance_saves_trials_where_numbers_are_large(needed: int) -> None:
    (exact, one), (fewer, other) = (counting(lambda count: count >= needed) for _ in range(2))
    assert fewest(100, 12, one) == needed
    assert needed <= (fewest(100, 12, other, 1 / 8) or 0) <= needed * 8 / 7 + 1
    assert len(fewer) <= len(exact) - (needed > 10)


def test_several_metrics_need_what_the_most_demanding_one_needs() -> None:
    _, is_enough = counting(lambda count: count >= 4 and count >= 9 and count >= 2)
    assert fewest(20, 1, is_enough) == 9


def test_the_guess_leaves_less_error_than_is_allowed() -> None:
    assert predicted(effects(0.5, 0.3, 0.15, 0.05), 0.7) == 1
    assert predicted(effects(0.5, 0.3, 0.15, 0.05), 0.6) == 2
    assert predicted(effects(0.5, 0.3, 0.15, 0.05), 0.1) == 3
    assert predicted(effects(0.5, 0.3, 0.15, 0.05), 0.0) == 4
    assert predicted(effects(0.5, 0.5), 1.5) == 1
    assert predicted([], 0.5) == 0


def needing(*names: str) -> Callable[[Sequence[Effect]], bool]:
    return lambda kept: set(names) <= {each.name for each in kept}


def test_operations_that_are_not_needed_are_put_back() -> None:
    found = without_needless(effects(0.4, 0.3, 0.2, 0.1), needing("layer 0", "layer 3"))
    assert [each.name for each in found] == ["layer 0", "layer 3"]


def test_nothing_is_put_back_where_all_are_needed() -> None:
    assert len(without_needless(effects(0.4, 0.3, 0.2), lambda kept: len(kept) == 3)) == 3


def test_one_operation_alone_is_not_tried_again() -> None:
    assert len(without_needless(effects(1.0), lambda _: pytest.fail("there is nothing to try"))) == 1


def test_only_the_cheapest_are_tried_and_the_last_never() -> None:
    asked: list[set[str]] = []

    def is_enough(kept: Sequence[Effect]) -> bool:
        asked.append({each.name for each in kept})
        return False

    without_needless(effects(*[0.05] * 20), is_enough)
    assert len(asked) == PUT_BACK
    assert all("layer 19" in kept for kept in asked)
    assert all("layer 0" in kept for kept in asked)


def test_without_budget_nothing_more_is_put_back() -> None:
    answers = iter([True, None])
    assert len(without_needless(effects(0.4, 0.3, 0.2, 0.1), lambda _: next(answers))) == 3


def test_operations_that_are_no_layers_are_told_apart_since_counts_of_layers_leave_them_out() -> None:
    found = [effect(number, "Add" if number in (1, 4) else "Convolution", 0.2) for number in range(5)]
    assert named(found[:1]) == "float: 'l0'"
    assert named(found) == "float: 'l0', 'l1', 'l2' and 2 more (2 of them not counted as layers: Add)"
    assert named([]) == "nothing"


def test_a_small_share_is_not_called_nothing() -> None:
    assert effect(0, "Add", 0.004).reason == "rounding it causes less than 1% of the outputs' error (9.0 dB of its own)"
    assert effect(0, "Add", 0.014).reason == "rounding it causes 1% of the outputs' error (9.0 dB of its own)"


def effect(number: int, kind: str, share: float) -> Effect:
    return Effect((), number, f"l{number}", kind, 9.0, (), share)
