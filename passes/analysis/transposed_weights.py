"""Constant matrices that products multiply transposed, and how they are stored the other way round.

The CPU plugin transposes a matrix while it packs it for a product, and keeps what is packed by the address and the size
of the matrix: a square one that one product multiplies as it is and another one transposed is packed once, and one of
the two gets it the wrong way round, in float and in int8. (OpenVINO 2026.4; the tests tell when it is mended.)
"""

from collections.abc import Iterable

import numpy as np

from ...ir import Graph, Node, Scope
from ...ir.ops import WEIGHTS_PORT, flag


def shared_squares(graph: Graph) -> list[Node]:
    """The products of a graph, not of its bodies, that transpose a square matrix which others multiply as it is.

    Constants of the same values share their bytes in a file, hence their address.
    """
    products = [node for node in graph.nodes("MatMul") if _multiplies_square(node)]
    as_they_are: dict[bytes, list[Node]] = {}  # found by their first rows, which are quickly read
    for product in products:
        if not flag(product, "transpose_b"):
            as_they_are.setdefault(_first_row(_matrix(product)), []).append(_matrix(product))
    transposed = [product for product in products if flag(product, "transpose_b")]
    return [each for each in transposed if _is_among(_matrix(each), as_they_are.get(_first_row(_matrix(each)), []))]


def turn(products: Iterable[Node], halves: set[tuple[Scope, int]]) -> None:
    """Exchanges the last two axes of what products multiply; they transpose it if they did not, and conversely.

    Args:
        products: MatMuls of one graph with a constant second operand; those that share one share what replaces it.
        halves: Constants, by body and id, that had 16 bits before; what replaces such a one is added.
    """
    turned: dict[Node, Node] = {}
    for product in products:
        old, graph = _matrix(product), product.graph
        if old not in turned:
            values = np.ascontiguousarray(np.swapaxes(old.array, -1, -2))
            turned[old] = graph.add_constant(f"{product.name}/turned", values, near=product)
            halves |= {(graph.scope, turned[old].id)} if (graph.scope, old.id) in halves else set()
        product.input(WEIGHTS_PORT).connect(turned[old].output())
        product.set_attribute("transpose_b", "false" if flag(product, "transpose_b") else "true")
    for old in turned:
        old.graph.prune(old)


def _multiplies_square(product: Node) -> bool:
    weights = product.source(WEIGHTS_PORT)
    is_float = weights.node.type == "Const" and weights.element_type.is_float
    return is_float and len(weights.shape) == 2 and weights.shape[0] == weights.shape[1]


def _matrix(product: Node) -> Node:
    return product.source(WEIGHTS_PORT).node


def _first_row(matrix: Node) -> bytes:
    return bytes(matrix.array[0].tobytes())


def _is_among(matrix: Node, others: Iterable[Node]) -> bool:
    return any(matrix == other or np.array_equal(matrix.array, other.array) for other in others)
