"""Transposes that undo one another go, also around operations for which the order of axes does not matter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, from_text, to_text, verify
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.testing import check_pass
from irquant.passes.transforms.cancel_transposes import CancelTransposes
from irquant.targets import load_target

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
CUBE = """
    x: f32[?,2,4,5] = Parameter()
    last: i64[4] = Const() [0, 2, 3, 1]
    first: i64[4] = Const() [0, 3, 1, 2]
    three: f32[] = Const() [3.0]
    scale: f32[2] = Const() [0.5, 2.0]
    t: f32[?,4,5,2] = Transpose(x, last)
    cube: f32[?,4,5,2] = Power(t, three) auto_broadcast="numpy"
    scaled: f32[?,4,5,2] = Multiply(cube, scale) auto_broadcast="numpy"
    back: f32[?,2,4,5] = Transpose(scaled, first)
    y: f32[?,2,4,5]<"out"> = Add(x, back) auto_broadcast="numpy"
    r = Result(y)
"""
PLAIN_CUBE = """
    x: f32[?,2,4,5] = Parameter()
    three: f32[] = Const() [3.0]
    scale/transposed: f32[1,2,1,1] = Const() [0.5, 2.0]
    cube: f32[?,2,4,5] = Power(x, three) auto_broadcast="numpy"
    scaled: f32[?,2,4,5] = Multiply(cube, scale/transposed) auto_broadcast="numpy"
    y: f32[?,2,4,5]<"out"> = Add(x, scaled) auto_broadcast="numpy"
    r = Result(y)
