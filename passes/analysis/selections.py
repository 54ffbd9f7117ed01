"""Finds the outputs that a selection decides, and the floats that go into such a decision.

Routers, pruned tokens and queries are selected inside a network: layers compute the output from what was picked. Only
the ends of networks are decided by a selection. What is between it and the output chooses, moves and decodes rows.
"""

from collections.abc import Iterator

from ...ir import Graph, InPort, Node, OutPort
from ...ir.ops import LAYER_TYPES
from .decisions import Decisions, behind
from .row_axes import picked_axis, row_axes

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
#: Operations that pick rows by selected indices, or regions by selected boxes.
_PICKS = (
    "DeformablePSROIPooling",
    "ExperimentalDetectronROIFeatureExtractor",
    "Gather",
    "GatherElements",
    "GatherND",
    "PSROIPooling",
    "ROIAlign",
    "ROIAlignRotated",
    "ROIPooling",
)
#: Sums over what was picked, for example of experts by their scores: no order is left.
_SUMS = ("ReduceMean", "ReduceSum")


class Selections:
    """The selections of a model that compare scores of layers.

    Layers and sums end what a selection decides: if they compute an output from what was picked, its own values count.
    If layers lie between two selections (a detector of two stages), what they compute goes into the second decision,
    and is compared there. Rows that layers compute come in the order of the selection that picked them, which a small
    error changes. Such rows can only be compared by their values in ascending order (see `rows_of`).
    """

    def __init__(self, graph: Graph, decisions: Decisions) -> None:
        self._floats_read = decisions.floats_read
        self._each = [node for node in graph.nodes() if _selects(node) and any(decisions.floats_read(node))]
        self._decided = behind(self._each, through=_decodes) | set(self._each)
        self._rows = row_axes(graph, dict(self._picked()))

    def of(self, result: Node) -> list[InPort]:
        """The inputs with the floats that a selection turns into a result: scores, and the rows that are picked from.

        There are none if no selection decides the result.
        """
        between = self._decided_above(result)
        ports = (port for node in between for port in self._floats_read(node) if port.source.node not in between)
        return sorted(ports, key=lambda port: (port.node not in self._each, port.node.id, port.index))

    def rows_of(self, tensor: OutPort) -> int | None:
        """The axis of a tensor that numbers rows in the order of a selection; None if there is none."""
        return None if tensor.node in self._decided else self._rows.get(tensor)

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
            chosen_by = 0 if node.type == "ExperimentalDetectronROIFeatureExtractor" else 1
            if node.type not in _PICKS or node.source(chosen_by).node not in self._decided:
                continue
            is_computed = any(port.source.node not in self._decided for port in self._floats_read(node))
            if is_computed and (axis := picked_axis(node)) is not None:
                yield node.output(), axis


def _selects(node: Node) -> bool:
    """Whether an operation picks by comparing scores, or a body without layers does."""
    types = {each.type for each in (node, *node.inside())}
    return not types.isdisjoint(_SELECTIONS) and types.isdisjoint(LAYER_TYPES)


def _decodes(node: Node) -> bool:
    """Whether an operation only chooses, moves and decodes what a selection gives."""
    is_sum = node.type in _SUMS and node.output().element_type.is_float
    return not is_sum and all(each.type not in LAYER_TYPES for each in (node, *node.inside()))
