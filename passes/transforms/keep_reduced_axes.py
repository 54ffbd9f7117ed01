"""Reduces tokens and pixels in two steps, since the device mistakes what lies behind one."""

from dataclasses import dataclass
from typing import ClassVar

from ...ir import DYNAMIC, Builder, Graph, Node
from ...ir.folding import FORM_CHANGES
from ...ir.ops import LAYER_TYPES, REDUCTION_TYPES, flag
from ..infra.base import Context, Fact, Pass

#: The operations that the plugin may compute in one kernel with the reduction in front of them.
_FUSED = (
    *("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Power", "PReLU", "FakeQuantize"),
    *("Abs", "Clamp", "Elu", "Gelu", "HSigmoid", "HSwish", "Mish", "ReLU", "Sigmoid", "SoftPlus", "Sqrt", "Swish"),
    "Tanh",
)
#: The operations that a FakeQuantize in front of a layer may be moved past, to the reduction.
_MOVING = (
    *FORM_CHANGES,
    *("BatchToSpace", "Broadcast", "Concat", "DepthToSpace", "Gather", "Interpolate", "MaxPool", "Pad"),
    *("ShuffleChannels", "Slice", "SpaceToBatch", "Split", "StridedSlice", "Tile", "VariadicSplit"),
)
#: The number of axes of the results that are mistaken.
_RANK = 2
#: The size that a Reshape finds itself: one of them at most.
_REST = -1


@dataclass(frozen=True)
class KeepReducedAxes(Pass):
    """Lets reductions in front of layers keep their axes, and removes these with a Reshape; no value changes.

    Given::                                                     Result::

        pooled = ReduceMean(tokens [1,16,64], 1) [1,64]             pooled = ReduceMean(tokens [1,16,64], 1) [1,1,64]
        y = MatMul(Multiply(pooled, scale [1,64]), weights)         pooled/flat = Reshape(pooled) [1,64]
                                                                    y = MatMul(Multiply(pooled/flat, scale), weights)

    The CPU plugin (2026.4) computes a reduction, a scale or shift of each channel behind it, and a FakeQuantize in one
    kernel. If the result has two axes, this kernel mistakes which one has the channels, be the FakeQuantize computed in
    int8 or in float: all is garbage, 0 to 9 dB. Such a scale may come from the model, or from `smooth-quant`.
    Reductions of all axes behind the channels of [N, C, H, W] are right. Those of [N, C, L] are wrong without any
    FakeQuantize, too: the quantized model is right then, and the float model is not if the user runs it there.
    """

    name: ClassVar[str] = "keep-reduced-axes"
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Changes each of them."""
        found = [node for each in graph.walk() for node in each.nodes(*REDUCTION_TYPES) if _is_mistaken(node)]
        for node in found:
            _keep_axes(node)
        return len(found)


def _is_mistaken(node: Node) -> bool:
    before, after = node.source().shape, node.output().shape
    if flag(node, "keep_dims") or not len(after) == _RANK < len(before) or node.source(1).node.type != "Const":
        return False
    is_of_pixels = len(before) > _RANK + 1 and min(_axes(node)) >= _RANK
    return not is_of_pixels and _pattern(node).count(_REST) == 1 and _leads_to_layer(node)


def _axes(node: Node) -> list[int]:
    return [int(axis) % len(node.source().shape) for axis in node.source(1).node.array.ravel()]


def _pattern(node: Node) -> tuple[int, int]:
    """The sizes for the Reshape, with the batch as it comes: models may get another one after quantization."""
    first, last = node.output().shape
    if 0 not in _axes(node):
        return 0, _REST
    return (_REST, last) if last != DYNAMIC else (first, _REST)


def _leads_to_layer(node: Node) -> bool:
    waiting, seen = [node], {node}
    while waiting:
        for port in (port for output in waiting.pop().outputs for port in output.consumers):
            if port.node.type in LAYER_TYPES:
                return True
            if port.node.type in (*_FUSED, *_MOVING) and port.node not in seen:
                seen.add(port.node)
                waiting.append(port.node)
    return False


def _keep_axes(node: Node) -> None:
    graph, name, old, axes = node.graph, node.name, node.output(), _axes(node)
    sizes = [1 if axis in axes else size for axis, size in enumerate(node.source().shape)]
    kept = graph.add(
        node.type,
        f"{name}/kept",
        [node.source(), node.source(1)],
        [(old.element_type, sizes)],
        attributes={**node.attributes, "keep_dims": "true"},
        opset=node.opset,
        near=node,
    )
    build = Builder(graph, near=node)
    old.redirect(build.reshape(kept.output(), _pattern(node), special_zero=True, name=f"{name}/flat"))
    graph.prune(node)
    graph.rename(kept, graph.unique_name(name))
