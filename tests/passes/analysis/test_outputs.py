"""What a model's outputs are taken for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, from_text
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs, find_outputs
from irquant.passes.runtime.samples import Sample, ValidationSample
from tests.passes.output_models import convolved, image, linear, logits

Array = np.ndarray[Any, np.dtype[Any]]
GraphOf = Callable[[ov.Model], Graph]
KERNEL = np.ones((3, 3, 3, 3), np.float32)


def kinds(graph: Graph) -> list[OutputKind]:
    return [each.kind for each in find_outputs(graph).each]


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


@pytest.mark.parametrize("ending", ["", "/sink_port_0"])
def test_an_output_is_called_as_in_the_file_that_it_came_from(ending: str) -> None:
    graph = from_text(f"""
        x: f32[1,3] = Parameter()
        y: f32[1,3]<"inner/concat_1,mask"> = ReLU(x)
        mask{ending} = Result(y)
    """)
    assert [each.name for each in find_outputs(graph).each] == ["mask"]
