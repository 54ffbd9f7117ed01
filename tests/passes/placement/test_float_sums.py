"""Sums of int8 results that stay float are named with their reasons."""

import pytest

from irquant.ir import from_text
from irquant.passes.options.ignored import Ignored
from irquant.passes.placement.float_sums import float_sums
from irquant.passes.placement.placement import plan_placement
from irquant.targets import load_target

CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
HEAD = f"""
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
c: f32[1,2,1,1] = Const() [1.0, 2.0]
first: f32[1,2,4,4] = Convolution(x, w) {CONV}
second: f32[1,2,4,4] = Convolution(x, w) {CONV}
"""
BEHIND = f"third: f32[1,2,4,4] = Convolution(sum, w) {CONV}\nr = Result(third)\n"


def found(lines: str, *ignored: str) -> list[tuple[str, str]]:
    graph, target = from_text(HEAD + lines), load_target("cpu")
    plan = plan_placement(graph, target, Ignored(scope=ignored))
    return [(each.name, each.reason) for each in float_sums(graph, plan, target)]


def test_a_sum_that_the_device_computes_on_rounded_numbers_is_not_named() -> None:
    assert found(f"sum: f32[1,2,4,4] = Add(first, second)\n{BEHIND}") == []


FLOATS = "output 's' of the model takes its result as floats, so no FakeQuantize in front of it would serve all readers"


@pytest.mark.parametrize(
    "lines",
    [
        "sum: f32[1,2,4,4] = Add(first, second)\n",
        "bias: f32[1,2,4,4] = Add(first, c)\nbent: f32[1,2,4,4] = ReLU(bias)\nsum: f32[1,2,4,4] = Add(bent, second)\n",
        "scaled: f32[1,2,4,4] = Multiply(second, c)\nsum: f32[1,2,4,4] = Add(scaled, first)\n",
    ],
)
def test_a_sum_whose_result_is_read_as_floats_says_which_reader_does(lines: str) -> None:
    assert found(f"{lines}{BEHIND}s = Result(sum)") == [("sum", FLOATS)]


@pytest.mark.parametrize(
    "lines",
    [
        "sum: f32[1,2,4,4] = Add(first, c)\nt = Result(second)\n",
        "sum: f32[1,2,4,4] = Add(first, x)\nt = Result(second)\n",
        "sum: f32[1,2,4,4] = Multiply(first, second)\n",
        "bent: f32[1,2,4,4] = Tanh(first)\nsum: f32[1,2,4,4] = Add(first, bent)\nt = Result(second)\n",
    ],
)
def test_biases_products_and_functions_of_one_result_are_no_sums_of_int8_results(lines: str) -> None:
    assert found(f"{lines}{BEHIND}s = Result(sum)") == []


def test_a_sum_behind_sums_is_named_too() -> None:
    lines = (
        "sum: f32[1,2,4,4] = Add(first, second)\nbent: f32[1,2,4,4] = Tanh(sum)\ntwice: f32[1,2,4,4] = Add(sum, bent)\n"
    )
    assert [name for name, _ in found(f"{lines}{BEHIND}s = Result(twice)")] == ["sum", "twice"]


def test_a_sum_behind_a_float_layer_is_none() -> None:
    assert found(f"sum: f32[1,2,4,4] = Add(first, second)\n{BEHIND}s = Result(sum)", "second") == []


def test_an_ignored_sum_is_float_because_the_user_ignores_it() -> None:
    assert found(f"sum: f32[1,2,4,4] = Add(first, second)\n{BEHIND}", "sum") == [("sum", "you ignore 'sum'")]
