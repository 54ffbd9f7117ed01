"""The values of constants in the text form: extreme floats are read back bit by bit, or refused."""

import math
from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irquant.ir import IRError, element_type, from_text, to_text

FLOATS = ("f16", "bf16", "f32", "f64", "f8e4m3", "f8e5m2", "f8e8m0")


@st.composite
def constants(draw: st.DrawFn) -> tuple[str, bytes]:
    """An element type, and the bits of up to 20 values: all of infinity, NaN, denormals and the largest are among them."""
    name = draw(st.sampled_from(FLOATS))
    size = element_type(name).bits // 8
    extremes = _extremes(name)
    one = st.binary(min_size=size, max_size=size) | st.sampled_from(
        [extremes[k : k + size] for k in range(0, len(extremes), size)]
    )
    return name, b"".join(draw(st.lists(one, min_size=1, max_size=20)))


def _extremes(name: str) -> bytes:
    """The bits of the least, the largest and the smallest normal and denormal numbers, NaN and, where they are, infinities."""
    dtype = element_type(name).dtype
    limits: Any = cast(Any, ml_dtypes.finfo)(dtype)
    numbers = [limits.max, limits.min, limits.smallest_normal, limits.smallest_subnormal, math.nan, math.inf, -math.inf]
    return np.array(numbers, dtype).tobytes()


@given(constants())
@example(("f32", np.array([0xFFC00001], np.uint32).tobytes()))  # a NaN with a sign and a payload
@example(("f32", np.array([1, 0x807FFFFF], np.uint32).tobytes()))  # the smallest and the largest denormal
@example(("f64", np.array([math.inf, -math.inf, -0.0]).tobytes()))
def test_floats_of_all_kinds_are_read_back_bit_by_bit(constant: tuple[str, bytes]) -> None:
    name, raw = constant
    values = np.frombuffer(raw, element_type(name).dtype)
    graph = from_text(f"c: {name}[{len(values)}] = Const() ...\nr = Result(c)\n", fill=True)
    graph.node("c").set_array(values)
    text = to_text(graph, values=True)
    back = from_text(text)
    assert back.node("c").array.tobytes() == raw
    assert to_text(back, values=True) == text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("type_", "value", "limits"),
    [
        ("f32", "1e39", "-3.4028235e+38 to 3.4028235e+38"),
        ("f32", "-1e39", "-3.4028235e+38 to 3.4028235e+38"),
        ("f64", "1e400", "-1.7976931e+308 to 1.7976931e+308"),
        ("f16", "65520", "-65504 to 65504"),
        ("bf16", "3.4e38", "-3.3895314e+38 to 3.3895314e+38"),
        ("f8e4m3", "inf", "-448 to 448"),
        ("f8e8m0", "-1.0", "5.8774718e-39 to 1.7014118e+38"),
    ],
)
def test_a_value_beyond_the_element_type_is_refused_by_name(type_: str, value: str, limits: str) -> None:
    with pytest.raises(IRError) as caught:
        from_text(f"c: {type_}[2] = Const() [1.0, {value}]\nr = Result(c)\n")
    assert str(caught.value) == f"line 1: constant 'c': {value} is no value of {type_}, which holds {limits}"


@pytest.mark.parametrize(
    ("value", "read"),
    [("3.4028235e+38", np.finfo(np.float32).max), ("1e-50", 0.0), ("inf", math.inf), ("-inf", -math.inf)],
)
def test_what_rounds_to_a_number_and_infinities_in_words_are_taken(value: str, read: float) -> None:
    assert from_text(f"c: f32[1] = Const() [{value}]\nr = Result(c)\n").node("c").array == [read]


def test_words_that_are_no_numbers_are_refused_with_the_constant() -> None:
    with pytest.raises(
        IRError, match=r"^line 1: constant 'c': no values of f32: could not convert string to float: 'much'$"
    ):
        from_text("c: f32[1] = Const() [much]\nr = Result(c)\n")
