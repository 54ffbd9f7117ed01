"""What `explain` says is what the pipeline does."""

from collections.abc import Sequence

import pytest

from irquant.ir import IRError, from_text, to_text
from irquant.passes import QuantizationConfig, explain
from irquant.passes.explain import Explanation, find_layer, find_layers
from irquant.passes.placement.placement import plan_placement
from irquant.targets import load_target

CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
MODEL = f"""
x: f32[1,2,5,5] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
v: f32[2,4,1,1] = Const() [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]
relu: f32[1,2,5,5] = ReLU(x)
first: f32[1,2,5,5] = Convolution(relu, w) {CONV}
sigmoid: f32[1,2,5,5] = Sigmoid(first)
all: f32[1,4,5,5] = Concat(relu, sigmoid) axis="1"
second: f32[1,2,5,5] = Convolution(all, v) {CONV}
square: f32[1,2,5,5] = MatMul(second, second)
r = Result(square)
"""


def explained(preset: str = "performance") -> Sequence[Explanation]:
    return explain(from_text(MODEL), load_target("cpu"), QuantizationConfig.checked(preset=preset)).layers


def test_each_layer_is_explained_in_order() -> None:
    assert [(each.name, each.int8, each.reason) for each in explained()] == [
        ("first", True, "a8_pointwise x w8"),
        ("second", True, "a8_pointwise x w8"),
        ("square", True, "a8_kept x a8_signed"),
    ]


def test_joined_tensors_are_told_with_the_range_that_they_share() -> None:
    second = find_layer(explained(), "second")
    assert [each.tensor for each in second.data] == ["relu", "sigmoid"]
    names = [each.name for each in second.data]
    assert [each.same_range for each in second.data] == [(names[1],), (names[0],)]
    (weights,) = second.weights
    assert (weights.mode, weights.granularity, weights.levels) == ("symmetric", "per_channel", 255)


def test_everything_said_is_in_the_plan() -> None:
    sites = {site.name: site for site in plan_placement(from_text(MODEL), load_target("cpu")).sites}
    said = [each for layer in explained() for each in (*layer.data, *layer.weights)]
    assert {each.name for each in said} == set(sites)
    for each in said:
        site = sites[each.name]
        assert each.tensor == site.source.node.name
        assert each.readers == tuple(port.node.name for port in site.consumers)
        assert set(each.same_range) == {
            other.name for other in sites.values() if other.group is not None and other.group == site.group
        } - {each.name}


@pytest.mark.parametrize(("preset", "mode"), [("performance", "symmetric"), ("mixed", "asymmetric")])
def test_the_preset_decides_the_mode(preset: str, mode: str) -> None:
    convolutions = [layer for layer in explained(preset) if layer.type == "Convolution"]
    assert {each.mode for layer in convolutions for each in layer.data} == {mode}


def test_a_product_of_activations_is_symmetric_whatever_the_preset() -> None:
    assert {each.mode for each in find_layer(explained("mixed"), "square").data} == {"symmetric"}


def test_the_graph_stays_as_it_is() -> None:
    graph = from_text(MODEL)
    before = to_text(graph, values=True)
    explain(graph, load_target("cpu"), QuantizationConfig())
    assert to_text(graph, values=True) == before


@pytest.mark.parametrize(
    ("name", "hint"),
    [("frist", "; did you mean 'first'?"), ("all", ""), ("", "")],
)
def test_a_layer_that_does_not_exist_is_named(name: str, hint: str) -> None:
    with pytest.raises(IRError) as caught:
        find_layer(explained(), name)
    assert str(caught.value) == f"no operation is named '{name}'{hint}"


