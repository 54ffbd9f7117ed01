"""Finds tensors that may hold mask values: padding and masks of -inf, or of the lowest number of a type.

A max pool pads with them, attention adds them to scores that must not count, and short sequences are padded with them.
They are not data, and ranges need not hold them. They come from constants, and are followed from there.
"""

from collections.abc import Mapping

import numpy as np

from ...ir import Graph, Node, OutPort

#: The magnitude from which constants are mask values. No model computes with such numbers: their squares overflow.
SMALLEST_MASK = 1e19
#: The lowest number of f16 (this is its magnitude) is a mask value, too: it stays the same in models converted to f32.
_LOWEST_F16 = float(np.finfo(np.float16).max)
#: Operations that remove masks: they give weights of zero, the largest of several values, or truth values.
_END = frozenset({
    "Const", "Convolution", "Equal", "Exp", "GroupConvolution", "Greater", "GreaterEqual", "IsFinite", "IsInf", "IsNaN",
    "Less", "LessEqual", "LogSoftmax", "MatMul", "MaxPool", "NotEqual", "ReduceMax", "ScaledDotProductAttention",
    "ShapeOf", "Sigmoid", "Sign", "SoftMax", "Tanh",
})  # fmt: skip
#: Operations whose constants are bounds for data.
_BOUND = frozenset({"Maximum", "Minimum"})


def mask_limits(graph: Graph) -> Mapping[OutPort, float]:
    """The float tensors of a graph, without bodies, that may hold masks -> the magnitude from which values are masks.

    It is half of the smallest constant's magnitude: arithmetic shifts a mask a little (a score plus the lowest number).
    """
    found: dict[OutPort, float] = {}
    for node in graph.nodes():
        limit = _limit_of(node) if node.type == "Const" else _limit_behind(node, found)
        if np.isfinite(limit):
            found |= {output: limit for output in node.outputs if output.element_type.is_float}
    return found


def _limit_of(constant: Node) -> float:
    if not constant.output().element_type.is_float or constant.output().element_type.dtype is None:
        return np.inf
    magnitudes = np.abs(constant.array.astype(np.float64)) if _may_mask(constant) else np.empty(0)
    masks = magnitudes[(magnitudes >= SMALLEST_MASK) | (magnitudes == _LOWEST_F16)]
    return min(float(masks.min(initial=np.inf)), float(np.finfo(np.float32).max)) / 2 if masks.size else np.inf


def _may_mask(constant: Node) -> bool:
    """Whether a constant may hold mask values; weights are not read: they are large and hold none."""
    return any(port.node.type not in _END | _BOUND for port in constant.output().consumers)


def _limit_behind(node: Node, found: Mapping[OutPort, float]) -> float:
    if node.type in _END or node.bodies:
        return np.inf
    # A value divided by a huge number is small.
    ports = node.inputs[:1] if node.type == "Divide" else node.inputs
    return min((found.get(port.source, np.inf) for port in ports), default=np.inf)
