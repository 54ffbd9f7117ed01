"""What is compared of rows that a selection picked, and how."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.agreement import Verdict, agreements
from irquant.passes.analysis.choices import Choice
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs, find_outputs
from irquant.passes.analysis.picked_by import PickedBy
from irquant.passes.runtime.samples import Sample, ValidationSample
from tests.passes.output_models import convolved, image, linear, logits

GraphOf = Callable[[ov.Model], Graph]
BY_INDEX = Outputs((Output("y", OutputKind.VALUES, (0,)),), rows={0: 1}, picked_by={0: PickedBy(1, 1)})


def detector() -> ov.Model:
    x = image()
    maps = op.reshape(convolved(x, 6), np.array([1, -1, 6]), False)
    boxes = op.slice(maps, np.array([0]), np.array([4]), np.array([1]), np.array([2]))
    scores = op.transpose(
        op.slice(maps, np.array([4]), np.array([6]), np.array([1]), np.array([2])), np.array([0, 2, 1])
    )
    picked = op.non_max_suppression(boxes, scores, np.array(5, np.int64), np.float32(0.5), np.float32(0.1))
    return ov.Model([op.result(picked.output(0)), op.result(op.relu(maps))], [x], "m")


def test_what_selects_boxes_is_compared_before_it_selects(graph_of: GraphOf) -> None:
    outputs = find_outputs(graph_of(detector()))
    first, second = outputs.each
    assert (first.kind, first.tensors) == (OutputKind.DETECTIONS, (2, 3))
    assert [tap.index for tap in outputs.taps] == [0, 1]
    assert (second.kind, second.tensors) == (OutputKind.VALUES, (1,))


def test_what_selected_rows_are_picked_from_is_compared_besides(graph_of: GraphOf) -> None:
    x = image()
    maps = op.reshape(convolved(x, 6), np.array([64, 6]), False)
    best = op.topk(op.reduce_max(maps, np.array([1]), False), np.array(5), 0, "max", "value")
    picked = op.gather(op.exp(maps), best.output(1), np.array(0))
    again = op.gather(picked, best.output(1), np.array(0))
    model = ov.Model([op.result(again), op.result(best.output(0)), op.result(op.relu(maps))], [x], "m")
    found = find_outputs(graph_of(model))
    assert [(tap.node.type, tap.source.node.type) for tap in found.taps] == [("TopK", "ReduceMax"), ("Gather", "Exp")]
    assert [each.tensors for each in found.each] == [(3, 4), (3,), (2,)]


def test_rows_that_the_selection_itself_gives_are_not_compared(graph_of: GraphOf) -> None:
    """They swap places already."""
    x = image()
    best = op.topk(op.reshape(convolved(x, 6), np.array([-1]), False), np.array(5), 0, "max", "value")
    rows = op.gather(best.output(0), op.convert(op.floor(op.relu(best.output(0))), "i32"), np.array(0))
    found = find_outputs(graph_of(ov.Model([op.result(rows)], [x], "m")))
    assert [(tap.node.type, tap.index) for tap in found.taps] == [("TopK", 0)]


def test_rows_of_a_constant_table_are_not_compared(graph_of: GraphOf) -> None:
    x = image()
    best = op.topk(op.reshape(convolved(x, 6), np.array([-1]), False), np.array(5), 0, "max", "value")
    rows = op.gather(np.ones((384, 2), np.float32), best.output(1), np.array(0))
    assert [tap.node.type for tap in find_outputs(graph_of(ov.Model([op.result(rows)], [x], "m"))).taps] == ["TopK"]


def test_taps_are_the_last_outputs_of_a_copy(graph_of: GraphOf) -> None:
    graph = graph_of(detector())
    outputs = find_outputs(graph)
    copy = outputs.tapped(graph)
    assert [len(each.in_file_order("Result")) for each in (graph, copy)] == [2, 4]
    assert Outputs().tapped(graph) is graph


def test_what_is_selected_is_not_computed_where_nobody_compares_it(graph_of: GraphOf) -> None:
    graph = graph_of(detector())
    layers = list(graph.nodes("Convolution"))
    outputs = find_outputs(graph).narrowed(graph, layers)
    assert [each.tensors for each in outputs.each] == [(1, 2), (0,)]
    copy = outputs.tapped(graph)
    assert [node.type for node in copy.nodes("NonMaxSuppression", "Convolution")] == ["Convolution"]
    assert len(copy.in_file_order("Result")) == 3
    assert len(list(graph.nodes("NonMaxSuppression"))) == 1, "the model itself stays"


def test_a_layer_behind_a_selection_keeps_what_it_reads(graph_of: GraphOf) -> None:
    x = image()
    best = op.topk(op.reshape(convolved(x, 6), np.array([1, -1]), False), np.array(10), 1, "max", "value")
    outputs = [op.result(best.output(0)), op.result(linear(best.output(0), 4))]
    graph = graph_of(ov.Model(outputs, [x], "m"))
    found = find_outputs(graph).narrowed(graph, list(graph.nodes("Convolution", "MatMul")))
    assert [(each.kind, each.tensors) for each in found.each] == [
        (OutputKind.DETECTIONS, (1,)),
        (OutputKind.VALUES, (0,)),
    ]
    copy = graph.copy()
    found.attach(copy)
    assert [node.type for node in copy.nodes("TopK", "MatMul")] == ["TopK", "MatMul"]


def routed(x: ov.Node) -> tuple[Any, Any]:
    """The sum of all experts by the scores of the two best ones, and the numbers of these."""
    tokens = op.relu(linear(x, 8))
    best = op.topk(op.softmax(linear(tokens, 6), -1), np.array(2), -1, "max", "value")
    scores = op.scatter_elements_update(np.zeros((5, 6), np.float32), best.output(1), best.output(0), np.array(-1))
    experts = op.matmul(op.unsqueeze(tokens, np.array(0)), np.ones((6, 8, 8), np.float32), False, False)
    weighted = op.multiply(experts, op.unsqueeze(op.transpose(scores, np.array([1, 0])), np.array(2)))
    return op.reduce_sum(weighted, np.array([0]), False), best.output(1)


@pytest.mark.parametrize("has_layer", [True, False], ids=["a layer", "a sum"])
def test_what_experts_compute_is_compared_itself_and_their_numbers_before_they_are_chosen(
    graph_of: GraphOf, *, has_layer: bool
) -> None:
    x = op.parameter([5, 8], np.float32, name="x")
    mixed, chosen = routed(x)
    logits_ = linear(op.add(mixed, x), 7) if has_layer else mixed
    found = find_outputs(graph_of(ov.Model([op.result(logits_), op.result(chosen)], [x], "m")))
    assert [(each.kind, each.tensors) for each in found.each] == [
        (OutputKind.VALUES, (0,)),
        (OutputKind.DETECTIONS, (2,)),
    ]
    assert [tap.node.type for tap in found.taps] == ["TopK"]
    assert not found.rows


def picked_tokens(x: ov.Node, count: int = 5) -> ov.Node:
    """The tokens [1, count, 6] with the largest scores, of 64."""
    tokens = op.reshape(convolved(x, 6), np.array([1, 64, 6]), False)
    best = op.topk(op.reduce_max(tokens, np.array([0, 2]), False), np.array(count), 0, "max", "value")
    return op.gather(tokens, best.output(1), np.array(1))


def test_classes_of_the_mean_of_picked_tokens_are_classes(graph_of: GraphOf) -> None:
    """Whichever order they come in."""
    x = image()
    pooled = op.reduce_mean(op.relu(linear(picked_tokens(x), 8)), np.array([1]), False)
    found = find_outputs(graph_of(ov.Model([op.result(linear(pooled, 10))], [x], "m")))
    assert [(each.kind, each.tensors) for each in found.each] == [(OutputKind.CLASSES, (0,))]
    assert (found.taps, found.rows) == ((), {})


def test_what_layers_compute_of_picked_rows_is_compared_by_their_indices(graph_of: GraphOf) -> None:
    """As decoders do that pick queries."""
    x = image()
    found = find_outputs(graph_of(ov.Model([op.result(linear(picked_tokens(x), 7))], [x], "m")))
    assert [(each.kind, each.tensors, each.choice) for each in found.each] == [(OutputKind.VALUES, (0,), None)]
    assert [(tap.node.type, tap.index) for tap in found.taps] == [("Gather", 1)]
    assert (found.rows, found.picked_by) == ({0: 1}, {0: PickedBy(1, 0)})


def test_indices_into_what_an_earlier_selection_picked_name_other_rows_each_time(graph_of: GraphOf) -> None:
    x = image()
    tokens = op.relu(linear(picked_tokens(x, 8), 6))
    best = op.topk(op.reduce_max(tokens, np.array([0, 2]), False), np.array(5), 0, "max", "value")
    rows = linear(op.gather(tokens, best.output(1), np.array(1)), 7)
    found = find_outputs(graph_of(ov.Model([op.result(rows)], [x], "m")))
    assert (found.taps, found.rows, found.picked_by) == ((), {0: 1}, {})


def gathered(tokens: ov.Node, indices: ov.Node) -> ov.Node:
    """GatherElements, with an index for each of six columns."""
    return op.gather_elements(tokens, op.broadcast(op.unsqueeze(indices, np.array(2)), np.array([2, 5, 6])), 1)


@pytest.mark.parametrize(
    ("pick", "move", "by"),
    [
        (gathered, lambda rows: rows, PickedBy(1, 1)),
        (
            lambda tokens, indices: op.gather(tokens, indices, np.array(1), batch_dims=1),
            lambda rows: rows,
            PickedBy(1, 1),
        ),
        (lambda tokens, indices: op.gather_nd(tokens, op.unsqueeze(indices, np.array(2)), 1), op.relu, PickedBy(1, 1)),
        (gathered, lambda rows: op.transpose(rows, np.array([1, 0, 2])), None),
    ],
    ids=["GatherElements", "Gather", "GatherND", "the batch is elsewhere"],
)
def test_the_rows_of_each_item_of_a_batch_have_indices(
    graph_of: GraphOf,
    pick: Callable[[ov.Node, ov.Node], ov.Node],
    move: Callable[[ov.Node], ov.Node],
    by: PickedBy | None,
) -> None:
    x = op.parameter([2, 3, 8, 8], np.float32, name="x")
    tokens = op.reshape(op.transpose(convolved(x, 6), np.array([0, 2, 3, 1])), np.array([2, 64, 6]), False)
    best = op.topk(op.reduce_max(tokens, np.array([2]), False), np.array(5), 1, "max", "value")
    rows = move(linear(pick(tokens, best.output(1)), 7))
    found = find_outputs(graph_of(ov.Model([op.result(rows)], [x], "m")))
    assert found.picked_by == ({0: by} if by else {})
    assert found.rows == {0: 1 if by else 0}


def refined(x: ov.Node) -> tuple[ov.Node, ov.Node]:
    """Scores [1, 5, 3] and boxes [1, 5, 4] of a decoder: what was picked, and what layers add to it."""
    tokens = op.reshape(convolved(x, 4), np.array([1, 64, 4]), False)
    best = op.topk(op.reduce_max(tokens, np.array([0, 2]), False), np.array(5), 0, "max", "value")
    states = op.gather(op.relu(linear(tokens, 6)), best.output(1), np.array(1))
    boxes = op.gather(op.exp(tokens), best.output(1), np.array(1))
    return linear(states, 3), op.sigmoid(op.add(boxes, linear(states, 4)))


def test_boxes_that_layers_refine_are_compared_by_their_indices(graph_of: GraphOf) -> None:
    """Not what is added: it is small if the first boxes are right."""
    x = image()
    scores, boxes = refined(x)
    found = find_outputs(graph_of(ov.Model([op.result(scores), op.result(boxes)], [x], "m")))
    assert [(each.kind, each.tensors) for each in found.each] == [(OutputKind.VALUES, (0,)), (OutputKind.VALUES, (1,))]
    assert (found.rows, set(found.picked_by)) == ({0: 1, 1: 1}, {0, 1})


@pytest.mark.parametrize("count", [4, 5], ids=["fewer", "as many"])
def test_what_a_last_selection_picks_of_refined_boxes_is_compared_before_it(graph_of: GraphOf, count: int) -> None:
    """Also the scores of all classes in one row: their order is that of the first selection."""
    x = image()
    scores, boxes = refined(x)
    best = op.topk(op.reshape(op.sigmoid(scores), np.array([15]), False), np.array(count), 0, "max", "value")
    queries = op.floor(op.divide(op.convert(best.output(1), "f32"), np.float32(3)))
    picked = op.gather(boxes, op.convert(queries, "i64"), np.array(1))
    found = find_outputs(graph_of(ov.Model([op.result(picked)], [x], "m")))
    assert [(each.kind, each.tensors) for each in found.each] == [(OutputKind.DETECTIONS, (1, 2))]
    compared = [(tap.node.type, tap.source.node.type, tap.source.shape) for tap in found.taps[:2]]
    assert compared == [("Reshape", "Sigmoid", (1, 5, 3)), ("Gather", "Sigmoid", (1, 5, 4))]
    assert (found.rows, set(found.picked_by)) == ({1: 1, 2: 1}, {1, 2})


@pytest.mark.parametrize("count", [5, 7, 8, 10])
def test_classes_are_no_rows_even_if_there_are_as_many(graph_of: GraphOf, count: int) -> None:
    x = image()
    tokens = op.relu(linear(picked_tokens(x, count), 8))
    pooled = op.reduce_mean(tokens, np.array([1]), False)
    outputs = [op.result(op.softmax(linear(pooled, 10), 1)), op.result(linear(tokens, 7))]
    found = find_outputs(graph_of(ov.Model(outputs, [x], "m")))
    assert found.rows == {1: 1}
    assert found.each[0].choice is not None


@pytest.mark.parametrize(
    ("move", "axis"),
    [
        (lambda rows: op.transpose(rows, np.array([2, 0, 1])), 2),
        (lambda rows: op.reshape(rows, np.array([5, 7]), False), 0),
        (lambda rows: op.reshape(rows, np.array([1, 35]), False), None),
        (lambda rows: op.unsqueeze(op.softmax(rows, -1), np.array(0)), 2),
        (lambda rows: op.reduce_max(rows, np.array([2]), False), 1),
        (lambda rows: op.reduce_max(rows, np.array([1]), True), None),
        (lambda rows: op.concat([rows, np.ones((1, 5, 2), np.float32)], 2), 1),
        (lambda rows: op.concat([rows, np.ones((1, 2, 7), np.float32)], 1), None),
        (lambda rows: op.matmul(rows, rows, True, False), None),
        (lambda rows: op.matmul(rows, rows, False, True), 1),
        (lambda rows: op.add(np.ones((2, 1, 1, 7), np.float32), rows), 2),
    ],
)
def test_the_axis_of_picked_rows_is_followed(
    graph_of: GraphOf, move: Callable[[ov.Node], ov.Node], axis: int | None
) -> None:
    x = image()
    found = find_outputs(graph_of(ov.Model([op.result(move(linear(picked_tokens(x), 7)))], [x], "m")))
    assert found.rows == ({} if axis is None else {0: axis})


def test_of_two_stages_what_goes_into_both_selections_is_compared(graph_of: GraphOf) -> None:
    """The boxes of the first go on as they are; the layers of the second stage come in the order of the first."""
    x = image()
    maps = convolved(x, 6)
    rows = op.reshape(maps, np.array([64, 6]), False)
    best = op.topk(op.reduce_max(rows, np.array([1]), False), np.array(5), 0, "max", "value")
    rois = op.gather(op.slice(rows, np.array([0]), np.array([4]), np.array([1]), np.array([1])), best.output(1), 0)
    regions = op.roi_align(op.relu(maps), rois, np.zeros(5, np.int32), 2, 2, 2, 1.0, "avg")
    states = op.relu(linear(op.reshape(regions, np.array([5, 24]), False), 8))
    boxes = op.unsqueeze(op.add(rois, linear(states, 4)), np.array(0))
    scores = op.unsqueeze(op.transpose(linear(states, 3), np.array([1, 0])), np.array(0))
    picked = op.non_max_suppression(boxes, scores, np.array(5, np.int64), np.float32(0.5), np.float32(0.1))
    found = find_outputs(graph_of(ov.Model([op.result(picked.output(1))], [x], "m")))
    assert [(tap.node.type, tap.source.node.type) for tap in found.taps] == [
        ("NonMaxSuppression", "Unsqueeze"),
        ("NonMaxSuppression", "Unsqueeze"),
        ("Gather", "TopK"),
    ]
    assert [(each.kind, each.tensors) for each in found.each] == [(OutputKind.DETECTIONS, (1, 2))]
    assert (found.rows, found.picked_by) == ({1: 1, 2: 2}, {1: PickedBy(3, 0), 2: PickedBy(3, 0)})


def test_scores_that_the_best_ones_leave_are_compared_before(graph_of: GraphOf) -> None:
    """All others become zero; the scores do not go through the selection."""
    x = image()
    scores = logits(x)
    least = op.reduce_min(op.topk(scores, np.array(3), 1, "max", "value").output(0), np.array([1]), True)
    kept = op.select(op.greater_equal(scores, least), scores, np.float32(0))
    found = find_outputs(graph_of(ov.Model([op.result(kept)], [x], "m")))
    assert [each.kind for each in found.each] == [OutputKind.DETECTIONS]
    assert {tap.node.type for tap in found.taps} == {"TopK", "GreaterEqual", "Select"}
    assert {tap.source.node.type for tap in found.taps} == {"MatMul"}


def test_rows_keep_their_indices_where_detections_are_left_out(graph_of: GraphOf) -> None:
    x = image()
    scores, boxes = refined(x)
    best = op.topk(op.reduce_max(scores, np.array([0, 2]), False), np.array(3), 0, "max", "value")
    graph = graph_of(ov.Model([op.result(op.gather(boxes, best.output(1), np.array(1))), op.result(scores)], [x], "m"))
    found = find_outputs(graph)
    narrowed = found.narrowed(graph, list(graph.nodes("Convolution", "MatMul")))
    assert found.picked_by == {1: PickedBy(4, 0), 2: PickedBy(4, 0), 3: PickedBy(5, 0)}
    assert narrowed.picked_by == {0: PickedBy(3, 0), 1: PickedBy(3, 0), 2: PickedBy(4, 0)}
    narrowed.attach(graph)
    assert [each.source().shape for each in graph.in_file_order("Result")][3:] == [(5,), (5,)]


def test_rows_with_the_same_index_are_compared_in_each_item_of_a_batch() -> None:
    indices = np.array([[7, 3, 9], [1, 4, 2]])
    rows = np.arange(12.0).reshape(2, 3, 2)
    order = [[2, 0, 1], [1, 2, 0]]
    found = [np.stack([each[k] for each, k in zip(array, order, strict=True)]) for array in (rows, indices)]
    (each,) = agreements(BY_INDEX, [[rows, indices]], [found])
    assert (each.sqnr, each.is_ascending, each.is_bound) == (math.inf, False, False)


def test_a_row_that_only_one_model_picked_is_compared_with_the_next() -> None:
    rows, indices = np.array([[[8.0], [4.0], [2.0], [1.0]]]), np.array([[30, 10, 20, 40]])
    others, places = np.array([[[1.0], [3.0], [5.0], [8.0]]]), np.array([[40, 11, 31, 30]])
    (each,) = agreements(BY_INDEX, [[rows, indices]], [[others, places]])  # 10 with 11, 20 with 31
    assert each.sqnr == pytest.approx(10 * math.log10((64 + 16 + 4 + 1) / (1 + 9)))


def test_rows_of_another_number_are_compared_as_outputs_of_another_size() -> None:
    rows, indices = np.ones((1, 4, 2)), np.arange(4)[np.newaxis]
    (each,) = agreements(BY_INDEX, [[rows, indices]], [[rows[:, 1:], indices[:, 1:]]])
    assert (each.resized, each.is_bound) == (1, True)


def test_rows_without_indices_are_compared_in_ascending_order_and_never_good() -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),), rows={0: 0})
    rows = np.array([[3.0, 1.0], [2.0, 5.0], [1.0, 4.0]])
    (moved,), (negated,) = (agreements(outputs, [[rows]], [[other]]) for other in (rows[::-1], -rows))
    assert (moved.sqnr, moved.is_ascending, moved.verdict) == (math.inf, True, Verdict.FAIR)
    assert negated.verdict is Verdict.POOR


def test_columns_of_such_rows_choose_nothing() -> None:
    rng = np.random.default_rng(0)
    boxes = np.concatenate([300 * rng.random((20, 4)), rng.random((20, 6))], 1)
    samples = [ValidationSample(Sample("", None), {}, [boxes])]
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),), joined=frozenset({0}))
    (chosen,), (none,), (by_index,) = (
        [each.choice for each in it.seen(samples).each[0].parts if str(each) == "columns 4 to 9"]
        for it in (outputs, replace(outputs, rows={0: 0}), replace(outputs, rows={0: 0}, picked_by={0: PickedBy(1, 0)}))
    )
    assert (chosen, none, by_index) == (Choice(1, 0.25), None, Choice(1, 0.25))
