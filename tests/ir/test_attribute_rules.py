"""Attributes that irquant reads must be numbers, words or lists of their kind; all other attributes are taken as they are."""

import pytest

from irquant.ir import IRError, from_text, verify

CONV = 'strides="{}" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="{}"'
INTEGERS = "integers of at least 1, separated by commas"


def graph(line: str) -> str:
    return f"x: f32[1,3,8,8] = Parameter()\nw: f32[4,3,3,3] = Parameter()\n{line}\nr = Result(y)\n"


def complaint(line: str) -> str:
    with pytest.raises(IRError) as caught:
        verify(from_text(graph(line)))
    return str(caught.value).partition("): ")[2]


def clamp(attributes: str) -> str:
    return f"y: f32[1,3,8,8] = Clamp(x) {attributes}"


def convolution(strides: str = "1, 1", auto_pad: str = "explicit") -> str:
    return f"y: f32[1,4,6,6] = Convolution(x, w) {CONV.format(strides, auto_pad)}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (clamp('max="6"'), "it has no attribute 'min', expected a number"),
        (clamp('min="0"'), "it has no attribute 'max', expected a number"),
        (clamp('min="nan" max="6"'), "its attribute 'min' is 'nan', expected a number"),
        (clamp('min="0" max="a"'), "its attribute 'max' is 'a', expected a number"),
        (clamp('min="1" max="0.5"'), "its attribute 'min' is '1', expected at most its 'max', '0.5'"),
        (convolution("a,b"), f"its attribute 'strides' is 'a,b', expected {INTEGERS}"),
        (convolution("1.5, 1"), f"its attribute 'strides' is '1.5, 1', expected {INTEGERS}"),
        (convolution("0, 1"), f"its attribute 'strides' is '0, 1', expected {INTEGERS}"),
        (convolution(f"{'9' * 30}, 1"), f"its attribute 'strides' is '{'9' * 30}, 1', expected {INTEGERS}"),
        (
            convolution(auto_pad="some"),
            "its attribute 'auto_pad' is 'some', expected explicit, notset, same_lower, same_upper or valid",
        ),
        ('y: f32[1,6,8,8] = Concat(x, x) axis="1.5"', "its attribute 'axis' is '1.5', expected an integer"),
        ("y: f32[1,6,8,8] = Concat(x, x)", "it has no attribute 'axis', expected an integer"),
        ("y: f32[1,3,8,8] = ReadValue.opset6(x)", "it has no attribute 'variable_id', expected the name of a variable"),
        ('y: f32[1,3,8,8] = Assign.opset6(x) variable_id=""', "its attribute 'variable_id' is '', expected the name of a variable"),
        ('y: f32[1,3,8,8] = Pad(x, x, x) pad_mode="x"', "its attribute 'pad_mode' is 'x', expected constant, edge, reflect or symmetric"),
        ('y: f32[1,3,8,8] = AvgPool(x) exclude-pad="x"', "its attribute 'exclude-pad' is 'x', expected true or false"),
        ('y: f32[1,3,8,8] = MaxPool(x) rounding_type="x"', "its attribute 'rounding_type' is 'x', expected ceil, ceil_torch or floor"),
        ('y: f32[1,3] = GatherND.opset8(x, w) batch_dims="-1"', "its attribute 'batch_dims' is '-1', expected an integer of at least 0"),
        ('y: f32[1,3,8,8] = FakeQuantize(x) levels="1"', "its attribute 'levels' is '1', expected an integer of at least 2"),
        ("y: f32[1,3,8,8] = FakeQuantize(x)", "it has no attribute 'levels', expected an integer of at least 2"),
        ('y: f16[1,3,8,8] = Convert(x) destination_type="half"', "its attribute 'destination_type' is 'half', expected an element type"),
        ("y: f32[1,3,8,8] = Einsum(x)", "it has no attribute 'equation', expected an equation"),
        ('y: f32[1,3,8,8] = MatMul(x, w) transpose_a="2"', "its attribute 'transpose_a' is '2', expected true or false"),
        ('y: f32[1,3,8,8] = Add(x, x) auto_broadcast="all"', "its attribute 'auto_broadcast' is 'all', expected explicit, none, numpy or pdpd"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_an_attribute_is_refused(line: str, said: str) -> None:
    assert complaint(line) == said


@pytest.mark.parametrize(
    "line",
    [
        clamp('min="-inf" max="1e3"'),
        convolution(" 1,1 ", "EXPLICIT"),
        'y: f32[1,6,8,8] = Concat(x, x) axis="-3"',
        'y: f32[1,3,8,8] = Clamp.my_extension(x) low="a"',
        'y: f32[1,3,8,8] = Mine(x) axis="a"',
        'y: f32[1,3,8,8] = ReLU(x) axis="a"',
    ],
)
def test_other_spellings_and_operations_are_taken_as_they_are(line: str) -> None:
    verify(from_text(graph(line)))
