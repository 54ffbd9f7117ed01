"""What a model's outputs are taken for, and what is compared."""

import math
from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.quality.agreement import Agreement, Verdict, agreements, tally
from irquant.passes.quality.outputs import Output, OutputKind, Outputs, find_outputs

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
    x = image()
    assert kinds(graph_of(ov.Model([op.result(convolved(x))], [x], "m"))) == [OutputKind.IMAGE]


@pytest.mark.parametrize("case", ["fewer pixels", "other channels", "probabilities", "an input of another rank"])
def test_other_maps_are_values(graph_of: GraphOf, case: str) -> None:
    x = image()
    tensor = {
        "fewer pixels": lambda: convolved(x, stride=2),
        "other channels": lambda: convolved(x, channels=1),
        "probabilities": lambda: op.sigmoid(convolved(x)),
        "an input of another rank": lambda: op.unsqueeze(convolved(x), np.array(0)),
    }[case]()
    assert kinds(graph_of(ov.Model([op.result(tensor)], [x], "m"))) == [OutputKind.VALUES]


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


def test_a_layer_behind_a_selection_keeps_all_of_it(graph_of: GraphOf) -> None:
    x = image()
    maps = op.reshape(convolved(x, 6), np.array([1, -1]), False)
    best = op.topk(maps, np.array(10), 1, "max", "value").output(0)
    graph = graph_of(ov.Model([op.result(op.matmul(best, np.ones((4, 10), np.float32), False, True))], [x], "m"))
    layers = list(graph.nodes("Convolution", "MatMul"))
    found = find_outputs(graph)
    assert found.narrowed(graph, layers) == found
    assert found.narrowed(graph, layers[:1]).left_out


def test_a_selection_of_inputs_is_not_compared(graph_of: GraphOf) -> None:
    """Nothing that int8 changes goes into it."""
    x = image()
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


def test_what_cannot_be_compared_is_no_reason_to_act() -> None:
    assert agreement(OutputKind.VALUES, math.nan).margin == math.inf


def test_the_cosine_is_that_of_all_samples_as_one_vector() -> None:
    one, other = [np.array([3.0, 0.0]), np.array([4.0])], [np.array([3.0, 4.0]), np.array([0.0])]
    assert tally(one, other).cosine == pytest.approx(9 / 25)
    assert tally([np.zeros(2)], [np.zeros(2)]).cosine == 1.0
    assert tally([np.zeros(2)], [np.ones(2)]).cosine == 0.0
    assert math.isnan(tally([np.zeros(2)], [np.ones(3)]).cosine)


def test_decisions_are_those_of_each_row() -> None:
    one = [np.array([[1.0, 2.0], [4.0, 3.0]]), np.array([[0.0, 1.0]])]
    other = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 5.0]])]
    assert tally(one, other).top1 == pytest.approx(2 / 3)


def test_of_several_tensors_the_worst_counts() -> None:
    outputs = Outputs((Output("boxes", OutputKind.DETECTIONS, (1, 2)),))
    reference = [[np.zeros(1), np.ones(4), np.ones(4)]]
    found = [[np.ones(1), np.ones(4) * 1.1, np.ones(4) * 1.5]]
    (each,) = agreements(outputs, reference, found)
    assert each.sqnr == pytest.approx(10 * math.log10(1 / 0.25))
    assert each.top1 is None


def test_sizes_that_differ_are_unknown_not_wrong() -> None:
    outputs = Outputs((Output("y", OutputKind.CLASSES, (0,)),))
    (each,) = agreements(outputs, [[np.ones(3)]], [[np.ones(4)]])
    assert (each.verdict, each.top1) == (Verdict.UNKNOWN, None)


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
