"""What gives the same values whatever the data is a constant, however it is computed."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array, Graph, from_text, verify
from irquant.passes import Context
from irquant.passes.analysis.constants import constant_nodes, values_of
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

HEAD = """
    x: f32[2,3] = Parameter()
    d: f32[?,3] = Parameter()
    c: f32[2,3] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    n: i64[2] = Const() [2, 1]
    zero: f32[] = Const() [0.0]
    one: f32[] = Const() [1.0]
"""
TAIL = """
    rx = Result(x)
    rd = Result(d)
    r = Result(y)
"""


def is_constant(*lines: str) -> bool:
    graph = from_text(HEAD + "\n".join(lines) + TAIL)
    return graph.node("y") in constant_nodes(graph)


@pytest.mark.parametrize(
    "lines",
    [
        ["y: f32[4,3] = Tile(c, n)"],
        ['y: f32[2,3] = Add(c, c) auto_broadcast="numpy"'],
        ['y: f32[4,3] = Concat(c, c) axis="0"'],
        ["y: f32[2,3] = Sigmoid(c)"],
        ['y: i64[2] = ShapeOf.opset3(x) output_type="i64"'],
        ['s: i64[2] = ShapeOf.opset3(x) output_type="i64"', 'y: f32[2,3] = Broadcast.opset3(one, s) mode="numpy"'],
    ],
)
def test_what_is_computed_from_constants_alone_is_one(lines: list[str]) -> None:
    assert is_constant(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        ['y: f32[2,3] = Add(c, x) auto_broadcast="numpy"'],
        ['y: i64[2] = ShapeOf.opset3(d) output_type="i64"'],
        ['y: f32[?,?] = RandomUniform.opset8(n, zero, one) output_type="f32" global_seed="0" op_seed="0"'],
        ['y: f32[2,3] = ReadValue.opset6(c) variable_id="v" variable_type="f32" variable_shape="2,3"'],
    ],
)
def test_what_depends_on_data_state_or_chance_is_none(lines: list[str]) -> None:
    assert not is_constant(*lines)


SIZES = """
    e: f32[1,3,?,5] = Parameter()
    re = Result(e)
    s: i64[4] = ShapeOf.opset3(e) output_type="i64"
    axis: i64[] = Const() [0]
    first: i64[1] = Const() [0]
    second: i64[1] = Const() [1]
    fourth: i64[1] = Const() [-1]
    step: i64[1] = Const() [1]
    batch: i64[] = Const() [0]
    height: i64[1] = Const() [2]
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('y: i64[] = Gather.opset8(s, batch, axis) batch_dims="0"', 1),
        ('y: i64[1] = Gather.opset8(s, fourth, axis) batch_dims="0"', [5]),
        ("y: i64[2] = Slice.opset8(s, first, height, step)", [1, 3]),
        ('y: i64[1] = StridedSlice(s, second, height, step) begin_mask="0" end_mask="0" new_axis_mask="0"', [3]),
        ('y: i64[2] = StridedSlice(s, second, height, step) begin_mask="1" end_mask="0" new_axis_mask="0"', [1, 3]),
        ('y: i64[1] = StridedSlice(s, fourth, height, step) begin_mask="0" end_mask="1" new_axis_mask="0"', [5]),
        ('y: i64[] = StridedSlice(s, first, second, step) begin_mask="0" end_mask="0" shrink_axis_mask="1"', 1),
    ],
)
def test_a_size_that_is_known_is_a_constant_though_others_are_not(line: str, expected: object) -> None:
    graph = from_text(HEAD + SIZES + line + TAIL)
    assert graph.node("y") in constant_nodes(graph)
    assert graph.node("s") not in constant_nodes(graph)
    whole = runtime_sizes(graph)
    (found,) = values_of([graph.node("y").output()])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(whole, expected)


def runtime_sizes(graph: Graph) -> Array:
    """What the runtime itself gives for y, for a height of 7."""
    model = ov.Core().compile_model(to_runtime(graph), "CPU")
    data = [np.zeros([7 if each < 0 else each for each in size], np.float32) for size in ([2, 3], [7, 3], [1, 3, 7, 5])]
    return np.asarray(model(dict(enumerate(data)))[model.outputs[-1]])


def test_what_takes_from_a_whole_known_shape_is_computed_too() -> None:
    lines = """
        s: i64[2] = ShapeOf.opset3(x) output_type="i64"
        axis: i64[] = Const() [0]
        first: i64[1] = Const() [0]
        y: i64[1] = Gather.opset8(s, first, axis) batch_dims="0"
        z: i64[3] = Concat(y, s) axis="0"
        rz = Result(z)
    """
    np.testing.assert_array_equal(values_of([from_text(HEAD + lines + TAIL).node("z").output()])[0], [2, 2, 3])


def test_sizes_that_are_not_known_are_no_constant() -> None:
    for line in (
        'y: i64[1] = Gather.opset8(s, height, axis) batch_dims="0"',
        "y: i64[3] = Slice.opset8(s, second, fourth, step)",
        'y: i64[] = StridedSlice(s, second, height, step) begin_mask="1" end_mask="0" shrink_axis_mask="1"',
    ):
        graph = from_text(HEAD + SIZES + line + TAIL)
        assert graph.node("y") not in constant_nodes(graph)


def test_the_runtime_tells_their_values() -> None:
    text = """
        s: i64[2] = ShapeOf.opset3(x) output_type="i64"
        b: f32[2,3] = Broadcast.opset3(one, s) mode="numpy"
        y: f32[2,3] = Add(b, c) auto_broadcast="numpy"
        z: f32[4,3] = Tile(y, n)
        rz = Result(z)
    """
    graph = from_text(HEAD + text + TAIL)
    before = len(graph)
    one, other = values_of([graph.node("y").output(), graph.node("z").output()])
    expected = np.arange(2, 8, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(other, np.tile(expected, (2, 1)))
    assert len(graph) == before


def test_weights_of_a_layer_whose_shape_alone_is_read_are_computed() -> None:
    """Once the shape is known, nobody reads the layer, and what it reads goes with it."""
    x = op.parameter([2, 3, 4, 4], np.float32, name="x")
    kernel = op.multiply(op.constant(np.ones((5, 3, 1, 1), np.float32)), np.full((5, 1, 1, 1), 2, np.float32))
    layer = op.convolution(x, op.exp(kernel), [1, 1], [0, 0], [0, 0], [1, 1], name="layer")
    model = ov.Model([op.result(op.broadcast(np.ones((1, 5, 4, 4), np.float32), op.shape_of(layer)))], [x], "m")
    graph = from_runtime(model)
    Normalize().run(graph, Context(load_target("cpu")))
    verify(graph)
    np.testing.assert_allclose(graph.node("layer").source(1).node.array, np.full((5, 3, 1, 1), np.exp(2)), rtol=1e-6)


def test_large_constants_are_not_mixed_up_and_the_graph_keeps_them() -> None:
    tables = [np.random.default_rng(seed).normal(size=(8, 32, 32)).astype(np.float32) for seed in range(2)]
    one, other = (op.constant(each) for each in tables)
    half = op.convert(op.constant(tables[0].astype(np.float16)), "f32")
    result = op.multiply(op.subtract(op.constant(tables[1]), half), op.divide(one, other))
    data = op.parameter([8, 32, 32], np.float32)
    graph = from_runtime(ov.Model([op.add(data, result)], [data]))
    before = len(graph)
    (found,) = values_of([graph.node(result.get_friendly_name()).output()])
    expected = (tables[1] - tables[0].astype(np.float16)) * (tables[0] / tables[1])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(graph) == before
