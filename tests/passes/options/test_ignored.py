"""What users leave out: by name, glob, regular expression, type and attributes; and rules that hit nothing."""

from pathlib import Path

import pytest

from irquant.ir import from_text
from irquant.passes import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.ignored import Ignored
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.placement.placement import plan_placement
from irquant.targets import load_target

CONV = 'strides="{}" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
ONE, TWO = CONV.format("1, 1"), CONV.format("2, 2")
MODEL = f"""
    x: f32[1,2,4,4] = Parameter()
    w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
    g: f32[2,1,1,1,1] = Const() [1.0, 2.0]
    head/a: f32[1,2,4,4] = Convolution(x, w) {ONE}
    relu: f32[1,2,4,4] = ReLU(head/a)
    "head/b[0]": f32[1,2,2,2] = Convolution(relu, w) {TWO}
    tail: f32[1,2,2,2] = GroupConvolution("head/b[0]", g) {ONE}
    product: f32[1,2,2,2] = MatMul(tail, tail)
    out = Result(product)
"""


def kept(**ignored: object) -> dict[str, str]:
    """The layers that stay float -> why."""
    graph = from_text(MODEL)
    plan = plan_placement(graph, load_target("cpu"), Ignored.read(ignored, ""))
    assert not plan.warnings
    return {plan.names[node]: each.reason for node, each in plan.decisions.items() if not each.int8}


def warnings(**ignored: object) -> tuple[str, ...]:
    return plan_placement(from_text(MODEL), load_target("cpu"), Ignored.read(ignored, "")).warnings


@pytest.mark.parametrize(
    ("item", "names"),
    [
        ("head/a", ["head/a"]),
        ("head/*", ["head/a", "head/b[0]"]),
        ("head/b[0]", ["head/b[0]"]),  # a name before all, though it looks like a glob
        ("head/[ab]", ["head/a"]),
        ("?ail", ["tail"]),
        ("re:head/.*|tail", ["head/a", "head/b[0]", "tail"]),
        ("*", ["head/a", "head/b[0]", "tail", "product"]),
    ],
)
def test_names_globs_and_regular_expressions(item: str, names: list[str]) -> None:
    assert kept(scope=[item]) == dict.fromkeys(names, f"you ignore '{item}'")


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ({"type": "MatMul"}, ["product"]),
        ({"type": "Convolution"}, ["head/a", "head/b[0]", "tail"]),  # with groups, too, as in the published tool
        ({"type": "GroupConvolution"}, ["tail"]),
        ({"type": "Convolution", "attributes": {"strides": [2, 2]}}, ["head/b[0]"]),
        ({"type": "Convolution", "attributes": {"strides": "2,2"}}, ["head/b[0]"]),
        ({"type": "Convolution", "attributes": {"auto_pad": "EXPLICIT", "strides": [1, 1]}}, ["head/a", "tail"]),
        ({"type": "Convolution", "attributes": {"group": 2}}, ["tail"]),
    ],
)
def test_types_and_attributes(operation: dict[str, object], names: list[str]) -> None:
    assert sorted(kept(operations=[operation])) == names


def test_the_whole_model() -> None:
    assert set(kept(skip_model=True).values()) == {"you ignore the whole model"}


def test_what_is_ignored_has_no_fake_quantize_and_none_moves_past_it() -> None:
    plan = plan_placement(from_text(MODEL), load_target("cpu"), Ignored(scope=("head/b[0]",)))
    readers = [port.node.name for site in plan.sites for port in site.consumers]
    assert "head/b[0]" not in readers
    assert "relu" not in readers


