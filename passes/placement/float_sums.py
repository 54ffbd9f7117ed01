"""Sums of two results of int8 layers that stay float, and why: a residual connection in float costs time."""

from collections.abc import Iterator

from ...ir import Graph, Node
from ...targets import Target
from ..analysis.constants import SHAPE_READERS
from .passed_over import reads_rounded, why_passed_over
from .plan import FloatSum, Plan


def float_sums(graph: Graph, plan: Plan, target: Target) -> tuple[FloatSum, ...]:
    """The Adds in float whose two operands both come from int8 layers.

    Args:
        graph: The model, before FakeQuantizes are inserted.
        plan: The plan for it.
        target: The device.
    """
    return tuple(
        FloatSum(f"{prefix}{node.name}", why_passed_over(node, plan, target))
        for prefix, each in graph.walk_named()
        for node in _sums_of_int8(each, plan)
        if not reads_rounded(node, plan, target)
    )


def _sums_of_int8(graph: Graph, plan: Plan) -> Iterator[Node]:
    """The Adds of floats whose operands come from int8 layers, with no other layer in between.

    A sum of what one layer gives (in a function such as Gelu, or in rotary embeddings) is no sum of two results.
    """
    origins: dict[Node, Node | None] = {}  # a node behind int8 layers -> the layer; None: several
    for node in graph.nodes():
        if decision := plan.decisions.get(node):
            origins |= {node: node} if decision.int8 else {}
            continue
        behind = [origins[port.source.node] for port in node.inputs if port.source.node in origins]
        if not behind or node.type in SHAPE_READERS:
            continue
        origins[node] = behind[0] if len({*behind}) == 1 else None
        is_sum = node.type == "Add" and len(behind) == len(node.inputs) and node.output().element_type.is_float
        if is_sum and origins[node] is None:
            yield node
