"""Shapes and types that results are said to have: what the runtime infers holds, anything else is refused."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.ir import IRError, from_text, verify
from irquant.ir.shape_rules import ShapeError, broadcast
from irquant.passes.runtime.convert import from_runtime

CONV = 'strides="{s}" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="{a}"'


def graph(line: str, **shapes: str) -> str:
    kinds = {name: shape if "[" in shape and shape[0].isalpha() else f"f32{shape}" for name, shape in shapes.items()}
    head = "".join(f"{name}: {kind} = Parameter()\n" for name, kind in kinds.items())
    return f"{head}{line}\nr = Result(y)\n"


def resized(
    sizes: str, axes: str, *, mode: str = "sizes", pads: str = "0, 0", type_: str = "Interpolate.opset11"
) -> str:
    """[2,3] resized to what is said to be [4,5]; opset4 has scales where opset11 has axes."""
    kind = "f32" if type_.endswith("opset4") else "i64"
    return f"""
        x: f32[2,3] = Parameter()
        sizes: i64[{sizes.count(",") + 1}] = Const() {sizes}
        axes: {kind}[{axes.count(",") + 1}] = Const() {axes.replace(",", ".0,").replace("]", ".0]") if kind == "f32" else axes}
        y: f32[4,5] = {type_}(x, sizes, axes) mode="nearest" shape_calculation_mode="{mode}" pads_begin="{pads}"
        r = Result(y)
    """


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            graph("y: f32[1,4,8,8] = Multiply(x, s)", x="[1,3,8,8]", s="[1,4,1,1]"),
            "it reads [1,3,8,8] and [1,4,1,1], which do not broadcast",
        ),
        (
            graph("y: f32[1,3,8,8] = Add(x, s)", x="[2,3,8,8]", s="[3,1,1]"),
            "its result is said to be [1,3,8,8], expected [2,3,8,8]",
        ),
        (graph("y: f32[2] = Add(x, s)", x="[2]", s="f16[2]"), "it reads f32 and f16, expected one element type"),
        (graph("y: f32[2] = Less(x, s)", x="[2]", s="[2]"), "its result is said to be f32, expected boolean"),
        (graph("y: f16[2] = ReLU(x)", x="[2]"), "its result is said to be f16, expected f32"),
        (
            graph(
                f"y: f32[1,4,6,6] = Convolution(x, w) {CONV.format(s='1, 1', a='explicit')}",
                x="[1,3,8,8]",
                w="[4,2,3,3]",
            ),
            "its data have 3 channels, its weights [4,2,3,3] take 2",
        ),
        (
            graph(
                f"y: f32[1,4,8,8] = Convolution(x, w) {CONV.format(s='2, 2', a='same_upper')}",
                x="[1,3,8,8]",
                w="[4,3,3,3]",
            ),
            "its result is said to be [1,4,8,8], expected [1,4,4,4]",
        ),
        (
            graph("y: f32[1,4,5] = MatMul(x, w)", x="[1,4,6]", w="[7,5]"),
            "its operands are [1,4,6] and [7,5]: 6 columns for 7 rows",
        ),
        (graph('y: f32[2,5] = Concat(x, s) axis="1"', x="[2,3]", s="[3,2]"), "it joins [2,3] and [3,2] along axis 1"),
        (
            "x: f32[2,3] = Parameter()\nt: i64[2] = Const() [4, -1]\n"
            'y: f32[4,2] = Reshape(x, t) special_zero="false"\nr = Result(y)\n',
            "it makes [4, -1] of [2,3], which has 6 numbers",
        ),
        (
            "x: f32[2,3] = Parameter()\nt: i64[2] = Const() [1, 1]\ny: f32[3,2] = Transpose(x, t)\nr = Result(y)\n",
            "its order [1, 1] does not fit its data [2,3]",
        ),
        (
            "x: f32[2,3] = Parameter()\nt: i64[1] = Const() [2]\n"
            'y: f32[2] = ReduceMean(x, t) keep_dims="false"\nr = Result(y)\n',
            "its axes [2] do not fit its data [2,3]",
        ),
        (resized("[4, 5]", "[0, 2]"), "its sizes [4, 5] along axes [0, 2] do not fit its data [2,3]"),
        (resized("[4, 5]", "[0]"), "its sizes [4, 5] along axes [0] do not fit its data [2,3]"),
        (resized("[4, 5]", "[1, 0]"), "its result is said to be [4,5], expected [5,4]"),
        (resized("[4]", "[-2]"), "its sizes [4] along axes [-2] do not fit its data [2,3]"),
        (resized("[4]", "[0]"), "its result is said to be [4,5], expected [4,3]"),
    ],
)
def test_what_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(IRError) as caught:
        verify(from_text(text))
    assert str(caught.value).partition(": ")[2] == said


@pytest.mark.parametrize(
    "text",
    [
        graph("y: f32[1,3,8] = PReLU(x, s)", x="[1,3,8]", s="f16[3]"),
        'x: f32[0,3] = Parameter()\nt: i64[2] = Const() [0, -1]\ny: f32[0,3] = Reshape(x, t) special_zero="true"\nr = Result(y)\n',
        "x: f32[2] = Parameter()\ny: f32[7] = Round.my_extension(x)\nr = Result(y)\n",
        graph('y: f32[1,3] = FakeQuantize(x, s, s, s, s) levels="256"', x="[1,3]", s="[2,3]"),
        graph("y: f32[1,3,4] = Unsqueeze(x, s)", x="[3,4]", s="i64[2]"),
        "x: f32[3,4] = Parameter()\nt: i64[2] = Const() [0, 0]\ny: f32[1,3,4] = Unsqueeze(x, t)\nr = Result(y)\n",
        graph('y: f32[1,5,8] = ScaledDotProductAttention(x, x, x, s) causal="false"', x="[1,5,8]", s="boolean[5,5]"),
        graph('y: f32[1,5,8] = ScaledDotProductAttention(x, x, x, s) causal="true"', x="[1,5,8]", s="[9,9,9,9]"),
        resized("[9, 9]", "[0, 1]", mode="scales"),
        resized("[9, 9]", "[0, 1]", pads="0, 1"),
        resized("[9, 9]", "[0, 1]", type_="Interpolate.opset4"),
    ],
    ids=[
        *("a slope of another type", "empty", "of an extension", "limits that are wider than the data"),
        *("axes that are not known", "one axis twice", "a mask that says what is seen", "a mask that is not looked at"),
        *("scales instead of sizes", "padding before sizes", "scales as third input"),
    ],
)
def test_what_the_runtime_takes_is_not_refused(text: str) -> None:
    verify(from_text(text))


def test_sizes_and_ranks_that_are_not_known_fit_everything() -> None:
    verify(from_text(graph("y: f32[?,4] = Add(x, s)", x="[?,4]", s="[3,?]")))
    verify(from_text("x: f32[] = Parameter()\ns: f32[3] = Parameter()\ny: f32[2,3] = Add(x, s)\nr = Result(y)\n"))


SIZES = st.integers(1, 5)


@st.composite
def operations(draw: st.DrawFn) -> Any:
    """One operation over a Parameter, as the runtime builds it."""

    def const(*shape: int) -> Any:
        return op.constant(np.ones(shape, np.float32))

    kinds = ["add", "convolution", "group", "matmul", "concat", "reshape", "transpose", "reduce", "resize"]
    kind = draw(st.sampled_from(kinds))
    n, c, h, w = (draw(SIZES) for _ in range(4))
    x = op.parameter([draw(st.sampled_from([-1, n, n])), c, h + 4, w + 4], np.float32)
    axes = draw(st.lists(st.integers(-4, 3), unique_by=lambda axis: axis % 4, max_size=4))
    if kind == "add":
        return x, op.add(
            x, const(*draw(st.sampled_from([(1,), (c, 1, 1), (1, c, h + 4, 1), (3, c, 1, w + 4)][: 3 + (n == 3)])))
        )
    if kind in ("convolution", "group"):
        pair = st.tuples(st.integers(1, 2), st.integers(1, 2))
        pads, auto = (
            st.tuples(st.integers(0, 2), st.integers(0, 2)),
            draw(st.sampled_from(["explicit", "valid", "same_upper"])),
        )
        rest = [list(draw(each)) for each in (pair, pads, pads, pair)]
        made, shape = (
            (op.convolution, (draw(SIZES), c, 2, 3))
            if kind == "convolution"
            else (op.group_convolution, (c, 2, 1, 3, 2))
        )
        return x, made(x, const(*shape), *rest, auto)
    if kind == "matmul":
        first, second = draw(st.booleans()), draw(st.booleans())
        inner, other = (h + 4 if first else w + 4), draw(SIZES)
        batch = draw(st.sampled_from([(), (1,), (c,), (1, c), (1, 1)]))
        return x, op.matmul(x, const(*batch, *((other, inner) if second else (inner, other))), first, second)
    if kind == "concat":
        return x, op.concat([x, op.relu(x)], draw(st.integers(-4, 3)))
    if kind == "reshape":
        return x, op.reshape(x, np.array(draw(st.sampled_from([[0, -1], [0, 0, -1], [-1]]))), True)
    if kind == "transpose":
        return x, op.transpose(x, np.array(draw(st.permutations(range(4)))))
    if kind == "resize":
        axes = [axis % 4 for axis in axes] or [2, 3]
        sizes = np.array([draw(SIZES) for _ in axes], np.int32)
        return x, op.interpolate(x, sizes, "nearest", "sizes", axes=np.array(axes, np.int64))
    return x, op.reduce_mean(x, np.array(axes, np.int64), draw(st.booleans()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("y: f32[2] = Add(x)", "it has 1 input, expected 2 at least"),
        ("y: f32[2] = Interpolate()", "it has 0 inputs, expected 2 at least"),
        ("y: f32[2] = BatchNormInference.opset5(x, x)", "it has 2 inputs, expected 5 at least"),
        ("y: f32[2] = Gather(x, x)", "it has 2 inputs, expected 3 at least"),
        ("y: f32[2] = LSTMSequence(x, x, x)", "it has 3 inputs, expected 7 at least"),
        ("y: f32[2] = Reshape(x, c)", "its input 1 is f32, expected integers"),
        (
            'y: f32[1,3,4,4] = MaxPool(p) kernel="2" strides="2, 2" pads_begin="0, 0" pads_end="0, 0"',
            "its kernel [2] do not fit its data [1,3,8,8]",
        ),
        (
            'y: f32[1,4,6,6] = Convolution(p, w) strides="1, 1" dilations="1, 1" pads_begin="0" pads_end="0, 0"',
            "its pads_begin [0] do not fit its data [1,3,8,8]",
        ),
    ],
)
def test_too_few_inputs_and_lists_of_another_length_are_refused(line: str, said: str) -> None:
    head = "x: f32[2] = Parameter()\np: f32[1,3,8,8] = Parameter()\nw: f32[4,3,3,3] = Parameter()\n"
    with pytest.raises(IRError) as caught:
        verify(from_text(f"{head}c: f32[1] = Const() [2.0]\n{line}\nr = Result(y)\n"))
    assert str(caught.value).partition("): ")[2] == said


@given(operations(), st.data())
def test_the_runtime_says_the_same(built: Any, data: st.DataObject) -> None:
    parameter, result = built
    found = from_runtime(ov.Model([op.result(result)], [parameter], "m"))
    verify(found)
    port = next(node for node in found.in_file_order() if node.name == result.get_friendly_name()).output()._port
    known = [index for index, size in enumerate(port.shape) if size != -1]
    if known and -1 not in port.shape:
        index = data.draw(st.sampled_from(known))
        port.shape = tuple(size + (place == index) for place, size in enumerate(port.shape))
        with pytest.raises(IRError, match="its result is said to be"):
            verify(found)


@given(st.lists(st.lists(st.sampled_from([1, 2, 3]), max_size=4), min_size=1, max_size=3))
def test_shapes_broadcast_as_those_of_numpy(shapes: list[list[int]]) -> None:
    try:
        expected = np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        with pytest.raises(ShapeError):
            broadcast(map(tuple, shapes))
    else:
        assert broadcast(map(tuple, shapes)) == expected


NUMBERS = """
x: f32[1,3,8,8] = Parameter()
k: f32[3,4,2,2] = Parameter()
g: f32[3,1,4,2,2] = Parameter()
i: i64[2] = Parameter()
zero: i64[1] = Const() [0]
one: i64[] = Const() [1]
four: i64[] = Const() [4]
no: i64[4] = Const() [0, 0, 0, 0]
rim: i64[4] = Const() [0, 0, 1, 1]
{}
r = Result(y)
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("y: f32[1,3,8,8] = Pad(x, zero, rim)", "its pads [0] do not fit its data [1,3,8,8]"),
        ("y: f32[1,3,8,8] = Pad(x, rim, no)", "its result is said to be [1,3,8,8], expected [1,3,9,9]"),
        ("y: f32[1,3,8] = Gather.opset8(x, i, four)", "its axis 4 does not fit its data [1,3,8,8]"),
        ("y: f32[1,3,8,8] = Gather.opset8(x, i, one)", "its result is said to be [1,3,8,8], expected [1,2,8,8]"),
        ("y: i64[1,2,8,8] = Gather.opset8(x, i, one)", "its result is said to be i64, expected f32"),
        ("y: f32[1,4,9,9] = MaxPool(x)", "its result is said to be [1,4,9,9], expected [1,3,?,?]"),
        ("y: f32[1,3,9] = AvgPool(x)", "its result is said to be [1,3,9], expected [1,3,?,?]"),
        ("y: f32[1,5,9,9] = ConvolutionBackpropData(x, k)", "its result is said to be [1,5,9,9], expected [1,4,?,?]"),
        (
            "v: f32[3] = Parameter()\ny: f32[1,4,9,9] = Convolution(v, v)",
            "it reads data [3] and weights [3], whose ranks do not fit",
        ),
        (
            "v: f32[1] = Parameter()\ny: f32[1] = Transpose(v, four)",
            "its order [4] does not fit its data [1]",
        ),
        (
            "y: f32[1,4,9,9] = ConvolutionBackpropData(x, g)",
            "it reads data [1,3,8,8] and weights [3,1,4,2,2], whose ranks do not fit",
        ),
        (
            "z: f32[1,6,8,8] = Parameter()\ny: f32[1,12,9,9] = GroupConvolutionBackpropData(z, g)",
            "its data have 6 channels, its weights [3,1,4,2,2] take 3",
        ),
        (
            'y: f32[1,12,9,9] = GroupConvolutionBackpropData(x, g) output_padding="1"',
            "its output_padding [1] do not fit its data [1,3,8,8]",
        ),
        (
            'y: (f32[1,3,8,4], f32[1,3,8,5]) = Split(x, last) num_splits="2"',
            "its result is said to be [1,3,8,5], expected [1,3,8,4]",
        ),
    ],
)
def test_what_is_no_result_of_these_operations_is_refused(line: str, said: str) -> None:
    line = line if "last" not in line else f"last: i64[] = Const() [3]\n{line}"
    with pytest.raises(IRError) as caught:
        verify(from_text(NUMBERS.format(line)))
    assert str(caught.value).partition("): ")[2] == said