@pytest.mark.parametrize(
    ("wanted", "hint"), [("Conv_0", ""), ("/body/body.8/Conv", "; did you mean '/body/body.7/Conv'?")]
)
def test_the_common_end_of_split_layers_makes_no_names_alike(wanted: str, hint: str) -> None:
    """The converter appends it to the names of layers with a bias."""
    graph = from_text(MODEL.replace("head/a", '"/body/body.7/Conv/WithoutBiases"'))
    ignored = Ignored(scope=(f"{wanted}/WithoutBiases",))
    said = f"ignored: '{wanted}/WithoutBiases' matches no operation of the model{hint}"
    assert plan_placement(graph, load_target("cpu"), ignored).warnings == (said,)


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        ({"scope": ["head/c"]}, "ignored: 'head/c' matches no operation of the model; did you mean 'head/a'?"),
        ({"scope": ["head"]}, "ignored: 'head' matches no operation of the model; did you mean '*head*'?"),
        ({"scope": ["roduct"]}, "ignored: 'roduct' matches no operation of the model; did you mean 'product'?"),
        (
            {"scope": ["head/folded"]},
            "ignored: 'head/folded' matches no operation of the model; did you mean 'head/a'?",
        ),
        (
            {"scope": ["Convolution"]},
            "ignored: 'Convolution' matches no operation of the model; 3 operations have this type: Python and "
            'configurations take ignored as {"operations": [{"type": "Convolution"}]}',
        ),
        (
            {"operations": [{"type": "ConvolutionBackpropData"}]},
            "ignored: type 'ConvolutionBackpropData' matches no operation of the model",
        ),
        ({"scope": ["zzz*"]}, "ignored: 'zzz*' matches no operation of the model"),
        (
            {"scope": ["re:head"]},
            "ignored: 're:head' matches no operation of the model; the whole name must match: 're:.*head.*' matches "
            "'head/a', 'head/b[0]'",
        ),
        (
            {"scope": ["re:hea|zz"]},
            "ignored: 're:hea|zz' matches no operation of the model; the whole name must match: 're:.*(?:hea|zz).*' matches "
            "'head/a', 'head/b[0]'",
        ),
        (
            {"scope": [r"re:haed\/.*"]},
            r"ignored: 're:haed\/.*' matches no operation of the model; the whole name must match; names are, for example, "
            "'head/a', 'head/b[0]'",
        ),
        ({"scope": ["w"]}, "ignored: 'w' matches no operation of the model"),  # a constant is none
        (
            {"operations": [{"type": "Matmul"}]},
            "ignored: type 'Matmul' matches no operation of the model; did you mean 'MatMul'?",
        ),
        (
            {"operations": [{"type": "Convolution", "attributes": {"strides": [3, 3]}}]},
            "ignored: type 'Convolution' with strides=3,3 matches no operation of the model",
        ),
        (
            {"operations": [{"type": "MatMul", "attributes": {"strides": [1, 1]}}]},
            "ignored: type 'MatMul' with strides=1,1 matches no operation of the model",
        ),
    ],
)
def test_a_rule_that_hits_nothing_is_a_warning(ignored: dict[str, object], said: str) -> None:
    assert warnings(**ignored) == (said,)


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        ({"scope": "head"}, "ignored.scope is 'head'; "),
        ({"scope": [1]}, "ignored.scope[0] is 1; "),
        ({"scope": ["re:("]}, "ignored.scope: 're:(' is not a regular expression: "),
        ({"scopes": []}, "unknown key 'ignored.scopes'; did you mean 'scope'? "),
        ({"types": ["MatMul"]}, "unknown key 'ignored.types': did you mean 'operations'? write {"),
        ({"names": ["a"]}, "unknown key 'ignored.names': did you mean 'scope'? it takes names and globs"),
        (
            {"patterns": ["a"]},
            "unknown key 'ignored.patterns': did you mean 'scope'? it takes regular expressions after",
        ),
        ({"operations": [{"typ": "MatMul"}]}, "unknown key 'ignored.operations[0].typ'; did you mean 'type'? "),
        ({"operations": [{}]}, "'ignored.operations[0].type' is missing"),
        ({"skip_model": "yes"}, "ignored.skip_model is 'yes'; "),
    ],
)
def test_mistakes_have_their_path(ignored: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        QuantizationConfig.checked(ignored=ignored)
    assert str(caught.value).startswith(said)


def test_a_configuration_file_may_lead_into_bodies_by_lists(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "compression:\n  model_type: None\n  algorithms:\n  - name: DefaultQuantization\n    params:\n"
        "      ignored: {scope: [a, [loop, b]], operations: [{type: Add}]}\n      saturation_fix: first_layer\n"
    )
    config = read_config_file(path).config
    assert config.ignored.scope == ("a", "loop|b")
    assert (config.model_type, config.saturation_fix) == (None, "first_layer")


# What frameworks know as one layer: bias, scale, and what the converter cut in two.
LINEAR = f"""
    x: f32[1,2,4,4] = Parameter()
    w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
    b: f32[1,2,1,1] = Const() [1.0, 2.0]
    wide: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
    half: f16[1,2,1,1] = Const() [1.0, 2.0]
    one/WithoutBiases: f32[1,2,4,4] = Convolution(x, w) {ONE}
    one: f32[1,2,4,4] = Add(one/WithoutBiases, b)
    relu: f32[1,2,4,4] = ReLU(one)
    two/conv/WithoutBiases: f32[1,2,4,4] = Convolution(relu, w) {ONE}
    scale: f32[1,2,1,1] = Convert(half) destination_type="f32"
    two/bn/mul: f32[1,2,4,4] = Multiply(two/conv/WithoutBiases, scale)
    two/bn: f32[1,2,4,4] = Add(two/bn/mul, b)
    three: f32[1,2,4,4] = Convolution(two/bn, w) {ONE} &"<rt_info><attribute name='fused_names' version='0' value='block/conv, block/bn' /></rt_info>"
    shape: i64[2] = Const() [1, 32]
    four/flat: f32[1,32] = Reshape(three, shape)
    four/bias: f32[1,1] = Const() [1.0]
    four: f32[1,32] = Add(four/flat, four/bias)
    five: f32[1,2,4,4] = Convolution(three, w) {ONE}
    five/shared: f32[1,2,4,4] = Add(five, b)
    five/relu: f32[1,2,4,4] = ReLU(five)
    six: f32[1,2,4,4] = Convolution(five/shared, w) {ONE}
    six/wide: f32[2,2,4,4] = Add(six, wide)
    seven: f32[1,2,4,4] = MatMul(five/relu, five/relu)
    seven/scaled: f32[1,2,4,4] = Multiply(seven, b)
    outs/0 = Result(four)
    outs/1 = Result(six/wide)
    outs/2 = Result(seven/scaled)
"""


def ignoring(**ignored: object) -> tuple[list[str], tuple[str, ...]]:
    """The layers that stay float because the user says so, and the warnings."""
    plan = plan_placement(from_text(LINEAR), load_target("cpu"), Ignored.read(ignored, ""))
    return [
        plan.names[node] for node, each in plan.decisions.items() if each.reason.startswith("you ignore")
    ], plan.warnings


@pytest.mark.parametrize(
    ("item", "layers"),
    [
        ("one", ["one/WithoutBiases"]),
        ("one/WithoutBiases", ["one/WithoutBiases"]),
        ("two/conv", ["two/conv/WithoutBiases"]),  # what converters put behind names is not the user's
        ("two/bn", ["two/conv/WithoutBiases"]),
        ("two/bn/mul", ["two/conv/WithoutBiases"]),
        ("two/*", ["two/conv/WithoutBiases"]),
        ("re:two/bn", ["two/conv/WithoutBiases"]),
        ("block/bn", ["three"]),
        ("block/*", ["three"]),
        ("re:block/.*", ["three"]),
    ],
)
def test_the_name_of_a_part_of_a_layer_means_the_layer(item: str, layers: list[str]) -> None:
    assert ignoring(scope=[item]) == (layers, ())


def test_a_bias_by_its_type_is_no_layer() -> None:
    layers, warnings = ignoring(operations=[{"type": "Add"}])
    assert layers == []
    assert warnings == (
        "ignored: operations of type Add matches 5 operations (for example Add 'one'), which are not quantized anyway; "
        "the nearest layers are 'one/WithoutBiases' before it and 'two/conv/WithoutBiases' behind it",
    )


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("relu", "ReLU 'relu', which is not quantized anyway; the nearest layers are 'one/WithoutBiases' before it "
         "and 'two/conv/WithoutBiases' behind it"),
        # Others read the layer without the bias.
        ("five/shared", "Add 'five/shared', which is not quantized anyway; the nearest layers are 'five' before it "
         "and 'six' behind it"),
        # It makes the tensor larger.
        ("six/wide", "Add 'six/wide', which is not quantized anyway; the nearest layer is 'six' before it"),
        # A product of two activations has no scale of its own.
        ("seven/scaled", "Multiply 'seven/scaled', which is not quantized anyway; the nearest layer is 'seven' before it"),
        ("x", "Parameter 'x', which is not quantized anyway; the nearest layer is 'one/WithoutBiases' behind it"),
    ],
)  # fmt: skip
def test_a_rule_that_hits_nothing_that_is_quantized_says_what_is_near(item: str, said: str) -> None:
    assert ignoring(scope=[item]) == ([], (f"ignored: '{item}' matches only {said}",))


def test_what_would_be_quantized_or_moved_past_is_hit_without_a_word() -> None:
    graph = from_text(f"""
        x: f32[1,2,4,4] = Parameter()
        w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
        a: f32[1,2,4,4] = Convolution(x, w) {ONE}
        pool: f32[1,2,4,4] = MaxPool(a) strides="1, 1" kernel="1, 1" pads_begin="0, 0" pads_end="0, 0" rounding_type="floor"
        b: f32[1,2,4,4] = Convolution(pool, w) {ONE}
        sum: f32[1,2,4,4] = Add(pool, b)
        c: f32[1,2,4,4] = Convolution(sum, w) {ONE}
        out = Result(c)
    """)
    assert plan_placement(graph, load_target("cpu"), Ignored(scope=("pool",))).warnings == ()
    assert plan_placement(graph, load_target("cpu"), Ignored(scope=("sum",))).warnings == ()
