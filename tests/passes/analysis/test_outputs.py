"""What a model's outputs are taken for, and what is compared."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.analysis.agreement import Agreement, Tallies, Verdict, agreements, tally
from irquant.passes.analysis.choices import Choice
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs, find_outputs
from irquant.passes.analysis.parts import Part
from irquant.passes.analysis.picked_by import PickedBy
from irquant.passes.runtime.samples import Sample, ValidationSample

Array = np.ndarray[Any, np.dtype[Any]]
GraphOf = Callable[[ov.Model], Graph]
KERNEL = np.ones((3, 3, 3, 3), np.float32)


def image(channels: int = 3, side: int = 8) -> ov.Node:
    return op.parameter([1, channels, side, side], np.float32, name="image")


def convolved(x: ov.Node, channels: int = 3, stride: int = 1) -> ov.Node:
    kernel = np.ones((channels, x.shape[1], 3, 3), np.float32)
    return op.convolution(x, kernel, [stride, stride], [1, 1], [1, 1], [1, 1])


def kinds(graph: Graph) -> list[OutputKind]:
    return [each.kind for each in find_outputs(graph).each]


def logits(x: ov.Node, count: int = 10) -> ov.Node:
    pooled = op.reduce_mean(convolved(x), np.array([2, 3]), False)
    return op.matmul(pooled, np.ones((count, 3), np.float32), False, True)


def test_as_many_channels_and_pixels_as_the_input_are_an_image(graph_of: GraphOf) -> None:
    x = image(side=16)
    assert kinds(graph_of(ov.Model([op.result(convolved(x))], [x], "m"))) == [OutputKind.IMAGE]


def last_rows(x: ov.Node) -> ov.Node:
    """The last 16 of 32 rows, of which the input makes the first half, as it does in a cache that moves on."""
    return op.slice(x, np.array([8]), np.array([24]), np.array([1]), np.array([2]))


@pytest.mark.parametrize(
    "case", ["fewer pixels", "other channels", "probabilities", "an input of another rank", "a cache"]
)
def test_other_maps_are_values(graph_of: GraphOf, case: str) -> None:
    x = image(side=16)
    tensor = {
        "fewer pixels": lambda: convolved(x, stride=2),
        "other channels": lambda: convolved(x, channels=1),
        "probabilities": lambda: op.sigmoid(convolved(x)),
        "an input of another rank": lambda: op.unsqueeze(convolved(x), np.array(0)),
        "a cache": lambda: last_rows(op.concat([x, convolved(x)], 2)),
    }[case]()
    assert kinds(graph_of(ov.Model([op.result(tensor)], [x], "m"))) == [OutputKind.VALUES]


@pytest.mark.parametrize("sides", [(64, 8), (8, 64), (15, 15)])
def test_a_state_of_few_numbers_a_side_is_no_image(graph_of: GraphOf, sides: tuple[int, int]) -> None:
    """Streaming networks return states of one channel, which are alike from step to step."""
    x = op.parameter([2, 1, *sides], np.float32, name="state")
    assert kinds(graph_of(ov.Model([op.result(convolved(x, 1))], [x], "m"))) == [OutputKind.VALUES]
    state = picture(channels=1).repeat(2, 2)[..., : sides[0], : sides[1]]
    assert seen(state, state) is OutputKind.VALUES


@pytest.mark.parametrize("moved", [False, True])
def test_a_softmax_gives_classes(graph_of: GraphOf, *, moved: bool) -> None:
    x = image()
    found = op.softmax(logits(x), 1)
    found = op.reshape(found, np.array([1, 10]), False) if moved else found
    assert kinds(graph_of(ov.Model([op.result(found)], [x], "m"))) == [OutputKind.CLASSES]


def test_logits_are_classes_where_they_are_the_only_output(graph_of: GraphOf) -> None:
    x = image()
    biased = op.add(logits(x), np.ones((1, 10), np.float32))
    assert kinds(graph_of(ov.Model([op.result(biased)], [x], "m"))) == [OutputKind.CLASSES]


def test_several_linear_outputs_or_two_columns_are_values(graph_of: GraphOf) -> None:
    x = image()
    both = ov.Model([op.result(logits(x)), op.result(logits(x, 4))], [x], "m")
    assert kinds(graph_of(both)) == [OutputKind.VALUES] * 2
    y = image()
    assert kinds(graph_of(ov.Model([op.result(logits(y, 2))], [y], "m"))) == [OutputKind.VALUES]


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


def linear(x: ov.Node, columns: int) -> ov.Node:
    return op.matmul(x, np.ones((columns, x.shape[-1]), np.float32), False, True)


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


@pytest.mark.parametrize("has_layer", [False, True])
def test_a_body_with_layers_computes_what_it_selects(graph_of: GraphOf, *, has_layer: bool) -> None:
    x = image()
    rows = op.reshape(convolved(x, 6), np.array([64, 6]), False)
    each = op.parameter([1, 6], np.float32)
    best = op.topk(linear(each, 6) if has_layer else each, np.array(2), 1, "max", "value").output(0)
    loop = op.tensor_iterator()
    loop.set_function(ov.Model([op.result(best)], [each]))
    loop.set_sliced_input(each, rows.output(0), 0, 1, 1, -1, 0)
    loop.get_concatenated_slices(loop.get_function().results[0].output(0), 0, 1, 1, -1, 0)
    found = find_outputs(graph_of(ov.Model([op.result(loop.output(0))], [x], "m")))
    assert [it.kind for it in found.each] == [OutputKind.VALUES if has_layer else OutputKind.DETECTIONS]


def test_a_selection_of_inputs_is_not_compared(graph_of: GraphOf) -> None:
    """Nothing that int8 changes goes into it."""
    x = image(side=16)
    best = op.topk(op.reshape(x, np.array([1, -1]), False), np.array(3), 1, "max", "value")
    assert kinds(graph_of(ov.Model([op.result(best.output(0)), op.result(convolved(x))], [x], "m"))) == [
        OutputKind.VALUES,
        OutputKind.IMAGE,
    ]


# --------------------------------------------------------------------------------------------------- the numbers


def agreement(kind: OutputKind, sqnr: float) -> Agreement:
    return Agreement("y", kind, sqnr, 1.0)


@pytest.mark.parametrize(
    ("kind", "ratio", "verdict"),
    [
        (OutputKind.VALUES, 9.9, Verdict.POOR),
        (OutputKind.VALUES, 10.0, Verdict.FAIR),
        (OutputKind.CLASSES, 19.9, Verdict.FAIR),
        (OutputKind.DETECTIONS, 20.0, Verdict.GOOD),
        (OutputKind.IMAGE, 37.9, Verdict.POOR),
        (OutputKind.IMAGE, 38.0, Verdict.FAIR),
        (OutputKind.IMAGE, 43.0, Verdict.GOOD),
        (OutputKind.VALUES, math.inf, Verdict.GOOD),
        (OutputKind.VALUES, -math.inf, Verdict.POOR),
        (OutputKind.VALUES, math.nan, Verdict.UNKNOWN),
    ],
)
def test_the_verdict_depends_on_what_the_output_is(kind: OutputKind, ratio: float, verdict: Verdict) -> None:
    assert agreement(kind, ratio).verdict is verdict


def test_what_cannot_be_compared_is_no_reason_to_act_and_no_praise() -> None:
    assert agreement(OutputKind.VALUES, math.nan).margin == 0


def test_an_upper_bound_is_never_good() -> None:
    """Sizes that differ leave no element to compare with."""
    found = replace(agreement(OutputKind.VALUES, 35.0), resized=1)
    assert (found.verdict, found.margin) == (Verdict.FAIR, 25.0)
    assert replace(found, sqnr=9.0).verdict is Verdict.POOR


def test_the_cosine_is_that_of_all_samples_as_one_vector() -> None:
    one, other = [np.array([3.0, 0.0]), np.array([4.0])], [np.array([3.0, 4.0]), np.array([0.0])]
    assert tally(one, other).cosine == pytest.approx(9 / 25)
    assert tally([np.zeros(2)], [np.zeros(2)]).cosine == 1.0
    assert tally([np.zeros(2)], [np.ones(2)]).cosine == 0.0
    assert math.isnan(tally([np.zeros(2)], [np.ones((2, 1))]).cosine)


CHOOSING = Outputs((Output("y", OutputKind.CLASSES, (0,), Choice(1)),))


def test_decisions_are_those_of_each_row() -> None:
    one = [[np.array([[1.0, 2.0], [4.0, 3.0]])], [np.array([[0.0, 1.0]])]]
    other = [[np.array([[1.0, 2.0], [3.0, 4.0]])], [np.array([[0.0, 5.0]])]]
    (each,) = agreements(CHOOSING, one, other)
    assert each.top1 == pytest.approx(2 / 3)
    assert each.decisions == 3


def test_what_is_masked_in_both_models_is_not_chosen() -> None:
    """Logarithms of probabilities lie below zero; that of zero is minus infinity."""
    one, other = [[np.array([[-np.inf, -0.1, -2.0]])]], [[np.array([[-np.inf, -2.0, -0.1]])]]
    (each,) = agreements(CHOOSING, one, other)
    assert (each.top1, each.decisions) == (0.0, 1)


@pytest.mark.parametrize(
    ("changed", "count", "verdict"),
    [
        (0, 16, Verdict.GOOD),
        (2, 16, Verdict.FAIR),  # 12 %, but of so few that it may be 4 %
        (1, 9, Verdict.GOOD),
        (290, 10_000, Verdict.GOOD),
        (400, 10_000, Verdict.FAIR),
        (1000, 10_000, Verdict.FAIR),
        (1200, 10_000, Verdict.POOR),
        (9, 9, Verdict.POOR),
    ],
)
def test_changed_decisions_count_whatever_the_ratio(changed: int, count: int, verdict: Verdict) -> None:
    found = replace(agreement(OutputKind.CLASSES, 60.0), top1=1 - changed / count, decisions=count)
    assert (found.by_ratio, found.verdict) == (Verdict.GOOD, verdict)
    assert (found.margin < 0) == (verdict is Verdict.POOR)
    assert (found.above_good < 0) == (verdict is not Verdict.GOOD)


def test_decisions_that_stay_make_no_poor_ratio_better() -> None:
    found = replace(agreement(OutputKind.CLASSES, 9.0), top1=1.0, decisions=10_000)
    assert (found.verdict, found.margin) == (Verdict.POOR, -1.0)


def test_half_as_many_changed_decisions_are_half_the_amplitude_but_the_error_is_told_by_the_ratio_alone() -> None:
    """As many change as lie within the error."""
    one, other = (replace(agreement(OutputKind.CLASSES, 60.0), top1=1 - share, decisions=10**9) for share in (0.4, 0.2))
    assert other.margin - one.margin == pytest.approx(20 * math.log10(2), rel=1e-2)
    assert one.error == other.error == pytest.approx(1e-5)


def test_columns_are_judged_by_the_worst_of_them() -> None:
    part = Part(0, 1, 2, (1, 2))
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,), parts=(Part(0, 1, 2, (0,)), part)),))
    (each,) = agreements(outputs, [[np.array([[100.0, 1.0, 0.0]])]], [[np.array([[100.0, 0.5, 0.0]])]])
    assert (each.part, each.verdict) == ("columns 1 to 2", Verdict.POOR)
    assert each.sqnr == pytest.approx(10 * math.log10(4))
    assert each.whole == pytest.approx(10 * math.log10(10_001 / 0.25))


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


BY_INDEX = Outputs((Output("y", OutputKind.VALUES, (0,)),), rows={0: 1}, picked_by={0: PickedBy(1, 1)})


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


def test_parts_of_another_size_are_judged_as_a_whole() -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,), parts=(Part(0, 1, 2, (4,)),)),))
    (each,) = agreements(outputs, [[np.ones((1, 2))]], [[np.ones((1, 2)) * 1.1]])
    assert each.part == ""
    assert each.sqnr == pytest.approx(20.0)


def test_random_outputs_are_not_compared() -> None:
    outputs = Outputs((Output("y", OutputKind.CLASSES, (0,), Choice(1)),)).without({0})
    assert [each.kind for each in outputs.each] == [OutputKind.RANDOM]
    (each,) = agreements(outputs, [[np.ones((1, 2))]], [[np.zeros((1, 2))]])
    assert (each.verdict, each.margin, each.error, each.top1) == (Verdict.UNKNOWN, math.inf, 0.0, None)


def test_of_several_tensors_the_worst_counts() -> None:
    outputs = Outputs((Output("boxes", OutputKind.DETECTIONS, (1, 2)),))
    reference = [[np.zeros(1), np.ones(4), np.ones(4)]]
    found = [[np.ones(1), np.ones(4) * 1.1, np.ones(4) * 1.5]]
    (each,) = agreements(outputs, reference, found)
    assert each.sqnr == pytest.approx(10 * math.log10(1 / 0.25))
    assert each.top1 is None


def test_axes_that_differ_are_unknown_not_wrong() -> None:
    outputs = Outputs((Output("y", OutputKind.CLASSES, (0,)),))
    (each,) = agreements(outputs, [[np.ones(3)]], [[np.ones((4, 1))]])
    assert (each.verdict, each.top1, each.resized) == (Verdict.UNKNOWN, None, 0)


# --------------------------------------------------------------------------------------- tensors of other sizes and types


def test_of_tensors_of_other_lengths_the_values_are_compared_and_what_is_missing_is_lost() -> None:
    """Half of the signal's elements are gone, whose power counts as error; the other half is there, in another order."""
    one, other = np.array([3.0, 1.0, 2.0, 2.0]), np.array([2.0, 2.0])
    found = tally([one], [other])
    power, spread = 18.0, 1.0 + 1.0  # in ascending order 1 2 2 3 against 2 2 2 2
    assert found.sqnr == pytest.approx(10 * math.log10(power / (spread + power / 2)))
    assert (found.resized, found.decisions) == (1, 0)