@pytest.mark.parametrize(
    "line",
    [
        "y: f32[1,3,9,9] = Pad(x, rim, no)",
        "y: f32[1,?,8,8] = Gather.opset8(x, i, one)",
        "y: f32[1,3,8,2] = Gather.opset8(x, i, i)",
        "y: f32[1,12,9,9] = GroupConvolutionBackpropData(x, g)",
        "a: dynamic[1,3,8,8] = Parameter()\ny: f32[1,3,8,8] = Add(a, x)",
        "a: dynamic[1,3,8,8] = Parameter()\ny: f32[1,3,8,8] = ReLU(a)",
        "y: dynamic[1,3,8,8] = ReLU(x)",
    ],
)
def test_what_may_be_a_result_of_these_operations_is_taken(line: str) -> None:
    verify(from_text(NUMBERS.format(line)))


EXTENSION = '@version="my_extension"'
OPAQUE = """
x: f32[1,3,4,4] = Parameter()
shape: i64[2] = Const() [1, 48]
{}
e: f32[1,48] = Reshape(d, shape)
r = Result(e)
"""


@pytest.mark.parametrize(
    "lines",
    [
        f"d: f32[1,3,2,4] = Round(x) {EXTENSION}",
        f"m: f32[1,3,2,4] = Mine(x) {EXTENSION}\nd: f32[1,3,2,4] = ReLU(m)",
        f"m: f16[1,3,2,4] = Mine(x) {EXTENSION}\nd: f32[1,3,2,4] = Add(m, x)",
    ],
)
def test_what_comes_out_of_an_operation_of_an_extension_is_not_compared(lines: str) -> None:
    verify(from_text(OPAQUE.format(lines)))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("d: f32[1,3,2,4] = Mine(x)", "Reshape 'e' (id 3): it makes [1, 48] of [1,3,2,4], which has 24 numbers"),
        (
            f"m: f32[1,3,2,4] = Mine(x) {EXTENSION}\nn: f32[1,3,2,4] = ReLU(x)\nd: f32[1,3,2,4] = Add(m, n)",
            "ReLU 'n' (id 3): its result is said to be [1,3,2,4], expected [1,3,4,4]",
        ),
        (f"m: f32[1,3,2,4] = Mine(x) {EXTENSION}\nd: f32[1,3,4,4] = Add(m)", "Add 'd' (id 3): it has 1 input, expected 2 at least"),
    ],
)  # fmt: skip
def test_what_does_not_come_out_of_an_extension_is_compared_and_inputs_are_counted(lines: str, said: str) -> None:
    with pytest.raises(IRError) as caught:
        verify(from_text(OPAQUE.format(lines)))
    assert str(caught.value) == said
