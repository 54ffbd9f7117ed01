"""Values that stand for "nothing here": padding and masks of -inf, or of the lowest number of a type.

A max pool pads with them, attention adds them to scores that must not count, a sequence is filled up with them. They
are no data, and no range has to hold them. They come from constants; this module finds the tensors that they may reach.
"""

from collections.abc import Mapping

import numpy as np

from ...ir import Graph, Node, OutPort

#: Constants from this magnitude on stand for nothing. No model computes with such numbers: their squares overflow.
SMALLEST_MASK = 1e19
#: So does the lowest number of f16 (this is its magnitude), which stays what it is when the model is converted to f32.
_LOWEST_F16 = float(np.finfo(np.float16).max)
#: Take a mask in, and give none: weights of zero, the largest of several values, whether something is so.
_END = frozenset({
    "Const", "Convolution", "Equal", "Exp", "GroupConvolution", "Greater", "GreaterEqual", "IsFinite", "IsInf", "IsNaN",
    "Less", "LessEqual", "LogSoftmax", "MatMul", "MaxPool", "NotEqual", "ReduceMax", "ScaledDotProductAttention",
    "ShapeOf", "Sigmoid", "Sign", "SoftMax", "Tanh",
})  # fmt: skip
#: A constant that one of these reads is a bound for data.
_BOUND = frozenset({"Maximum", "Minimum"})


def mask_limits(graph: Graph) -> Mapping[OutPort, float]:
    """The float tensors of a graph (not of its bodies) that may hold masks -> the magnitude from which values are such.

    Arithmetic shifts a mask a little (a score plus the lowest number), hence half of the smallest constant's magnitude.
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
    """Weights are not looked at: they are large, and hold none."""
    return any(port.node.type not in _END | _BOUND for port in constant.output().consumers)


def _limit_behind(node: Node, found: Mapping[OutPort, float]) -> float:
    if node.type in _END or node.bodies:
        return np.inf
    # Something divided by a huge number is small.
    ports = node.inputs[:1] if node.type == "Divide" else node.inputs
    return min((found.get(port.source, np.inf) for port in ports), default=np.inf)