def test_a_sentence_a_little_longer_is_fair_and_noise_instead_of_it_is_poor() -> None:
    rng = np.random.default_rng(0)
    sound = np.sin(np.linspace(0, 90, 4000))[None]
    outputs = Outputs((Output("sound", OutputKind.VALUES, (0,)),))
    longer = np.interp(np.linspace(0, 1, 4120), np.linspace(0, 1, 4000), sound[0])[None]
    (fair,) = agreements(outputs, [[sound]], [[longer]])
    (poor,) = agreements(outputs, [[sound]], [[3 * rng.normal(size=(1, 4120))]])
    assert (fair.verdict, fair.resized, poor.verdict) == (Verdict.FAIR, 1, Verdict.POOR)
    assert poor.margin < 0 <= fair.margin


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        (np.zeros((0, 7)), np.zeros((0, 7)), math.inf),
        (np.ones((3, 7)), np.zeros((0, 7)), 0.0),
        (np.zeros((0, 7)), np.ones((3, 7)), -math.inf),
        (np.array([True, False]), np.array([True, False]), math.inf),
        (np.array([True, True]), np.array([True, False]), 10 * math.log10(2)),
        (np.array([2, 4], np.int64), np.array([2, 3], np.int64), 10 * math.log10(20)),
        (np.array(5.0), np.array(4.0), 10 * math.log10(25)),
        (np.array([math.nan, 2.0]), np.array([math.nan, 2.0]), math.inf),
        (np.array([math.nan, 2.0]), np.array([1.0, 2.0]), -math.inf),
        (np.array([b"cat", b"dog"]), np.array([b"cat", b"dog"]), math.inf),
        (np.array([b"cat", b"dog"]), np.array([b"cat", b"doge"]), 10 * math.log10(2)),
        (np.array([b"cat"]), np.array([b"cat", b"cat"]), -10 * math.log10(1.5)),
    ],
)
def test_tensors_of_every_kind_have_a_ratio(one: Array, other: Array, ratio: float) -> None:
    assert tally([one], [other]).sqnr == pytest.approx(ratio)


