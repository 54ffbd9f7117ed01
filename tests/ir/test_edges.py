"""Edges by ids and ports: the order of nodes, cycles, and what a copy shares."""

from itertools import pairwise

from irquant.ir.edges import NEW, Edges


def position(id_: int) -> tuple[float, float]:
    return float(id_), 0.0


def chain(*ids: int) -> Edges:
    """Nodes of which each feeds the first input of the next."""
    edges = Edges()
    for id_ in ids:
        edges.add_node(id_)
    for place, (source, to) in enumerate(pairwise(ids)):
        edges.add((source, 0), (to, 0), place)
    return edges


def test_nodes_come_behind_what_feeds_them_and_else_by_position() -> None:
    edges = chain(5, 1)
    for id_ in (4, 0):
        edges.add_node(id_)
    assert edges.topological(position, ()) == [0, 4, 5, 1]


def test_a_state_is_read_before_it_is_written() -> None:
    edges = Edges()
    for id_ in (1, 2):
        edges.add_node(id_)
    assert edges.topological(position, [(2, 1)]) == [2, 1]
    assert edges.topological(position, ()) == [1, 2], "states are no edges of the graph"


def test_a_cycle_is_found_with_states_too() -> None:
    assert chain(1, 2, 3).cycle(position, ()) == []
    assert chain(3, 1).cycle(position, ()) == []
    assert sorted(chain(1, 2, 3).cycle(position, [(3, 1)])) == [1, 2, 3]


def test_an_input_is_fed_by_one_output_and_an_output_feeds_many() -> None:
    edges = chain(1, 2)
    edges.add_node(3)
    edges.add((1, 0), (3, 1), NEW)
    assert edges.source_of((2, 0)) == (1, 0)
    assert edges.source_of((3, 0)) is None
    assert [*edges.readers_of((1, 0))] == [(2, 0), (3, 1)]
    assert edges.remove((2, 0)) == 0
    assert edges.source_of((2, 0)) is None
    assert [*edges.readers_of((1, 0))] == [(3, 1)]


def test_edges_of_the_file_come_first_and_new_ones_by_their_readers() -> None:
    edges = chain(4, 3, 2)
    edges.add((2, 0), (1, 1), NEW)
    edges.add((2, 0), (1, 0), NEW)
    edges.add((4, 0), (0, 0), NEW)
    readers = [to for _, to in edges.ordered(position)]
    assert readers == [(3, 0), (2, 0), (0, 0), (1, 0), (1, 1)]


def test_a_copy_shares_nothing() -> None:
    edges = chain(1, 2)
    twin = edges.copy()
    twin.remove((2, 0))
    twin.remove_node(2)
    assert edges.source_of((2, 0)) == (1, 0)
    assert edges.topological(position, ()) == [1, 2]
