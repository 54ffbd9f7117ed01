"""Adds a weight of zero to kernels that the device computes wrongly."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Graph, Node
from ...ir.ops import WEIGHTS_PORT, integers, kernel_shape
from ..infra.base import Context, Fact, Pass

#: The codes in a row of the device's matrices, and the input channels that it joins with the last axis of a kernel.
_ROW, _JOINED, _STEP = 64, 32, 4


@dataclass(frozen=True)
class WidenKernels(Pass):
    """Adds a column of zeros to the kernels of convolutions that fill whole rows of the device's matrices.

    Given::                                          Result::

        w_q = FakeQuantize(w [8,16,16])                  w_q = FakeQuantize(w/wide [8,16,17])
        y = Convolution(x_q, w_q) pads_end="7"           y = Convolution(x_q, w_q) pads_end="8"

    With AMX, the CPU plugin (2026.4) joins few input channels with the last axis of the kernel, and gives garbage if
    both fill two or more rows of 64 codes. The padding behind the data grows by one, where it meets the zeros; no value
    changes.

    The pass does so only if the target says that the device misreads them (`misreads_full_rows`).
    """

    name: ClassVar[str] = "widen-kernels"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})

    def run(self, graph: Graph, context: Context) -> int:
        """Widens each of them."""
        if not context.target.misreads_full_rows:
            return 0
        layers = (node for each in graph.walk() for node in each.nodes("Convolution", "GroupConvolution"))
        found = [node for node in layers if _fills_rows(node) and _may_be_padded(node) and _has_own_weights(node)]
        for node in found:
            _widen(node)
        return len(found)


def _fills_rows(node: Node) -> bool:
    kernel = kernel_shape(node)
    channels = node.source(WEIGHTS_PORT).shape[-len(kernel) - 1]
    codes = channels * kernel[-1]
    is_joined = channels < _JOINED and channels % _STEP == 0
    return is_joined and codes > _ROW and codes % _ROW == 0


def _may_be_padded(node: Node) -> bool:
    """Whether one more column of padding can be written, or is added automatically at a side that is known.

    Other rules hold for a dilated layer if it is padded; along the last axis, the device computes it right.
    """
    if any(each > 1 for each in integers(node, "dilations")):
        return False
    padding, strides = node.attributes.get("auto_pad", "explicit").lower(), integers(node, "strides")
    return not padding.startswith("same") or strides[-1:] in ((), (1,))


def _has_own_weights(node: Node) -> bool:
    """Whether the layer alone reads its rounded weights, with ranges that fit any columns."""
    rounded = node.source(WEIGHTS_PORT)
    if rounded.node.type != "FakeQuantize" or rounded.node.source().node.type != "Const":
        return False
    fits = all(each.source.shape[-1:] in ((), (1,)) for each in rounded.node.inputs[1:])
    return fits and len(rounded.consumers) == 1


def one_more_column(node: Node) -> tuple[tuple[int, int], dict[str, str]]:
    """Where a column of zeros goes in an even kernel, and the attributes with which the padding meets it.

    Args:
        node: The convolution; its last axis has no dilation, and no stride if its padding is automatic.

    Returns:
        The numbers of columns in front of the kernel and behind it; and the attributes that change.
    """
    padding = node.attributes.get("auto_pad", "explicit").lower()
    # "same_upper" pads even kernels by one column less in front: the automatic padding grows there.
    columns = (1, 0) if padding == "same_upper" else (0, 1)
    if padding.startswith("same"):
        return columns, {}
    none = (0,) * len(kernel_shape(node))
    begin, end = (none if padding == "valid" else integers(node, each) or none for each in ("pads_begin", "pads_end"))
    pads = {"pads_begin": begin, "pads_end": (*end[:-1], end[-1] + 1)}
    return columns, {**{name: ",".join(map(str, each)) for name, each in pads.items()}, "auto_pad": "explicit"}


def _widen(node: Node) -> None:
    columns, attributes = one_more_column(node)
    _widen_weights(node.source(WEIGHTS_PORT).node, columns)
    for name, value in attributes.items():
        node.set_attribute(name, value)


def _widen_weights(rounded: Node, columns: tuple[int, int]) -> None:
    name, graph, old = rounded.name, rounded.graph, rounded.source().node
    values = np.pad(old.array, [*[(0, 0)] * (old.array.ndim - 1), columns])
    constant = graph.add_constant(f"{old.name}/wide", values, near=rounded)
    graph.rename(rounded, f"{name}/narrow")
    sources = [constant.output(), *(each.source for each in rounded.inputs[1:])]
    output = constant.output()
    wide = graph.add(
        "FakeQuantize",
        name,
        sources,
        [(output.element_type, output.shape)],
        attributes=rounded.attributes,
        near=rounded,
    )
    rounded.replace_with(wide.output())