# ---------------------------------------------------------------------------------------------------- images that are none


def seen(output: Array, given: Array) -> OutputKind:
    outputs = Outputs((Output("y", OutputKind.IMAGE, (0,)),))
    samples = [ValidationSample(Sample("", None), {"x": given}, [output])]
    return outputs.seen(samples).each[0].kind


def picture(side: int = 32, channels: int = 3) -> Array:
    """Patches of colour."""
    patches = np.random.default_rng(1).random((1, channels, side // 4, side // 4))
    return patches.repeat(4, 2).repeat(4, 3)


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x,
        lambda x: x.repeat(2, 2).repeat(2, 3),
        lambda x: x + 0.1 * np.random.default_rng(0).normal(size=x.shape),
        lambda x: 255 * x,
        lambda x: 0.7 * x + 0.2,
    ],
    ids=["the same", "larger", "noisy", "0 to 255", "paler"],
)
def test_what_looks_like_the_picture_is_an_image(made: Callable[[Array], Array]) -> None:
    x = picture()
    assert seen(made(x), x) is OutputKind.IMAGE
    channels_last = x.transpose(0, 2, 3, 1)
    assert seen(made(channels_last.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1), channels_last) is OutputKind.IMAGE


@pytest.mark.parametrize(
    "made",
    [
        lambda x: 16 * (x > 0.5) - 8.0,
        lambda x: 12 * (x - 0.5),
        lambda x: 1 - x,
        lambda x: x[:, ::-1],
        lambda x: np.random.default_rng(2).random(x.shape),
        lambda x: np.full(x.shape, 0.5),
        lambda x: x * np.nan,
    ],
    ids=["logits of a mask", "logits of brightness", "negative", "other channels", "noise", "grey", "nan"],
)
def test_what_does_not_is_values(made: Callable[[Array], Array]) -> None:
    assert seen(made(picture()), picture()) is OutputKind.VALUES


