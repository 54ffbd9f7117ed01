"""Gives depthwise convolutions that the device never finishes the weights of a dense one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Graph, Node
from ...ir.ops import WEIGHTS_PORT, integers, kernel_shape
from ..analysis.halves import pass_on
from ..infra.base import Context, Fact, Pass
from ..options.ignored import MOST_DENSE
from .widen_kernels import one_more_column

#: The shortest last axis of a kernel with which an inference may never end.
_SHORTEST = 11
#: The numbers of bf16 in a row of the device's matrices: with few channels, kernels that fill rows give garbage.
_ROW = 32


@dataclass(frozen=True)
class DensifyDepthwise(Pass):
    """Writes depthwise convolutions of few channels and long kernels as dense ones, with zeros between the channels.

    Given::                                               Result::

        w: f32[16,1,1,1,16] = Const()                         w/dense: f32[16,16,1,16] = Const()
        y = GroupConvolution(x [1,16,4,250], w)               y = Convolution(x [1,16,4,250], w/dense)

    An inference of the CPU plugin (2026.4) never ends for them, in int8 and in bf16, the float model's own precision on
    many CPUs. EEGNet's separable convolution is one of them. No value changes. If channels and kernel would fill whole
    rows of the device's matrices, where dense layers of few channels give garbage in bf16, the kernel gets a column of
    zeros.

    The pass does so only if the target says that the device hangs in them (`hangs_in_depthwise`).
    """

    name: ClassVar[str] = "densify-depthwise"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Writes each of them."""
        if not context.target.hangs_in_depthwise:
            return 0
        layers = (node for each in graph.walk() for node in each.nodes("GroupConvolution"))
        found = [node for node in layers if _hangs(node)]
        for node in found:
            _densify(node, context)
        return len(found)


def _hangs(node: Node) -> bool:
    weights, kernel = node.source(WEIGHTS_PORT), kernel_shape(node)
    if weights.node.type != "Const" or len(kernel) == 1:
        return False
    if any(integers(node, each)[-1:] not in ((), (1,)) for each in ("strides", "dilations")):
        return False
    groups, *per_group = weights.shape[: -len(kernel)]
    return per_group == [1, 1] and groups <= MOST_DENSE and kernel[-1] >= _SHORTEST


def _densify(node: Node, context: Context) -> None:
    graph, name, output, weights = node.graph, node.name, node.output(), node.source(WEIGHTS_PORT).node
    sparse = weights.array
    values = np.zeros((len(sparse), len(sparse), *sparse.shape[3:]), sparse.dtype)
    values[range(len(sparse)), range(len(sparse))] = sparse[:, 0, 0]
    attributes = dict(node.attributes)
    if len(sparse) * sparse.shape[-1] % _ROW == 0:
        columns, changed = one_more_column(node)
        values = np.pad(values, [*[(0, 0)] * (values.ndim - 1), columns])
        attributes |= changed
    constant = graph.add_constant(f"{weights.name}/dense", values, near=node)
    pass_on(weights, constant, context.halves)
    dense = graph.add(
        "Convolution",
        f"{name}/dense",
        [node.source(), constant.output()],
        [(output.element_type, output.shape)],
        attributes=attributes,
        near=node,
    )
    node.replace_with(dense.output())
    if graph.unique_name(name) == name:  # if not, the new layer has it, as an output of a file of version 10
        graph.rename(dense, name)
