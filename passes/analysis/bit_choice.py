"""Chooses which weights have 4 bits and which have 8, by what 4 bits cost each layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """Weights that may have 4 bits.

    Attributes:
        name: The name of their first layer.
        elements: Their number.
        error: What 4 bits cost: the squared error of the layer's outputs (or weights) as a share of their power.
        saved: The bytes that 4 bits save.
    """

    name: str
    elements: int
    error: float
    saved: int


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates in the order in which they get 4 bits: the least error for a saved byte first.

    This is the greedy order of the knapsack problem (Dantzig 1957, "Discrete-variable extremum problems").
    """
    return sorted(candidates, key=lambda each: (each.error / max(each.saved, 1), each.name))


def by_share(candidates: Sequence[Candidate], ratio: float) -> frozenset[str]:
    """The layers that have 8 bits if the others hold at most that share of the weights."""
    allowed = ratio * sum(each.elements for each in candidates)
    eight = set[str]()
    for each in in_order(candidates):
        if each.elements > allowed * (1 + 1e-9):
            eight.add(each.name)
        else:
            allowed -= each.elements
    return frozenset(eight)


def by_size(candidates: Sequence[Candidate], excess: int) -> frozenset[str] | None:
    """The layers that have 8 bits if the others save at least `excess` bytes; None: they cannot."""
    order = in_order(candidates)
    count, left = 0, excess
    while left > 0 and count < len(order):
        left -= order[count].saved
        count += 1
    return None if left > 0 else frozenset(each.name for each in order[count:])


def by_trial(candidates: Sequence[Candidate], is_enough: Callable[[frozenset[str]], bool]) -> frozenset[str] | None:
    """The fewest layers in 8 bits, from the end of the order, with which a trial is good enough.

    The search halves the possible numbers: it assumes that more layers in 8 bits are never worse.

    Args:
        candidates: The weights that may have 4 bits.
        is_enough: Tries a set of layers in 8 bits.

    Returns:
        The layers in 8 bits; None: not even all of them are enough.
    """
    order = in_order(candidates)
    low, high = 0, len(order)  # the numbers of layers in 4 bits
    if not is_enough(frozenset(each.name for each in order)):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if is_enough(frozenset(each.name for each in order[middle:])):
            low = middle
        else:
            high = middle - 1
    return frozenset(each.name for each in order[low:])
