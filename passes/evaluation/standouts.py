"""Finds the few operations whose rounding causes most of the outputs' error, in few inferences.

Errors of different operations hardly correlate, so that the error of a group is about the sum of its members' errors.
A group whose error is small holds no operation that stands out, and is measured once instead of one by one. This is
group testing by halving (Dorfman, "The Detection of Defective Members of Large Populations", 1943; Hwang, "A Method for
Detecting All Defective Members in a Population by Group Testing", 1972): k operations of n take O(k log n) runs.
"""

from collections.abc import Callable, Sequence

from ...ir import Graph
from ..analysis.agreement import Agreement
from ..infra.base import Context
from ..runtime.samples import ValidationSample
from .sensitivity import Effect, GatedModel, effect_of, error_of, ranked


def standouts(
    graph: Graph, context: Context, samples: Sequence[ValidationSample], runs: int, least: float
) -> list[Effect]:
    """The operations that cause at least a given share of the error, the most sensitive first.

    Args:
        graph: A model with FakeQuantizes that have their ranges; stays unchanged.
        context: The context with its plan and outputs.
        samples: The samples to run it on.
        runs: The most groups to measure.
        least: The least share of the error of all operations together, from 0 to 1.

    Returns:
        Their effects if nothing else is rounded. Some are missing if the search ended early for lack of runs.
    """
    if (model := GatedModel.of(graph, context, samples, with_own=False)) is None:
        return []
    outputs: dict[int, tuple[Agreement, ...]] = {}

    def errors(groups: Sequence[Sequence[int]]) -> list[float]:
        found = model.agreements(groups)
        outputs.update((group[0], each) for group, each in zip(groups, found, strict=True) if len(group) == 1)
        return [error_of(each) for each in found]

    total, shares = heaviest(range(len(model.operations)), errors, runs, least)
    found = [effect_of(model, index, context, outputs[index], error / total) for index, error in shares.items()]
    return ranked(found)


def heaviest(
    order: Sequence[int], errors: Callable[[Sequence[Sequence[int]]], Sequence[float]], runs: int, least: float
) -> tuple[float, dict[int, float]]:
    """The members of a set that cause at least a given share of its error.

    Args:
        order: The members.
        errors: Measures the error of each of several groups.
        runs: The most groups to measure.
        least: The least share of the whole set's error.

    Returns:
        The error of the whole set, and the errors of the found members by member.
    """
    (total,) = errors([order])
    waiting, found, runs = [(total, order)], dict[int, float](), runs - 1
    if len(order) == 1:
        return total, {order[0]: total} if total else {}
    while waiting and runs >= 2:
        error, group = max(waiting, key=lambda each: each[0])
        if not error or error < least * total:
            break
        waiting.remove((error, group))
        halves = [group[: len(group) // 2], group[len(group) // 2 :]]
        for half, part in zip(halves, errors(halves), strict=True):
            if len(half) > 1:
                waiting.append((part, half))
            elif part >= least * total:
                found[half[0]] = part
        runs -= 2
    return total, found
