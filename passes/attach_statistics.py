"""Reductions are nodes of the graph, so that activations never leave the runtime."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Graph, Node, OutPort, element_type
from .base import Context, Fact, NoRequests
from .statistics import Reduction, Request

_REDUCE = {Reduction.MIN: "ReduceMin", Reduction.MAX: "ReduceMax", Reduction.MEAN: "ReduceMean"}
_F32 = element_type("f32")
_I64 = element_type("i64")


@dataclass(frozen=True)
class AttachStatistics(NoRequests):
    """Adds one more output to the model: all requested statistics of an inference in a row.

    Given::                            Result::

        relu: f32[1,8,4,4] = ReLU(x)       relu: f32[1,8,4,4] = ReLU(x)
                                           mean: f32[8] = ReduceMean(relu, [0, 2, 3])
                                           statistics: f32[8] = Concat(mean)
                                           Result(statistics)

    Taking all of them out through one output is what makes it cheap: one copy a sample, whatever their number.
    """

    wanted: tuple[Request, ...]

    name: ClassVar[str] = "attach-statistics"
    requires: ClassVar[frozenset[Fact]] = frozenset()
    establishes: ClassVar[frozenset[Fact]] = frozenset()
    drops: ClassVar[frozenset[Fact]] = frozenset()

    def run(self, graph: Graph, context: Context) -> int:
        """Adds the output; the numbers stand in it in the order of `wanted`."""
        if not self.wanted or any(node.name == "irquant/statistics" for node in graph.nodes("Result")):
            return 0
        parts = [_reduced(graph, each) for each in self.wanted]
        size = sum(part.shape[0] for part in parts)
        row = graph.add("Concat", "irquant/row", parts, [(_F32, (size,))], attributes={"axis": "0"})
        graph.add("Result", "irquant/statistics", [row.output()], [])
        return len(self.wanted)


def statistic_size(graph: Graph, wanted: Request) -> int:
    """How many numbers a sample gives for a request."""
    tensor = Node(graph, wanted.node).output(wanted.port)
    if wanted.reduction is Reduction.SHAPE:
        return len(tensor.shape)
    return 1 if wanted.channel_axis is None else tensor.shape[wanted.channel_axis]


def _reduced(graph: Graph, wanted: Request) -> OutPort:
    """A rank-1 f32 tensor with the numbers of one request."""
    tensor = Node(graph, wanted.node).output(wanted.port)
    name, size = f"irquant/{wanted.node}.{wanted.port}/{wanted.reduction}", statistic_size(graph, wanted)
    if wanted.reduction is Reduction.SHAPE:
        shape = graph.add(
            "ShapeOf", name, [tensor], [(_I64, (size,))], attributes={"output_type": "i64"}, opset="opset3"
        )
        return _converted(graph, shape.output(), name)
    axes = [axis for axis in range(len(tensor.shape)) if axis != wanted.channel_axis]
    if tensor.element_type.name != "f32":
        tensor = _converted(graph, tensor, name)
    result = tensor
    if axes:
        kept = () if wanted.channel_axis is None else (size,)
        sources = [tensor, _constant(graph, f"{name}/axes", axes)]
        node = graph.add(_REDUCE[wanted.reduction], name, sources, [(_F32, kept)], attributes={"keep_dims": "false"})
        result = node.output()
    if len(result.shape) == 1:
        return result
    sources = [result, _constant(graph, f"{name}/row", [1])]
    node = graph.add("Reshape", f"{name}/1", sources, [(_F32, (1,))], attributes={"special_zero": "false"})
    return node.output()


def _constant(graph: Graph, name: str, values: Iterable[int]) -> OutPort:
    return graph.add_constant(name, np.array(list(values), np.int64)).output()


def _converted(graph: Graph, tensor: OutPort, name: str) -> OutPort:
    attributes = {"destination_type": "f32"}
    node = graph.add("Convert", f"{name}/f32", [tensor], [(_F32, tensor.shape)], attributes=attributes)
    return node.output()
