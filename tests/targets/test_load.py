"""Target files: what they say, and every mistake with its path."""

import re
from pathlib import Path

import pytest

from irquant.ir import from_text
from irquant.targets import Granularity, Mode, TargetError, load_target, parse_target, target_names

SPECS = "name: t\nspecs:\n  a: {bits: 8, granularity: per_tensor}\n"
RULES = SPECS + "rules:\n  - {op: MatMul, inputs: {data: a, weights: a}}\n"


def complaint(text: str) -> str:
    with pytest.raises(TargetError) as caught:
        parse_target(text, "t.yaml")
    return re.sub(r"^t\.yaml(, line \d+)?: ", "", str(caught.value))


def test_the_shipped_targets_load_and_are_called_as_their_files() -> None:
    assert "cpu" in target_names()
    assert [load_target(name).name for name in target_names()] == target_names()


def test_the_cpu_takes_symmetric_weights_of_255_levels_and_activations_of_256() -> None:
    cpu = load_target("cpu")
    assert (cpu.specs["w8"].levels, cpu.specs["w8"].modes) == (255, (Mode.SYMMETRIC,))
    assert (cpu.specs["a8"].levels, cpu.specs["a8"].modes) == (256, (Mode.SYMMETRIC, Mode.ASYMMETRIC))
    assert cpu.specs["a8_channel"].granularity is Granularity.PER_CHANNEL


def test_a_users_own_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    assert load_target(str(tmp_path / "mine.yaml")).name == "t"


def test_one_name_may_stand_for_a_list() -> None:
    assert parse_target(RULES, "t.yaml").rules[0].op == ("MatMul",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SPECS, "'rules' is missing"),
        ("- a\n", "expected a mapping with the keys name, description, extends, device, "),
        ("a: [", "not YAML: while parsing a flow node"),
        (RULES + "rulse: []\n", "unknown key 'rulse'; did you mean 'rules'? known keys: "),
        (RULES.replace("weights: a", "weights: w9"), "rules[0].inputs.weights: no spec 'w9'; there are: a"),
        (
            RULES.replace("data: a", "date: a"),
            "rules[0].inputs.date.[key] is 'date'; did you mean 'data'? there are: data, second, hidden, weights, all",
        ),
        (RULES.replace("bits: 8", "bits: 17"), "specs.a.bits is 17; should be less than or equal to 16"),
        (RULES.replace("per_tensor", "per_row"), "specs.a.granularity is 'per_row'; "),
        (RULES.replace("op: MatMul,", ""), "'rules[0].op' is missing"),
        (RULES + "transparent:\n  - {op: Pad, when: padded}\n", "transparent[0].when[0] is 'padded'; "),
    ],
)
def test_a_mistake_is_named_with_its_path(text: str, said: str) -> None:
    assert complaint(text).startswith(said)


@pytest.mark.parametrize("name", ["cpuu", "", "vpu"])
def test_a_target_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert str(caught.value).startswith(f"no target '{name}'; ")
    assert "there are: cpu, cpu_avx2, cpu_spr, gna, gpu, npu; or give the path of a .yaml file" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"gone\.yaml: cannot be read: "):
        load_target(str(tmp_path / "gone.yaml"))


GRAPH = """
    x: f32[1,4,8,8] = Parameter()
    dw: f32[4,1,1,1,1] = Const() [1.0, 1.0, 1.0, 1.0]
    gw: f32[2,1,2,1,1] = Const() [1.0, 1.0, 1.0, 1.0]
    depthwise: f32[1,4,8,8] = GroupConvolution(x, dw)
    grouped: f32[1,2,8,8] = GroupConvolution(x, gw)
    nearest: f32[1,4,8,8] = Interpolate.opset4(x) mode="nearest"
    linear: f32[1,4,8,8] = Interpolate.opset4(x) mode="linear"
    pool: f32[1,4,8,8] = MaxPool(x) rounding_type="floor"
    torch_pool: f32[1,4,8,8] = MaxPool.opset14(x) rounding_type="ceil_torch"
    sizes: i64[4] = Const() [0, 0, 1, 1]
    one: f32[] = Const() [1.0]
    zero: f32[] = Const() [0.0]
    pad: f32[1,4,9,9] = Pad(x, sizes, sizes) pad_mode="constant"
    pad_zero: f32[1,4,9,9] = Pad(x, sizes, sizes, zero) pad_mode="constant"
    pad_one: f32[1,4,9,9] = Pad(x, sizes, sizes, one) pad_mode="constant"
    sum: f32[1,4,8,8] = Add(x, nearest)
    bias: f32[1,4,8,8] = Add(x, one)
    tile: f32[1,4,8,8] = Tile(x, sizes)
"""


def test_the_first_rule_that_fits_decides() -> None:
    graph, cpu = from_text(GRAPH), load_target("cpu")
    depthwise, grouped = (cpu.rule(graph.node(name)) for name in ("depthwise", "grouped"))
    assert depthwise is not None
    assert grouped is not None
    assert (depthwise.inputs["data"], grouped.inputs["data"]) == ("a8_channel", "a8_conv")
    assert cpu.rule(graph.node("sum")) is not None
    assert cpu.rule(graph.node("bias")) is None
    assert cpu.rule(graph.node("tile")) is None


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("nearest", True),
        ("linear", False),
        ("pool", True),
        ("torch_pool", False),
        ("pad", True),
        ("pad_zero", True),
        ("pad_one", False),
        ("tile", False),
    ],
)
def test_what_a_fake_quantize_may_pass_depends_on_attributes_and_values(name: str, *, passes: bool) -> None:
    assert (load_target("cpu").transparency(from_text(GRAPH).node(name)) is not None) is passes
