"""The axis of picked rows is where the rows went, and nowhere where they are mixed."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.row_axes import Rows, row_axes

GraphOf = Callable[[ov.Model], Graph]
F32 = np.float32


def grid_sample(rows: ov.Node) -> ov.Node:
    """Samples [1, 2, 5, 3] of a picture, at places [1, 5, 3, 2] that are numbered by the rows."""
    return op.grid_sample(np.ones((1, 2, 6, 6), F32), rows, {})


def sampled(rows: ov.Node) -> ov.Node:
    """From the rows, as a picture [1, 5, 3, 2] of five channels."""
    return op.grid_sample(rows, np.zeros((1, 4, 4, 2), F32), {})


def queries(rows: ov.Node) -> ov.Node:
    return op.scaled_dot_product_attention(rows, np.ones((1, 5, 5, 2), F32), np.ones((1, 5, 5, 2), F32))


def keys(rows: ov.Node) -> ov.Node:
    return op.scaled_dot_product_attention(np.ones((1, 5, 5, 2), F32), rows, rows)


def sliced(rows: ov.Node, begin: list[int], end: list[int], **masks: list[int]) -> ov.Node:
    none = [0] * len(begin)
    return op.strided_slice(rows, begin, end, [1] * len(begin), **{"begin_mask": none, "end_mask": none} | masks)


@pytest.mark.parametrize(
    ("shape", "axis", "operation", "wanted"),
    [
        ([1, 5, 3, 2], 1, grid_sample, 2),
        ([1, 3, 5, 2], 2, grid_sample, 3),
        ([1, 5, 3, 2], 1, sampled, 1),
        ([1, 3, 4, 4], 2, sampled, None),
        ([1, 5, 5, 2], 2, queries, 2),
        ([1, 5, 5, 2], 1, keys, 1),
        ([1, 5, 5, 2], 2, keys, None),
        ([1, 5, 4], 1, lambda x: op.gather(x, np.int64(0), np.int64(2)), 1),
        ([5, 5, 4], 1, lambda x: op.gather(x, np.int64(0), np.int64(0)), 0),
        ([1, 5, 4], 1, lambda x: op.gather(x, np.zeros((2, 3), np.int64), np.int64(0)), 2),
        ([-1, -1, 4], 1, lambda x: op.gather(x, np.int64(0), np.int64(2)), 1),
        ([5, 5, 4], 1, lambda x: sliced(x, [0, 0], [0, 1], shrink_axis_mask=[0, 1], ellipsis_mask=[1, 0]), 1),
        ([5, 5, 4], 1, lambda x: sliced(x, [0], [1], shrink_axis_mask=[1]), 0),
        ([5, 5, 4], 0, lambda x: sliced(x, [0], [1], shrink_axis_mask=[1]), None),
        ([5, 5, 4], 1, lambda x: sliced(x, [0, 0], [1, 9], new_axis_mask=[1, 0], end_mask=[0, 1]), 2),
    ],
)
def test_rows_are_where_they_were_moved(
    shape: list[int], axis: int, operation: Callable[[ov.Node], ov.Node], wanted: int | None, graph_of: GraphOf
) -> None:
    x = op.parameter(shape, F32)
    graph = graph_of(ov.Model([op.result(operation(x))], [x], "m"))
    (parameter,), (result,) = graph.nodes("Parameter"), graph.nodes("Result")
    found = row_axes(graph, {parameter.output(): axis}).get(result.source())
    assert found == (None if wanted is None else Rows(wanted, parameter.output()))


def test_rows_that_two_selections_number_have_no_indices(graph_of: GraphOf) -> None:
    x, one, other = (op.parameter(shape, kind) for shape, kind in (([1, 9, 4], F32), ([5], np.int64), ([5], np.int64)))
    picks = [op.gather(x, each, np.int64(1)) for each in (one, other, one)]
    sums = [op.add(picks[0], each) for each in picks[1:]]
    graph = graph_of(ov.Model([op.result(each) for each in sums], [x, one, other], "m"))
    gathers = [node.output() for node in graph.nodes("Gather")]
    found = row_axes(graph, dict.fromkeys(gathers, 1))
    rows = [found[result.source()] for result in graph.in_file_order("Result")]
    assert [(each.axis, each.picked is None) for each in rows] == [(1, True), (1, False)]