def test_without_samples_nothing_is_known_to_be_an_image() -> None:
    outputs = Outputs((Output("y", OutputKind.IMAGE, (0,)), Output("z", OutputKind.CLASSES, (1,))))
    assert [each.kind for each in outputs.seen([]).each] == [OutputKind.VALUES, OutputKind.CLASSES]


def test_a_foreground_is_no_picture_though_it_fills_one() -> None:
    """It looks like the picture where it fills it, and not where it is small."""
    outputs = Outputs((Output("y", OutputKind.IMAGE, (0,)),))
    full, small = picture(), picture() * (np.arange(32) < 8)
    samples = [ValidationSample(Sample("", None), {"x": picture()}, [each]) for each in [*[full] * 9, small]]
    assert outputs.seen(samples).each[0].kind is OutputKind.VALUES
    assert outputs.seen(samples[:9]).each[0].kind is OutputKind.IMAGE


def test_a_picture_of_one_colour_tells_nothing() -> None:
    outputs = Outputs((Output("y", OutputKind.IMAGE, (0,)),))
    grey = np.full((1, 3, 32, 32), 0.5)
    samples = [ValidationSample(Sample("", None), {"x": each}, [each]) for each in (picture(), grey)]
    assert outputs.seen(samples) == outputs
    assert outputs.seen(samples[1:]).each[0].kind is OutputKind.VALUES


