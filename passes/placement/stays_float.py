"""Nodes that stay float although a rule of the target fits: patterns, caches, detector heads, ignored nodes."""

from collections.abc import Iterator, Sequence

from ...ir import Graph, Node
from ...targets import FloatPattern, Step, Target
from ..analysis.attention import WHOLE, why_whole
from ..analysis.caches import GROWS, attention_over_caches, joins_of_caches
from ..analysis.compressed_weights import compressed_weights
from ..analysis.detector_heads import MEAN, means_of_distributions, mixed_ranges
from ..analysis.path_counts import MOST_PATHS, behind_many_paths
from ..options.ignored import Hits

_PATHS = f"more than {MOST_PATHS} paths lead to it, and the runtime's int8 transformations would follow each"


def stays_float(graph: Graph, analysed: Sequence[Graph], target: Target, ignored: Hits) -> dict[Node, str]:
    """The nodes that stay float, each with its reason.

    Args:
        graph: The model.
        analysed: The model and those of its bodies in which something may be quantized.
        target: The device.
        ignored: What the user's rules match.
    """
    reasons: dict[Node, str] = {}
    for pattern in target.stays_float:
        for start in (node for each in analysed for node in each.nodes(*pattern.chain[0].op)):
            for chain in _chains(pattern, 0, start):
                kept = (node for node, step in chain if step.stays_float)
                reasons |= dict.fromkeys(kept, pattern.because)
    reasons |= {each.layer: each.reason for each in compressed_weights(graph)}
    for each in analysed:
        reasons |= dict.fromkeys(behind_many_paths(each, lambda node: target.rule(node) is not None), _PATHS)
        reasons |= _whole_attention(each, target)
        reasons |= dict.fromkeys([*attention_over_caches(each), *joins_of_caches(each)], GROWS)
        reasons |= mixed_ranges(each) | dict.fromkeys(means_of_distributions(each), MEAN)
    return {**reasons, **ignored.reasons}


def _whole_attention(graph: Graph, target: Target) -> dict[Node, str]:
    """Attention that the target wants written out, but that cannot be."""
    wanted = (node for node in graph.nodes(WHOLE) if (rule := target.rule(node)) and rule.decomposes)
    return {node: reason for node in wanted if (reason := why_whole(node))}


def _chains(pattern: FloatPattern, index: int, node: Node) -> Iterator[list[tuple[Node, Step]]]:
    """The chains whose step `index` is a node, from that step on."""
    step = pattern.chain[index]
    if step.optional:
        yield from _chains(pattern, index + 1, node)
    if not step.fits(node):
        return
    if index + 1 == len(pattern.chain):
        yield [(node, step)]
        return
    for output in node.outputs:
        for port in output.consumers:
            for rest in _chains(pattern, index + 1, port.node):
                yield [(node, step), *rest]
