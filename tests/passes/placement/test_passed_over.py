"""What `explain` says of operations without a decision: what they read, and which reader decides it."""

import pytest

from irquant.ir import from_text
from irquant.passes import QuantizationConfig, explain
from irquant.passes.explain import Explanation, find_layer
from irquant.targets import load_target, parse_target

CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
HEAD = f"""
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
v: f32[2,4,1,1] = Const() [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]
first: f32[1,2,4,4] = Convolution(x, w) {CONV}
second: f32[1,2,4,4] = Convolution(x, w) {CONV}
"""
JOINED = f'all: f32[1,4,4,4] = Concat(first, second) axis="1"\nthird: f32[1,2,4,4] = Convolution(all, v) {CONV}\n'
SUM = f"sum: f32[1,2,4,4] = Add(first, second)\nthird: f32[1,2,4,4] = Convolution(sum, w) {CONV}\n"


def explained(lines: str, name: str) -> Explanation:
    plan = explain(from_text(HEAD + lines), load_target("cpu"), QuantizationConfig())
    return find_layer(plan.others, name)


@pytest.mark.parametrize(
    ("lines", "name", "is_rounded", "reason"),
    [
        (
            f"{JOINED}r = Result(third)",
            "all",
            True,
            "it only moves numbers, so the FakeQuantize of the layers behind it stands in front of it",
        ),
        (
            f"{JOINED}bent: f32[1,4,4,4] = Tanh(all)\nr = Result(third)\ns = Result(bent)",
            "all",
            False,
            "Tanh 'bent' takes its result as floats, so no FakeQuantize in front of it would serve all readers",
        ),
        (
            f'{JOINED}turned: f32[1,4,4,4] = ShuffleChannels(all) axis="1" group="2"\nr = Result(third)\ns = Result(turned)',
            "all",
            False,
            "output 's' of the model takes its result as floats, so no FakeQuantize in front of it would serve all readers",
        ),
        (f"{SUM}r = Result(third)", "sum", True, "target 'cpu' computes it on rounded numbers"),
        (
            f"{SUM}r = Result(third)\ns = Result(sum)",
            "sum",
            False,
            "output 's' of the model takes its result as floats, so no FakeQuantize in front of it would serve all readers",
        ),
        (
            f"{SUM}bent: f32[1,2,4,4] = Tanh(second)\nfourth: f32[1,2,4,4] = Convolution(first, w) {CONV}\n"
            "r = Result(third)\ns = Result(bent)\nt = Result(fourth)",
            "sum",
            False,
            "other readers of one input need it rounded; its input 1 stays float, since Tanh 'bent' takes that as floats, too",
        ),
        (
            f'clamp: f32[1,2,4,4] = Clamp(first) min="0" max="6"\nthird: f32[1,2,4,4] = Convolution(clamp, w) {CONV}\n'
            "r = Result(third)\ns = Result(second)",
            "clamp",
            False,
            "target 'cpu' has no rule that fits it; 'third/fq_input_0' rounds its result, so a device that fuses it with the "
            "layer in front computes both in int8",
        ),
        (
            "bent: f32[1,2,4,4] = Tanh(first)\nr = Result(bent)\ns = Result(second)",
            "bent",
            False,
            "target 'cpu' has no rule that fits it, and no layer behind needs its data rounded",
        ),
        (
            'sizes: i64[4] = ShapeOf.opset3(x) output_type="i64"\nr = Result(first)\ns = Result(second)\nt = Result(sizes)',
            "sizes",
            True,
            "it reads no values, and shares the FakeQuantize of the other readers",
        ),
    ],
)
def test_the_reason_names_the_reader_that_decides(lines: str, name: str, *, is_rounded: bool, reason: str) -> None:
    found = explained(lines, name)
    assert (found.int8, found.reason) == (is_rounded, reason)


def test_an_operation_that_takes_int8_whatever_is_behind_it_is_not_explained_by_its_readers() -> None:
    lines = "mean: f32[1,2,4,4] = MVN.opset6(first, axes)\nr = Result(mean)\ns = Result(second)"
    text = f"{HEAD}axes: i64[2] = Const() [2, 3]\n{lines}"
    target = parse_target(
        "name: t\nspecs: {a: {bits: 8, granularity: per_tensor}}\nrules: [{op: MVN, inputs: {data: a}}]\n", "t.yaml"
    )
    config = QuantizationConfig.checked(ignored={"scope": ["mean"]})
    found = find_layer(explain(from_text(text), target, config).others, "mean")
    assert found.reason == "you ignore 'mean'"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            "y: f32[1,2,4,4] = Add(first, c)",
            "it adds the bias of Convolution 'first', and a bias is added before a result is rounded",
        ),
        (
            "y: f32[1,2,4,4] = Add(c, second)",
            "it adds the bias of Convolution 'second', and a bias is added before a result is rounded",
        ),
        (
            "bent: f32[1,2,4,4] = Tanh(first)\ny: f32[1,2,4,4] = Add(bent, c)",
            "its input 1 is constant, and target 't' rounds what it reads only if all of that depends on the data",
        ),
        (
            "y: f32[1,2,4,4] = Multiply(first, c)",
            "its input 1 is constant, and target 't' rounds what it reads only if all of that depends on the data",
        ),
        (
            "y: f32[1,2,4,4] = Multiply(first, second)",
            "output 't' of the model takes its result as floats, so no FakeQuantize in front of it would serve all readers",
        ),
    ],
)
def test_a_constant_operand_is_the_reason_if_a_rule_without_conditions_fits(lines: str, reason: str) -> None:
    target = parse_target(
        "name: t\nspecs: {a: {bits: 8, granularity: per_tensor}}\nrules:\n"
        "  - {op: Convolution, inputs: {data: a, weights: a}}\n"
        "  - {op: [Add, Multiply], inputs: {all: a}, requantizes: true}\n",
        "t.yaml",
    )
    ends = f"third: f32[1,2,4,4] = Convolution(y, w) {CONV}\nr = Result(third)\nt = Result(y)"
    text = f"{HEAD}c: f32[1,2,1,1] = Const() [1.0, 2.0]\n{lines}\n{ends}"
    found = find_layer(explain(from_text(text), target, QuantizationConfig()).others, "y")
    assert (found.int8, found.reason) == (False, reason)