def test_only_the_input_that_is_a_picture_is_looked_at() -> None:
    outputs = Outputs((Output("y", OutputKind.IMAGE, (0,)),))
    feed = {"noise": np.zeros((1, 5)), "x": picture()}
    assert outputs.seen([ValidationSample(Sample("", None), feed, [picture()])]) == outputs


# ------------------------------------------------------------------------------------------------------------- decisions


def test_whole_numbers_and_flags_are_compared_before_they_are_made(graph_of: GraphOf) -> None:
    x = image()
    maps = convolved(x, 2)
    outputs = [
        op.greater(maps, np.float32(0)),
        op.convert(op.round(maps, "half_to_even"), "i32"),
        op.convert(op.greater(op.relu(maps), np.float32(1)), "f32"),
        op.shape_of(maps),
    ]
    found = find_outputs(graph_of(ov.Model([op.result(each) for each in outputs], [x], "m")))
    assert [(each.kind.value, each.tensors) for each in found.each] == [
        ("decisions", (4,)),
        ("decisions", (5,)),
        ("values", (2,)),
        ("values", (3,)),
    ]
    assert [(tap.node.type, tap.source.node.type) for tap in found.taps] == [
        ("Greater", "Convolution"),
        ("Round", "Convolution"),
    ]


def test_whole_numbers_of_inputs_are_compared_as_they_are(graph_of: GraphOf) -> None:
    x = image()
    model = ov.Model([op.result(op.greater(x, np.float32(0))), op.result(convolved(x))], [x], "m")
    found = find_outputs(graph_of(model))
    assert ([each.tensors for each in found.each], found.taps) == ([(0,), (1,)], ())


def test_a_picture_of_bytes_is_an_image(graph_of: GraphOf) -> None:
    x = image(side=16)
    clipped = op.convert(op.clamp(convolved(x), 0.0, 255.0), "u8")
    assert kinds(graph_of(ov.Model([op.result(clipped)], [x], "m"))) == [OutputKind.IMAGE]


def spoken() -> ov.Model:
    """A sound of a length that durations decide, as text-to-speech networks make it."""
    x = op.parameter([1, 6, 8], np.float32, name="x")
    states = op.relu(op.matmul(x, np.eye(8, dtype=np.float32), False, True))
    durations = op.ceiling(op.exp(op.matmul(states, np.full((1, 8), 0.1, np.float32), False, True)))
    length = op.convert(op.reduce_sum(durations, np.array([0, 1, 2]), False), "i64")
    steps = op.convert(op.range(np.array(0, np.int64), length, np.array(1, np.int64), "i64"), "f32")
    level = op.reduce_mean(states, np.array([0, 1, 2]), False)
    return ov.Model([op.result(op.multiply(op.sin(steps), level)), op.result(states)], [x], "m")


