"""Nodes above which the runtime's int8 transformations would follow too many paths.

To find out whether data are constant, the runtime walks upwards path by path, level by level, to the nearest operation
that cannot be constant (`isConstantPath` in OpenVINO's low precision transformations, `network_helper.cpp`). A tensor
that is added to itself doubles the number of paths; behind 60 such sums, compilation does not end. Recurrences that an
exporter wrote out step by step, as in linear attention, are like that.
"""

from collections import Counter
from collections.abc import Callable, Collection

from ...ir import Graph, Node
from .constants import constant_nodes

#: The walk ends at these, which are never constant.
_ENDS = frozenset({"Parameter", "ReadValue", "Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"})
#: The most paths that are followed: they take the runtime about half a second a layer.
MOST_PATHS = 1 << 13


def behind_many_paths(graph: Graph, is_asked: Callable[[Node], bool]) -> list[Node]:
    """The nodes with an input above which the runtime would follow more than `MOST_PATHS` paths.

    Args:
        graph: The graph.
        is_asked: The nodes to look at: all others may be behind as many paths as they like.
    """
    constant = constant_nodes(graph)  # the runtime has folded them, with the shapes that they read
    bounds: dict[Node, int] = {}
    for node in graph.nodes():
        is_end = node.type in _ENDS or node in constant
        above = 0 if is_end else sum(bounds[source] for source in _sources(node))
        bounds[node] = min(1 + above, MOST_PATHS + 1)
    if max(bounds.values(), default=0) <= MOST_PATHS:
        return []
    asked = [node for node in bounds if is_asked(node)]
    suspects = {source for node in asked for source in _sources(node) if bounds[source] > MOST_PATHS}
    many = {source for source in suspects if _followed(source, constant) > MOST_PATHS}
    return [node for node in asked if not many.isdisjoint(_sources(node))]


def _sources(node: Node) -> list[Node]:
    return [port.source.node for port in node.inputs]


def _followed(node: Node, constant: Collection[Node]) -> int:
    """The number of paths from a node to the first level with an end, or a number above the most."""
    level, count = Counter([node]), 1
    while level and count <= MOST_PATHS and not any(each.type in _ENDS for each in level):
        above = Counter[Node]()
        for each, paths in level.items():
            for source in () if each in constant else _sources(each):
                above[source] += paths
        level, count = above, count + above.total()
    return count