LOOPED = f"""
x: f32[1,2,4,4] = Parameter()
c: boolean[] = Parameter()
first: f32[1,2,4,4] = Convolution(x, x)
branch: f32[1,2,4,4] = If(c, first)
then_body of branch {{
    a: f32[1,2,4,4] = Parameter()
    w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
    conv: f32[1,2,4,4] = Convolution(a, w) {CONV}
    bent: f32[1,2,4,4] = Tanh(conv)
    r = Result(bent)
}}
else_body of branch {{
    b: f32[1,2,4,4] = Parameter()
    conv: f32[1,2,4,4] = Convolution(b, b) {CONV}
    first: f32[1,2,4,4] = Tanh(conv)
    s = Result(first)
}}
r = Result(branch)
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("branch|bent", ["Tanh 'branch|bent'"]),
        ("bent", ["Tanh 'branch|bent'"]),
        ("branch|conv", ["Convolution 'branch|conv'", "Convolution 'branch|conv'"]),
        ("conv", ["Convolution 'branch|conv'", "Convolution 'branch|conv'"]),
        ("first", ["Convolution 'first'"]),
        ("branch|first", ["Tanh 'branch|first'"]),
        ("conv/fq_input_0", ["Convolution 'branch|conv'"]),
        ("a", ["Convolution 'branch|conv'"]),
        ("w", ["Convolution 'branch|conv'"]),
        ("conv/fq_weights_1", ["Convolution 'branch|conv'"]),
    ],
)
def test_operations_in_bodies_are_found_by_the_names_that_reports_give_them(name: str, found: list[str]) -> None:
    plan = explain(from_text(LOOPED), load_target("cpu"), QuantizationConfig())
    assert [f"{each.type} '{each.name}'" for each in find_layers((*plan.layers, *plan.others), name)] == found


POOLED = f"""
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
v: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
first: f32[1,2,4,4] = Convolution(x, w) {CONV}
bent: f32[1,2,4,4] = Tanh(first)
pool: f32[1,2,2,2] = MaxPool(bent) strides="2,2" pads_begin="0,0" pads_end="0,0" kernel="2,2"
second: f32[1,2,2,2] = Convolution(pool, v) {CONV}
r = Result(second)
"""


@pytest.mark.parametrize(
    ("name", "int8", "reason", "quantized"),
    [
        ("pool", True, "it only moves numbers", ["bent"]),
        ("bent", False, "target 'cpu' has no rule that fits it", []),
        ("second", True, "a8_pointwise x w8", ["bent"]),
    ],
)
def test_operations_that_the_plan_decides_nothing_about_are_explained_too(
    name: str, *, int8: bool, reason: str, quantized: list[str]
) -> None:
    plan = explain(from_text(POOLED), load_target("cpu"), QuantizationConfig())
    found = find_layer((*plan.layers, *plan.others), name)
    assert (found.int8, [each.tensor for each in found.data]) == (int8, quantized)
    assert found.reason.startswith(reason)
    assert [each.name for each in plan.layers] == ["first", "second"]


def nearly(lines: str, **options: object) -> dict[str, tuple[str, ...]]:
    """What nearly matched at each layer of a model."""
    plan = explain(from_text(lines), load_target("cpu"), QuantizationConfig.checked(**options))
    return {layer.name: layer.nearly for layer in plan.layers}


PAIR = f"""
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
v: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
first: f32[1,2,4,4] = Convolution(x, w) {CONV}
"""
PADDED = CONV.replace('pads_begin="0, 0" pads_end="0, 0"', 'pads_begin="1, 1" pads_end="1, 1"')
PRODUCT = """
x: f32[1,2,4] = Parameter()
w: f32[2,3] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
product: f32[1,4,3] = MatMul(x, w) transpose_a="true"
r = Result(product)
"""


def test_convolutions_that_are_aligned_have_no_near_miss() -> None:
    assert nearly(f"{PAIR}second: f32[1,2,4,4] = Convolution(first, v) {CONV}\nr = Result(second)")["second"] == ()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            f"second: f32[1,2,6,6] = Convolution(first, v) {PADDED}",
            "'second' is Convolution, expected a Convolution without padding, strides or dilations, right behind the other",
        ),
        (
            f"bent: f32[1,2,4,4] = Sigmoid(first)\nsecond: f32[1,2,4,4] = Convolution(bent, v) {CONV}",
            "'second': input 0 is Sigmoid 'bent', expected Add or Convolution or GroupConvolution",
        ),
    ],
    ids=["padding", "another operation between"],
)
def test_why_convolutions_are_not_aligned_is_told(lines: str, reason: str) -> None:
    assert nearly(f"{PAIR}{lines}\nr = Result(second)")["second"] == (f"align-activation-channels: {reason}",)


def test_why_an_input_normalization_is_not_folded_is_told() -> None:
    numbers = ", ".join(f"{each}.0" for each in range(1, 17))
    lines = f"""
n: f32[1,1,4,4] = Const() [{numbers}]
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
scaled: f32[1,2,4,4] = Multiply(x, n)
conv: f32[1,2,4,4] = Convolution(scaled, w) {CONV}
r = Result(conv)
"""
    reason = "'scaled' is Multiply, expected a constant of one number per channel as its operand"
    assert f"fold-input-normalization: {reason}" in nearly(lines)["conv"]


def test_why_channels_are_not_smoothed_is_told() -> None:
    reason = "smooth-quant: 'product' is MatMul, expected no transposed data"
    assert nearly(PRODUCT, migrate_scales=True)["product"] == (reason,)


def test_passes_that_leave_the_model_alone_have_no_near_miss() -> None:
    assert nearly(PRODUCT)["product"] == ()
