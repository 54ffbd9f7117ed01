"""Disjoint sets."""

from irquant.passes.analysis.disjoint_sets import DisjointSets


def test_sets_that_are_joined_have_one_root_that_of_the_first() -> None:
    sets = DisjointSets(range(6))
    sets.join([3, 1])
    sets.join([5, 4])
    assert [sets.root(each) for each in range(6)] == [0, 3, 2, 3, 5, 5]
    sets.join([1, 4, 1])
    sets.join([])
    assert [sets.root(each) for each in range(6)] == [0, 3, 2, 3, 3, 3]
