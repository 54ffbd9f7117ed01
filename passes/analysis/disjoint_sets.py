"""Disjoint sets that are joined step by step."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class DisjointSets(Generic[T]):
    """A partition of elements (Tarjan 1975); at first, each is a set by itself.

    The roots follow from the order of the joins. Those of networkx's UnionFind also follow from the order of a Python
    set, which may differ from run to run, and results have to be the same bytes.

    Args:
        elements: The elements.
    """

    def __init__(self, elements: Iterable[T]) -> None:
        self._above = {each: each for each in elements}

    def root(self, element: T) -> T:
        """The element that stands for the set of an element."""
        while (above := self._above[element]) != element:
            self._above[element] = self._above[above]
            element = above
        return element

    def join(self, elements: Iterable[T]) -> None:
        """Makes one set of the sets of some elements; the root of the first stays one."""
        roots = [self.root(each) for each in elements]
        for each in roots[1:]:
            self._above[self.root(each)] = self.root(roots[0])
