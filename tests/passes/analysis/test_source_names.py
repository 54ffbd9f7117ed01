"""What the source framework calls a layer."""

import pytest

from irquant.ir import from_text
from irquant.passes.analysis.source_names import source_names

FUSED = "&\"<rt_info><attribute name='fused_names' version='0' value='conv_12, block/conv' /></rt_info>\""


def chain(own: str = "", after: str = "", *, fused: str = "", more: str = "") -> tuple[str, ...]:
    """The names of a layer with a bias and an activation function behind it."""
    text = f"""graph 11
    x: f32[1,2,4,4] = Parameter()
    w: f32[1,2,1,1] = Const() [0.5, -1.0]
    b: f32[1,1,1,1] = Const() [0.5]
    conv_12: f32[1,1,4,4]{own} = Convolution(x, w) strides="1, 1" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1" {fused}
    sum: f32[1,1,4,4] = Add(conv_12, b)
    relu: f32[1,1,4,4]{after} = ReLU(sum)
    {more}
    result = Result(relu)
    """
    return source_names(from_text(text).node("conv_12"))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (chain(own='<"block/conv:0">'), ("block/conv:0",)),
        (chain(after='<"block/relu">'), ("block/relu",)),
        (chain(own='<"one,two">', after='<"block/relu">'), ("one", "two")),
        (chain(own='<"one">', fused=FUSED), ("block/conv",)),
        (chain(own='<"conv_12">'), ()),
        (chain(), ()),
    ],
    ids=["its own tensor", "a tensor that follows", "the nearest", "fused operations", "the same name", "none"],
)
def test_a_layer_is_named_as_in_the_source(found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert found == expected


def test_a_tensor_that_two_operations_make_is_not_taken_for_the_layer() -> None:
    more = "other: f32[1,1,4,4] = Sigmoid(sum)\n    result2 = Result(other)"
    assert chain(after='<"block/relu">', more=more) == ()


def test_the_names_of_the_next_layer_are_its_own() -> None:
    text = """graph 11
    x: f32[1,2,4,4] = Parameter()
    w: f32[2,2,1,1] = Const() [0.5, -1.0, 1.0, 2.0]
    conv_12: f32[1,2,4,4] = Convolution(x, w) strides="1, 1" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1"
    next: f32[1,2,4,4]<"next"> = Convolution(conv_12, w) strides="1, 1" pads_begin="0, 0" pads_end="0, 0" dilations="1, 1"
    result = Result(next)
    """
    assert source_names(from_text(text).node("conv_12")) == ()