def test_what_decides_a_length_is_compared_besides(graph_of: GraphOf) -> None:
    found = find_outputs(graph_of(spoken()))
    assert [(each.kind, each.tensors) for each in found.each] == [
        (OutputKind.VALUES, (0, 2)),
        (OutputKind.VALUES, (1,)),
    ]
    (tap,) = found.taps
    assert (tap.node.type, tap.source.node.type) == ("Convert", "ReduceSum")


def test_a_shape_computed_from_sizes_decides_nothing(graph_of: GraphOf) -> None:
    x = op.parameter(ov.PartialShape([1, 3, -1, 8]), np.float32, name="x")
    y = convolved_dynamic(x)
    shaped = op.reshape(y, op.concat([op.gather(op.shape_of(y), np.array([0]), np.array(0)), np.array([-1])], 0), False)
    found = find_outputs(graph_of(ov.Model([op.result(shaped)], [x], "m")))
    assert (found.each[0].tensors, found.taps) == ((0,), ())


def convolved_dynamic(x: ov.Node) -> ov.Node:
    return op.convolution(x, KERNEL, [1, 1], [1, 1], [1, 1], [1, 1])


def test_what_is_infinite_in_both_is_equal() -> None:
    """Logarithms of zero, say."""
    one = np.array([-np.inf, 3.0, 4.0])
    found = tally([one], [np.array([-np.inf, 3.0, 4.5])])
    assert found.sqnr == pytest.approx(10 * math.log10(25 / 0.25))
    assert tally([one], [one]).sqnr == math.inf


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_becomes_infinite_or_nan_is_lost(wrong: float) -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),))
    (each,) = agreements(outputs, [[np.ones(3)]], [[np.array([1.0, wrong, 1.0])]])
    assert (each.sqnr, each.cosine, each.verdict, each.margin) == (-math.inf, 0.0, Verdict.POOR, -math.inf)


@pytest.mark.parametrize(
    ("samples", "kind", "good_from"),
    [
        (0, OutputKind.VALUES, 20.0),
        (1, OutputKind.VALUES, 30.0),
        (4, OutputKind.VALUES, 25.0),
        (4, OutputKind.IMAGE, 48.0),
        (8, OutputKind.VALUES, 20.0),
        (32, OutputKind.IMAGE, 43.0),
    ],
)
def test_on_few_samples_good_needs_more(samples: int, kind: OutputKind, good_from: float) -> None:
    above, below = (Agreement("y", kind, good_from + each, 1.0, samples=samples) for each in (0.0, -0.1))
    assert above.good_from == good_from
    assert (above.verdict, below.verdict) == (Verdict.GOOD, Verdict.FAIR)
    assert [above.above_good, below.above_good] == pytest.approx([0.0, -0.1])
    assert below.on_samples is (Verdict.GOOD if 0 < samples < 8 else Verdict.FAIR)


@pytest.mark.parametrize(("ratio", "verdict"), [(9.0, Verdict.POOR), (15.0, Verdict.FAIR), (math.inf, Verdict.GOOD)])
def test_few_samples_change_no_other_verdict(ratio: float, verdict: Verdict) -> None:
    few = Agreement("y", OutputKind.VALUES, ratio, 1.0, samples=2)
    assert few.verdict is few.on_samples is verdict


def test_the_number_of_samples_is_told() -> None:
    (each,) = agreements(CHOOSING, [[np.ones((1, 2))]] * 3, [[np.ones((1, 2))]] * 3)
    assert each.samples == 3


def test_the_samples_with_the_largest_share_of_any_output_s_error_are_the_hardest() -> None:
    outputs = Outputs((Output("a", OutputKind.VALUES, (0,)), Output("b", OutputKind.VALUES, (1,))))
    tallies = Tallies(outputs)
    for first, second in [(1.0, 0.0), (100.0, 0.0), (1.0, 0.2), (0.0, 0.1)]:
        tallies.add([np.zeros(1), np.ones(1)], [np.full(1, first), np.full(1, 1 + second)])
    assert tallies.hardest == [1, 2, 3, 0]


def test_without_any_error_no_sample_is_harder_than_another() -> None:
    tallies = Tallies(Outputs((Output("a", OutputKind.VALUES, (0,)),)))
    for _ in range(3):
        tallies.add([np.ones(1)], [np.ones(1)])
    assert tallies.hardest == [0, 1, 2]
