"""What users leave out: by name, glob, regular expression, type and attributes; and rules that hit nothing."""

from pathlib import Path

import pytest

from irquant.ir import from_text
from irquant.passes import Config, ConfigError, read_settings
from irquant.passes.configuration.ignored import Ignored
from irquant.passes.placement import plan_placement
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
    ("ignored", "said"),
    [
        ({"scope": ["head/c"]}, "ignored: 'head/c' hits no operation of the model; did you mean 'head/a'?"),
        ({"scope": ["zzz*"]}, "ignored: 'zzz*' hits no operation of the model"),
        ({"scope": ["re:head"]}, "ignored: 're:head' hits no operation of the model"),
        ({"scope": ["w"]}, "ignored: 'w' hits no operation of the model"),  # a constant is none
        (
            {"operations": [{"type": "Matmul"}]},
            "ignored: operations of type Matmul hits no operation of the model; did you mean 'MatMul'?",
        ),
        (
            {"operations": [{"type": "Convolution", "attributes": {"strides": [3, 3]}}]},
            "ignored: operations of type Convolution with strides=3,3 hits no operation of the model",
        ),
        (
            {"operations": [{"type": "MatMul", "attributes": {"strides": [1, 1]}}]},
            "ignored: operations of type MatMul with strides=1,1 hits no operation of the model",
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
        ({"scope": ["re:("]}, "ignored.scope: 're:(' is no regular expression: "),
        ({"scopes": []}, "unknown key 'ignored.scopes'; did you mean 'scope'? "),
        ({"operations": [{"typ": "MatMul"}]}, "unknown key 'ignored.operations[0].typ'; did you mean 'type'? "),
        ({"operations": [{}]}, "'ignored.operations[0].type' is missing"),
        ({"skip_model": "yes"}, "ignored.skip_model is 'yes'; "),
    ],
)
def test_mistakes_have_their_path(ignored: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.checked(ignored=ignored)
    assert str(caught.value).startswith(said)


def test_a_configuration_file_may_lead_into_bodies_by_lists(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "compression:\n  model_type: None\n  algorithms:\n  - name: DefaultQuantization\n    params:\n"
        "      ignored: {scope: [a, [loop, b]], operations: [{type: Add}]}\n      saturation_fix: first_layer\n"
    )
    config = read_settings(path).config
    assert config.ignored.scope == ("a", "loop|b")
    assert (config.model_type, config.saturation_fix) == (None, "first_layer")
