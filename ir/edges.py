"""The edges of a graph, in a networkx MultiDiGraph; no other module imports networkx.

A node is the id of a layer. An edge is keyed by the index of the input port that it feeds, so an input has one driver
by construction.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

import networkx as nx

NEW = 1 << 62  # the rank of a new edge: behind all others

#: The id of a node and the index of one of its ports.
End = tuple[int, int]


class Edges:
    """The ids of a graph's nodes, and the edges between their ports."""

    def __init__(self) -> None:
        self._nx: nx.MultiDiGraph[int] = nx.MultiDiGraph()
        # The edges by port: a search among thousands of edges of a node would take time for each of them.
        self._sources: dict[End, End] = {}
        self._readers: dict[End, dict[End, None]] = {}

    def add_node(self, id_: int) -> None:
        """Adds a node without edges."""
        self._nx.add_node(id_)

    def remove_node(self, id_: int) -> None:
        """Removes a node that has no edges any more."""
        self._nx.remove_node(id_)

    def add(self, source: End, to: End, place: int) -> None:
        """Adds an edge to an input without one. `place` is its rank among the file's edges."""
        self._nx.add_edge(source[0], to[0], to[1], from_port=source[1], place=place)
        self._sources[to] = source
        self._readers.setdefault(source, {})[to] = None

    def remove(self, to: End) -> int:
        """Removes the edge to an input, and returns its rank among the file's edges."""
        source = self._sources.pop(to)
        place = cast(int, self._nx.edges[source[0], *to]["place"])
        self._nx.remove_edge(source[0], *to)
        del self._readers[source][to]
        return place

    def source_of(self, to: End) -> End | None:
        """The output that feeds an input; None if there is no edge."""
        return self._sources.get(to)

    def readers_of(self, source: End) -> Collection[End]:
        """The inputs that an output feeds, in no fixed order."""
        return self._readers.get(source, ())

    def ordered(self, position: Callable[[int], tuple[float, float]]) -> list[tuple[End, End]]:
        """All edges as (output, input): those of the file in its order, then new ones in the order of their readers."""
        found = sorted(
            self._nx.edges(keys=True, data=True), key=lambda edge: (edge[3]["place"], position(edge[1]), edge[2])
        )
        return [((edge[0], edge[3]["from_port"]), (edge[1], edge[2])) for edge in found]

    def topological(
        self, position: Callable[[int], tuple[float, float]], states: Iterable[tuple[int, int]]
    ) -> list[int]:
        """The ids in topological order, ties by position; `states` are further edges between nodes."""
        return list(nx.lexicographical_topological_sort(self._with(states), key=position))

    def cycle(self, position: Callable[[int], tuple[float, float]], states: Iterable[tuple[int, int]]) -> list[int]:
        """The ids of a cycle, empty if there is none."""
        joined = self._with(states)
        if all(position(source) < position(to) for source, to in joined.edges()):
            return []  # most files list layers in topological order
        if nx.is_directed_acyclic_graph(joined):
            return []
        return [edge[0] for edge in cast(Any, nx).find_cycle(joined)]

    def _with(self, states: Iterable[tuple[int, int]]) -> "nx.MultiDiGraph[int]":
        if not (pairs := [*states]):
            return self._nx
        joined = self._nx.copy()
        for source, to in pairs:
            joined.add_edge(source, to, "state")
        return joined

    def copy(self) -> "Edges":
        """Independent edges."""
        twin = Edges()
        twin._nx, twin._sources = self._nx.copy(), self._sources.copy()
        twin._readers = {output: inputs.copy() for output, inputs in self._readers.items()}
        return twin
