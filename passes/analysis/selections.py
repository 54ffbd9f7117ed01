"""Finds the outputs that a selection decides, and the floats that go into such a decision.

Routers, pruned tokens and queries are selected inside a network: layers compute the output from what was picked. Only
the ends of networks are decided by a selection. What is between it and the output chooses, moves and decodes rows.
"""

from collections.abc import Iterator

from ...ir import Graph, InPort, Node, OutPort
from ...ir.folding import FORM_CHANGES
from ...ir.ops import LAYER_TYPES
from .decisions import Decisions, behind
from .row_axes import GATHERS, REGIONS, Rows, chosen_by, picked_axis, row_axes

#: Operations that pick boxes, rows or indices by comparing scores: a small error before them swaps whole rows behind.
_SELECTIONS = (
    "ArgMax",
    "DetectionOutput",
    "ExperimentalDetectronDetectionOutput",
    "ExperimentalDetectronGenerateProposalsSingleImage",
    "ExperimentalDetectronTopKROIs",
    "GenerateProposals",
    "MatrixNms",
    "MulticlassNms",
    "NMSRotated",
    "NonMaxSuppression",
    "Proposal",
    "TopK",
)
#: Sums over what was picked, for example of experts by their scores: no order is left.
_SUMS = ("ReduceMean", "ReduceSum")


class Selections:
    """The selections of a model that compare scores of layers.

    Layers and sums end what a selection decides: if they compute an output from what was picked, its own values count.
    If layers lie between two selections (a detector of two stages), what they compute goes into the second decision,
    and is compared there. Rows that layers compute come in the order of the selection that picked them, which a small
    error changes. Such rows are compared by the indices that picked them, as is what they are added to (boxes that a
    decoder refines); without indices, only by their values in ascending order (see `rows_of`).
    """

    def __init__(self, graph: Graph, decisions: Decisions) -> None:
        self._floats_read = decisions.floats_read
        self._each = [node for node in graph.nodes() if _selects(node) and any(decisions.floats_read(node))]
        self._behind = behind(self._each) | set(self._each)
        self._decided = behind(self._each, through=_decodes) | set(self._each)
        self._rows = row_axes(graph, dict(self._picked()), self._each)
        self._decided -= self._refined()

    def of(self, result: Node) -> list[InPort]:
        """The inputs with the floats that a selection turns into a result: scores, and the rows that are picked from.

        There are none if no selection decides the result.
        """
        between = self._decided_above(result)
        ports = (port for node in between for port in self._floats_read(node) if port.source.node not in between)
        with_rows = dict.fromkeys(map(self._with_rows, ports))
        return sorted(with_rows, key=lambda port: (port.node not in self._each, port.node.id, port.index))

    def rows_of(self, tensor: OutPort) -> Rows | None:
        """The rows of a tensor in the order of a selection; None if there are none."""
        return None if tensor.node in self._decided else self._rows.get(tensor)

    def indices_of(self, rows: Rows) -> InPort | None:
        """The input with the indices that picked rows; None if they were not picked from all rows in a fixed order.

        Indices into what an earlier selection picked name other rows if that order changes.
        """
        if rows.picked is None:
            return None
        pick = rows.picked.node
        return chosen_by(pick) if pick.type in GATHERS and pick.source(0).node not in self._behind else None

    def _with_rows(self, port: InPort) -> InPort:
        """The input, or the one in front of operations that put rows in the order of a selection beside each other."""
        above = port
        while above.source not in self._rows and above.source.node.type in FORM_CHANGES:
            above = above.source.node.inputs[0]
        return above if above.source in self._rows else port

    def _decided_above(self, result: Node) -> set[Node]:
        found = {result} & self._decided
        waiting = list(found)
        while waiting:
            sources = {port.source.node for port in waiting.pop().inputs} & self._decided - found
            found |= sources
            waiting += sources
        return found

    def _picked(self) -> Iterator[tuple[OutPort, int]]:
        """The rows that selections pick of what layers computed, and their axes."""
        for node in self._decided:
            if node.type not in (*GATHERS, *REGIONS) or chosen_by(node).source.node not in self._decided:
                continue
            is_computed = any(port.source.node not in self._decided for port in self._floats_read(node))
            if is_computed and (axis := picked_axis(node)) is not None:
                yield node.output(), axis

    def _refined(self) -> set[Node]:
        """What layers refine of the rows that were picked by indices: it still comes in their order."""
        computed = {tensor.node for tensor in self._rows} - self._decided
        found = {node for node in behind(computed, through=_decodes) & self._decided if self._has_indices(node)}
        return found | {
            each.node
            for node in found
            for output in node.outputs
            for each in output.consumers
            if each.node.type == "Result"
        }

    def _has_indices(self, node: Node) -> bool:
        rows = [self._rows.get(output) for output in node.outputs]
        return bool(rows) and all(each is not None and self.indices_of(each) for each in rows)


def _selects(node: Node) -> bool:
    """Whether an operation picks by comparing scores, or a body without layers does."""
    types = {each.type for each in (node, *node.inside())}
    return not types.isdisjoint(_SELECTIONS) and types.isdisjoint(LAYER_TYPES)


def _decodes(node: Node) -> bool:
    """Whether an operation only chooses, moves and decodes what a selection gives."""
    is_sum = node.type in _SUMS and node.output().element_type.is_float
    return not is_sum and all(each.type not in LAYER_TYPES for each in (node, *node.inside()))