"""


def context() -> Context:
    return Context(load_target("cpu"), QuantizationConfig())


def left_in(graph: Graph) -> int:
    return sum(len(each.in_file_order("Transpose")) for each in graph.walk())


def check_stays(text: str) -> None:
    check_pass(CancelTransposes(), before=text, after=text)


def test_a_cube_between_transposes_is_computed_without_them() -> None:
    check_pass(CancelTransposes(), before=CUBE, after=PLAIN_CUBE)


def test_a_constant_of_16_bits_stays_one() -> None:
    half = 'half: f16[2] = Const() [0.5, 2.0]\n    scale: f32[2] = Convert(half) destination_type="f32"'
    found, graph = context(), from_text(CUBE.replace("scale: f32[2] = Const() [0.5, 2.0]", half))
    CancelTransposes().run(graph, found)
    assert found.halves == {((), graph.node("scale/transposed").id)}


def test_two_in_a_row_become_one_or_none() -> None:
    given = """
        x: f32[2,3,4] = Parameter()
        turn: i64[3] = Const() [1, 2, 0]
        swap: i64[3] = Const() [0, 2, 1]
        none: i64[0] = Const() []
        a: f32[3,4,2] = Transpose(x, turn)
        b: f32[3,2,4]<"b"> = Transpose(a, swap)
        r = Result(b)
        c: f32[4,3,2] = Transpose(x, none)
        d: f32[2,3,4] = Transpose(c, none)
        e: f32[2,3,4]<"e"> = ReLU(d)
        s = Result(e)
    """
    wanted = """
        x: f32[2,3,4] = Parameter()
        b/order: i64[3] = Const() [1, 0, 2]
        b: f32[3,2,4]<"b"> = Transpose(x, b/order)
        r = Result(b)
        e: f32[2,3,4]<"e"> = ReLU(x)
        s = Result(e)
    """
    check_pass(CancelTransposes(), before=given, after=wanted)


def test_two_outputs_do_not_become_one_tensor() -> None:
    check_stays("""
        x: f32[2,3] = Parameter()
        same: i64[2] = Const() [0, 1]
        a: f32[2,3]<"a"> = ReLU(x)
        r = Result(a)
        b: f32[2,3]<"b"> = Transpose(a, same)
        s = Result(b)
        c: f32[2,3]<"c"> = Transpose(x, same)
        u = Result(c)
    """)


def test_an_output_keeps_its_name_and_its_order() -> None:
    """What the region gives to others in the old order gets one Transpose, and the names of the output with it."""
    given = """
        x: f32[1,2,4,5] = Parameter()
        last: i64[4] = Const() [0, 2, 3, 1]
        first: i64[4] = Const() [0, 3, 1, 2]
        t: f32[1,4,5,2] = Transpose(x, last)
        y: f32[1,4,5,2]<"out"> = Exp(t)
        r = Result(y)
        back: f32[1,2,4,5]<"other"> = Transpose(y, first)
        s = Result(back)
    """
    wanted = """
        x: f32[1,2,4,5] = Parameter()
        y: f32[1,2,4,5]<"other"> = Exp(x)
        y/transposed/order: i64[4] = Const() [0, 2, 3, 1]
        y/transposed: f32[1,4,5,2]<"out"> = Transpose(y, y/transposed/order)
        r = Result(y/transposed)
        s = Result(y)
    """
    check_pass(CancelTransposes(), before=given, after=wanted)


def test_names_of_outputs_stay_in_old_files() -> None:
    text = CUBE.replace("\n    x:", "graph 10\n    x:", 1).replace('<"out">', "").replace("Result(y)", "Result(back)")
    graph = from_text(text)
    CancelTransposes().run(graph, context())
    verify(graph)
    assert graph.node("r").source().node.name == "back"
    assert left_in(graph) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Power(t, three)", "Power.extension(t, three)"),
        ('Power(t, three) auto_broadcast="numpy"', 'SoftMax.opset8(t) axis="3"'),
        ('Multiply(cube, scale) auto_broadcast="numpy"', 'Multiply(cube, scale) auto_broadcast="pdpd" axis="-1"'),
        ("last: i64[4] = Const() [0, 2, 3, 1]", "last: i64[4] = Parameter()"),
    ],
    ids=["an operation of an extension", "along an axis", "another broadcast", "an order that is not known"],
)
def test_others_stay(old: str, new: str) -> None:
    text = CUBE.replace(old, new)
    if "SoftMax" in new:  # alone between the Transposes
        text = text.replace("Transpose(scaled", "Transpose(cube").replace(
            '    scaled: f32[?,4,5,2] = Multiply(cube, scale) auto_broadcast="numpy"\n', ""
        )
        text = text.replace("    three: f32[] = Const() [3.0]\n    scale: f32[2] = Const() [0.5, 2.0]\n", "")
    check_stays(text)


def test_one_that_would_only_move_stays() -> None:
    check_stays("""
        x: f32[1,2,4,5] = Parameter()
        last: i64[4] = Const() [0, 2, 3, 1]
        t: f32[1,4,5,2] = Transpose(x, last)
        y: f32[1,4,5,2] = Exp(t)
        r = Result(y)
    """)


def test_flags_and_roundings_are_compared_in_the_order_that_they_have() -> None:
    check_stays("""
        x: f32[1,2,4,5] = Parameter()
        last: i64[4] = Const() [0, 2, 3, 1]
        first: i64[4] = Const() [0, 3, 1, 2]
        none: f32[] = Const() [0.0]
        t: f32[1,4,5,2] = Transpose(x, last)
        y: boolean[1,4,5,2] = Greater(t, none) auto_broadcast="numpy"
        back: boolean[1,2,4,5] = Transpose(y, first)
        r = Result(back)
        whole: f32[1,4,5,2] = Floor(t)
        other: f32[1,2,4,5] = Transpose(whole, first)
        s = Result(other)
    """)


def test_one_transpose_behind_a_sum_takes_the_place_of_two() -> None:
    given = """
        x: f32[1,2,?] = Parameter()
        y: f32[1,2,?] = Parameter()
        swap: i64[3] = Const() [0, 2, 1]
        a: f32[1,?,2] = Transpose(x, swap)
        b: f32[1,?,2] = Transpose(y, swap)
        z: f32[1,?,2]<"z"> = Add(a, b) auto_broadcast="numpy"
        r = Result(z)
    """
    wanted = """
        x: f32[1,2,?] = Parameter()
        y: f32[1,2,?] = Parameter()
        z: f32[1,2,?] = Add(x, y) auto_broadcast="numpy"
        z/transposed/order: i64[3] = Const() [0, 2, 1]
        z/transposed: f32[1,?,2]<"z"> = Transpose(z, z/transposed/order)
        r = Result(z/transposed)
    """
    check_pass(CancelTransposes(), before=given, after=wanted)


def test_those_in_a_body_go() -> None:
    x, chosen = picture(), op.parameter([], np.bool_)
    insides = picture(), picture()
    bodies = [
        ov.Model([op.result(made)], [x])
        for made, x in zip((nchw(op.exp(nhwc(insides[0]))), op.relu(insides[1])), insides, strict=True)
    ]
    branch = op.if_op(chosen)
    branch.set_then_body(bodies[0])
    branch.set_else_body(bodies[1])
    branch.set_input(x.output(0), *insides)
    branch.set_output(*(each.results[0] for each in bodies))
    graph = from_runtime(ov.Model([op.result(branch.output(0))], [x, chosen]))
    assert left_in(graph) == 2
    assert CancelTransposes().run(graph, context()) == 1
    assert left_in(graph) == 0
    verify(graph)


# ------------------------------------------------------------------------------------------------- on the runtime


def outputs(model: ov.Model, samples: list[Any]) -> list[Any]:
    found = ov.compile_model(model, "CPU", F32)(samples)
    return [found[index].copy() for index in range(len(model.outputs))]


def check_same_values(model: ov.Model, *, left: int, exact: bool = True) -> Graph:
    """The outputs are the same bits, and so many Transposes are left."""
    graph = from_runtime(model)
    CancelTransposes().run(graph, context())
    verify(graph)
    assert CancelTransposes().run(graph, context()) == 0
    assert left_in(graph) == left
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=[*each.shape]).astype(np.float32) for each in model.inputs]
    for wanted, found in zip(outputs(model, samples), outputs(to_runtime(graph), samples), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0 if exact else 1e-5)
    return graph


def nhwc(x: Any) -> Any:
    return op.transpose(x, op.constant([0, 2, 3, 1]))


def nchw(x: Any) -> Any:
    return op.transpose(x, op.constant([0, 3, 1, 2]))


def picture(*shape: int) -> Any:
    return op.parameter([*(shape or (1, 8, 6, 5))], np.float32)


def resized(x: Any, *axes: int) -> Any:
    sizes = op.constant([12, 10])
    return op.interpolate(x, sizes, "linear_onnx", "sizes", axes=op.constant([*axes]))


def test_pictures_are_resized_behind_their_channels() -> None:
    x = picture()
    graph = check_same_values(ov.Model([op.result(nchw(op.relu(resized(nhwc(x), 1, 2))))], [x]), left=0)
    assert next(graph.nodes("Interpolate")).source(2).node.array.tolist() == [2, 3]


def test_axes_are_found_in_files_of_older_operation_sets() -> None:
    resize = (
        'Interpolate.opset4({}) antialias="false" coordinate_transformation_mode="asymmetric" cube_coeff="-0.75" '
        'mode="nearest" nearest_mode="floor" pads_begin="0,0,0,0" pads_end="0,0,0,0" shape_calculation_mode="sizes"'
    )
    inputs = """
        x: f32[1,8,6,5] = Parameter()
        sizes: i64[2] = Const() [12, 10]
        scales: f32[2] = Const() [2.0, 2.0]
    """
    given = f"""
        {inputs}
        last: i64[4] = Const() [0, 2, 3, 1]
        first: i64[4] = Const() [0, 3, 1, 2]
        axes: i64[2] = Const() [-3, 2]
        t: f32[1,6,5,8] = Transpose(x, last)
        y: f32[1,12,10,8] = {resize.format("t, sizes, scales, axes")}
        back: f32[1,8,12,10] = Transpose(y, first)
        r = Result(back)
    """
    wanted = f"""
        {inputs}
        y/axes: i64[2] = Const() [2, 3]
        y: f32[1,8,12,10] = {resize.format("x, sizes, scales, y/axes")}
        r = Result(y)
    """
    check_pass(CancelTransposes(), before=given, after=wanted)
    padded = given.replace('pads_end="0,0,0,0"', 'pads_end="0,1,0,0"').replace("[1,12,10,8]", "[1,14,10,8]")
    check_stays(padded.replace("[1,8,12,10]", "[1,8,14,10]"))


def test_pictures_stay_as_they_are_resized_fastest() -> None:
    x = picture(1, 6, 5, 8)
    check_same_values(ov.Model([op.result(nhwc(resized(nchw(x), 2, 3)))], [x]), left=2)


def test_joined_tensors_are_joined_along_the_channels() -> None:
    one, other, row = picture(), picture(1, 3, 6, 5), np.random.default_rng(1).normal(size=(1, 6, 5, 2))
    joined = op.concat([nhwc(one), nhwc(other), op.constant(row.astype(np.float32))], -1)
    graph = check_same_values(ov.Model([op.result(nchw(op.tanh(joined)))], [one, other]), left=0)
    assert next(graph.nodes("Concat")).attributes["axis"] == "1"


def test_an_operand_of_fewer_axes_gets_the_missing_ones() -> None:
    x, row = picture(), op.parameter([8], np.float32)
    check_same_values(ov.Model([op.result(nchw(op.add(nhwc(x), op.sin(row))))], [x, row]), left=1)


def test_a_transpose_between_two_operations_of_a_region_changes_its_order() -> None:
    """The region computes both what the inner Transpose reads and, beside it, what its result is added to."""
    x = picture(1, 4, 4, 4)
    swap = op.constant([0, 2, 1, 3])
    inner = op.exp(nhwc(x))
    y = op.add(op.transpose(inner, swap), inner)
    check_same_values(ov.Model([op.result(nchw(y)), op.result(nchw(op.sin(inner)))], [x]), left=1)


def test_another_order_at_an_exit_is_composed() -> None:
    x = picture()
    y = op.exp(nhwc(x))
    ends = [nchw(y), op.transpose(y, op.constant([3, 0, 2, 1]))]
    check_same_values(ov.Model([*map(op.result, ends)], [x]), left=1)


def test_a_bias_behind_a_transpose_becomes_that_of_its_layer() -> None:
    rng = np.random.default_rng(0)
    x = picture(1, 8, 12, 12)
    kernels = [rng.normal(0, 0.1, (8, 8, 3, 3)).astype(np.float32) for _ in range(2)]

    def conv(data: Any, kernel: Any) -> Any:
        return op.convolution(data, kernel, [1, 1], [1, 1], [1, 1], [1, 1])

    shifted = op.add(nhwc(conv(x, kernels[0])), rng.normal(size=8).astype(np.float32))
    model = ov.Model([op.result(conv(nchw(op.relu(shifted)), kernels[1]))], [x])
    samples = [rng.normal(size=(1, 8, 12, 12)).astype(np.float32) for _ in range(20)]
    wanted = [outputs(model, [each])[0] for each in samples]
    quantized = quantize(model, samples)
    assert not any(node.get_type_name() == "Transpose" for node in quantized.get_ordered_ops())
    compiled = ov.compile_model(quantized, "CPU")
    assert sqnr(wanted, [compiled(each)[0].copy() for each in samples]) > 30


def open_rank_4(*axes: int) -> Any:
    return op.parameter([axis or -1 for axis in (axes or (0, 0, 0, 0))], np.float32)


def cube_of_open_sizes() -> tuple[ov.Model, list[tuple[int, ...]]]:
    x = open_rank_4()
    return ov.Model([op.result(nchw(op.power(nhwc(x), np.float32(3))))], [x]), [(1, 8, 5, 6)]


def open_mask() -> tuple[ov.Model, list[tuple[int, ...]]]:
    x, mask = open_rank_4(0, 8, 0, 0), open_rank_4(0, 1, 1, 0)
    return ov.Model([op.result(nchw(op.add(op.exp(nhwc(x)), op.floor(mask))))], [x, mask]), [(1, 8, 5, 6), (1, 1, 1, 8)]


def open_join() -> tuple[ov.Model, list[tuple[int, ...]]]:
    x, y = open_rank_4(0, 8, 0, 0), open_rank_4()
    return ov.Model([op.result(nchw(op.concat([nhwc(x), y], -1)))], [x, y]), [(1, 8, 5, 6), (1, 5, 6, 3)]


def open_matrix_of_fewer_axes() -> tuple[ov.Model, list[tuple[int, ...]]]:
    x, matrix, swap = op.parameter([-1, 8, 16], np.float32), op.parameter([-1, -1], np.float32), [0, 2, 1]
    back = op.transpose(op.multiply(op.transpose(x, op.constant(swap)), matrix), op.constant(swap))
    return ov.Model([op.result(back)], [x, matrix]), [(2, 8, 16), (16, 8)]


def open_matrices() -> tuple[ov.Model, list[tuple[int, ...]]]:
    x, y = op.parameter([-1, -1], np.float32), op.parameter([-1, -1], np.float32)
    total = op.add(op.transpose(x, op.constant([1, 0])), y)
    return ov.Model([op.result(op.transpose(total, op.constant([1, 0])))], [x, y]), [(3, 4), (4, 3)]


@pytest.mark.parametrize(
    "made",
    [cube_of_open_sizes, open_mask, open_join, open_matrix_of_fewer_axes, open_matrices],
    ids=lambda it: it.__name__,
)
def test_a_tensor_of_open_sizes_is_no_number(made: Callable[[], tuple[ov.Model, list[tuple[int, ...]]]]) -> None:
    model, shapes = made()
    graph = from_runtime(model)
    CancelTransposes().run(graph, context())
    verify(graph)
    samples = [np.random.default_rng(1).uniform(0.5, 1.5, size=each).astype(np.float32) for each in shapes]
    for wanted, found in zip(outputs(model, samples), outputs(to_runtime(graph), samples), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_an_output_of_an_operation_with_several_keeps_its_transpose() -> None:
    """In files of version 10, its name would get the number of the output."""
    x = picture(1, 8, 6, 5)
    first, second = op.split(x, op.constant(1), 2).outputs()
    check_same_values(ov.Model([op.result(nchw(nhwc(first))), op.result(op.relu(second))], [x]), left=1)


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_random_networks_of_transposes_give_the_same_values(seed: int, *, is_open: bool) -> None:
    model = _random(rng := np.random.default_rng(seed))
    shapes = [tuple(each.shape) for each in model.inputs]
    if is_open:
        model.reshape(
            {
                port: ov.PartialShape([-1 if rng.random() < 0.7 else size for size in shape])
                for port, shape in zip(model.inputs, shapes, strict=True)
            }
        )
    graph = from_runtime(model)
    before = left_in(graph)
    CancelTransposes().run(graph, context())
    verify(graph)
    assert left_in(graph) <= before
    again = to_text(graph, values=True)
    assert CancelTransposes().run(graph, context()) == 0
    assert to_text(graph, values=True) == again
    samples = [np.random.default_rng(1).uniform(0.5, 1.5, size=each).astype(np.float32) for each in shapes]
    for wanted, found in zip(outputs(model, samples), outputs(to_runtime(graph), samples), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def _random(rng: np.random.Generator) -> ov.Model:
    """Sums, products, joins and Transposes of three axes, and of two sizes."""
    inputs = [op.parameter([2, 3, 4], np.float32), op.parameter([4, 3, 2], np.float32)]
    tensors: list[Any] = [each.output(0) for each in inputs]
    for _ in range(int(rng.integers(4, 14))):
        x = tensors[-1 - int(rng.integers(min(3, len(tensors))))]
        alike = [each for each in tensors if list(each.shape) == list(x.shape)]
        made = _made(rng, x, alike[int(rng.integers(len(alike)))]).output(0)
        if np.prod(made.shape) < 500:
            tensors.append(made)
    unread = [each for each in tensors[2:] if not each.get_target_inputs()]
    return ov.Model([op.result(each) for each in [*unread, tensors[-1]]], inputs)


def _made(rng: np.random.Generator, x: Any, y: Any) -> Any:
    how = rng.choice(["transpose", "transpose", "transpose", "add", "shift", "tanh", "concat", "mean"])
    if how == "transpose":
        return op.transpose(x, op.constant(rng.permutation(3)))
    if how == "add":
        return op.add(x, y)
    if how == "shift":
        return op.multiply(x, rng.uniform(0.5, 1.5, size=x.shape[-1]).astype(np.float32))
    if how == "concat":
        return op.minimum(op.concat([x, y], int(rng.integers(3))), np.float32(2))
    if how == "mean":
        return op.subtract(x, op.reduce_mean(x, op.constant([int(rng.integers(3))]), keep_dims=True))
    return op.tanh(x)
