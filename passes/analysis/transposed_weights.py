"""Finds constant matrices that products multiply transposed, and stores them transposed.

The CPU plugin transposes a matrix while it packs it for a product, and caches the packed matrix by address and size. If
two products share a square matrix, and one of them multiplies it transposed, it is packed once, and one of the two gets
it in the wrong order, in float and in int8. (OpenVINO 2026.4; the tests show when it is fixed.)
"""

from collections.abc import Iterable

import numpy as np

from ...ir import Graph, Node
from ...ir.ops import WEIGHTS_PORT, flag
from .halves import Halves, pass_on


def shared_squares(graph: Graph) -> list[Node]:
    """The products of a graph, without its bodies, that transpose a square matrix which others multiply untransposed.

    Constants with the same values share their bytes in a file, hence their address.
    """
    products = [node for node in graph.nodes("MatMul") if _multiplies_square(node)]
    as_they_are: dict[bytes, list[Node]] = {}  # by their first rows, which are fast to read
    for product in products:
        if not flag(product, "transpose_b"):
            as_they_are.setdefault(_first_row(_matrix(product)), []).append(_matrix(product))
    transposed = [product for product in products if flag(product, "transpose_b")]
    return [each for each in transposed if _is_among(_matrix(each), as_they_are.get(_first_row(_matrix(each)), []))]


def turn(products: Iterable[Node], halves: Halves) -> None:
    """Swaps the last two axes of the matrices of products, and inverts the products' transpose attribute.

    Args:
        products: MatMuls of one graph with a constant second operand; products that share one share its replacement.
        halves: Constants, by body and id, that had 16 bits before; replacements of such constants are added.
    """
    turned: dict[Node, Node] = {}
    for product in products:
        old, graph = _matrix(product), product.graph
        if old not in turned:
            values = np.ascontiguousarray(np.swapaxes(old.array, -1, -2))
            turned[old] = graph.add_constant(f"{product.name}/turned", values, near=product)
            pass_on(old, turned[old], halves)
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
    return bytes(matrix.array[:1].tobytes())  # an empty matrix has none


def _is_among(matrix: Node, others: Iterable[Node]) -> bool:
    return any(matrix == other or np.array_equal(matrix.array, other.array) for other in others)
