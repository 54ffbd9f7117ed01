"""Finds typical ends of detectors: the mean of a distribution over distances, and boxes joined with scores."""

from collections.abc import Iterator, Mapping

import numpy as np

from ...ir import Graph, Node
from ...ir.folding import FORM_CHANGES
from ...ir.ops import LAYER_TYPES, weight_ports
from .choices import unmoved
from .decisions import above, behind

#: The reason why such a mean stays float.
MEAN = "it takes the mean of a distribution over steps, which takes next to no time, and rounding it moves each box"
#: The reasons why such a join stays float, and the layers that read it.
MIXED = "it joins scores from 0 to 1 with values that constants scale by {scale:.0f}: one range leaves scores no levels"
READS_MIXED = (
    "its data are scores from 0 to 1 joined with values that constants scale by {scale:.0f}, too far apart for a range"
)
_SCORES = ("HardSigmoid", "HSigmoid", "Sigmoid", "SoftMax")
_PARTS = (*FORM_CHANGES, "Gather", "Slice", "Split", "StridedSlice", "VariadicSplit")
#: From this scale up, 8 bits in one range leave 16 levels or fewer for values from 0 to 1.
_APART = 16.0
_MANY = 3


def means_of_distributions(graph: Graph) -> Iterator[Node]:
    """Layers with one output that weight a softmax with evenly spaced constants.

    They compute distances of box sides from a distribution (Li et al. 2020, Generalized Focal Loss).
    """
    for node in graph.nodes("Convolution", "MatMul"):
        weights = node.source(weight_ports(node)[0]).node
        if unmoved(node.source()).node.type != "SoftMax" or weights.type != "Const":
            continue
        sizes = [size for size in weights.output().shape if size != 1]
        if len(sizes) == 1 and sizes[0] >= _MANY and _is_even(np.diff(weights.array.astype(np.float64).ravel())):
            yield node


def _is_even(steps: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    return bool(steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-2))


def mixed_joins(graph: Graph) -> Mapping[Node, float]:
    """Concats of scores with values that constants scale -> the scale of these values."""
    known = _scores(graph)
    found: dict[Node, float] = {}
    for node in graph.nodes("Concat"):
        others = [port.source.node for port in node.inputs if port.source.node not in known]
        if 0 < len(others) < len(node.inputs):
            magnitudes = _magnitudes(node, graph)
            scale = max(magnitudes[other] for other in others)
            found |= {node: scale} if scale >= _APART else {}
    return found


def mixed_ranges(graph: Graph) -> dict[Node, str]:
    """The joins whose scales do not fit one range, and the layers that read them unchanged -> the reason."""
    joins = mixed_joins(graph)
    reasons = {node: MIXED.format(scale=scale) for node, scale in joins.items()}
    for node, scale in joins.items():
        moved = {node, *behind([node], lambda each: each.type in FORM_CHANGES)}
        readers = {port.node for each in moved for output in each.outputs for port in output.consumers}
        reasons |= {each: READS_MIXED.format(scale=scale) for each in readers if each.type in LAYER_TYPES}
    return reasons


def _scores(graph: Graph) -> set[Node]:
    """The nodes whose outputs are scores from 0 to 1, their parts, products or joins."""
    found: set[Node] = set()
    for node in graph.nodes():
        if node.type in (*_PARTS, "Multiply", "Concat"):
            read = node.inputs[:1] if node.type in _PARTS else node.inputs
            is_score = all(port.source.node in found for port in read)
        else:
            is_score = node.type in _SCORES
        found |= {node} if is_score else set()
    return found


def _magnitudes(join: Node, graph: Graph) -> Mapping[Node, float]:
    """The magnitude of each node above a join, by the constants in front of it, if outputs of layers are about 1."""
    needed = above(join, LAYER_TYPES)
    known: dict[Node, float] = {}
    for node in (each for each in graph.nodes() if each in needed):
        known[node] = _magnitude_of(node, [known.get(port.source.node, 1.0) for port in node.inputs])
    return known


def _magnitude_of(node: Node, given: list[float]) -> float:
    if node.type == "Const":
        return float(np.abs(node.array).max(initial=0.0)) if node.output().element_type.is_float else 0.0
    if node.type in LAYER_TYPES or node.type in _SCORES or not given:
        return 1.0
    if node.type == "Multiply":
        return given[0] * given[1]
    if node.type == "Divide":
        return given[0] / given[1] if given[1] else given[0]
    if node.type in ("Add", "Subtract"):
        return given[0] + given[1]
    return max(given) if node.type == "Concat" else given[0]
