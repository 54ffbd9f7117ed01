"""Target files: what they say, and every mistake with its path."""

import base64
import json
import math
import re
import subprocess
import sys
import zlib
from importlib import resources
from pathlib import Path

import pytest

from irquant.ir import from_text
from irquant.targets import Granularity, Mode, TargetError, check_target, load_target, parse_target, target_names
from irquant.targets.load import target_name
from irquant.targets.operations import operation_table
from irquant.targets.target import Compression, Condition

FILES = resources.files("irquant.targets")

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
    assert (cpu.specs["w8"].levels(Mode.SYMMETRIC), cpu.specs["w8"].modes) == (255, (Mode.SYMMETRIC,))
    assert (cpu.specs["a8"].levels(Mode.SYMMETRIC), cpu.specs["a8"].modes) == (256, (Mode.SYMMETRIC, Mode.ASYMMETRIC))
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
        ("- a\n", "expected a mapping with the keys name, aliases, description, extends, device, "),
        ("a: [", "not YAML: while parsing a flow node"),
        (RULES + "rulse: []\n", "unknown key 'rulse'; did you mean 'rules'? known keys: "),
        (RULES.replace("weights: a", "weights: w9"), "rules[0].inputs.weights: no spec 'w9'; there are: a"),
        (
            RULES.replace("data: a", "date: a"),
            "rules[0].inputs.date is 'date'; did you mean 'data'? there are: data, second, hidden, weights, all",
        ),
        (RULES.replace("bits: 8", "bits: 17"), "specs.a.bits is 17; should be less than or equal to 16"),
        (RULES.replace("per_tensor", "per_row"), "specs.a.granularity is 'per_row'; "),
        (RULES.replace("op: MatMul,", ""), "'rules[0].op' is missing"),
        (
            RULES.replace(", granularity: per_tensor", ""),
            "'specs.a.granularity' is missing; there are: per_tensor, per_channel",
        ),
        (RULES + "transparent:\n  - {op: Pad, when: pads}\n", "transparent[0].when[0] is 'pads'; "),
    ],
)
def test_a_mistake_is_named_with_its_path(text: str, said: str) -> None:
    assert complaint(text).startswith(said)


SPEC_KEYS = (
    "bits, modes, granularity, narrow_range, signed, unsigned, never_signed, keeps_mode, zero_point, free_zero_point, slow_zero_point, "
    "absorbs_zero_point, also_levels, level_count, unsupported_reason"
)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("sign: true", f"unknown key 'specs.a8.sign'; did you mean 'signed'? known keys: {SPEC_KEYS}"),
        ("qq: 1", f"unknown key 'specs.a8.qq'; known keys: {SPEC_KEYS}"),
        ("specs: {}", f"unknown key 'specs.a8.specs'; known keys: {SPEC_KEYS}"),
        ("modes: symmetric", "specs.a8.modes is 'symmetric'; should be a list, e.g. ['symmetric']"),
        ("also_levels: 255", "specs.a8.also_levels is 255; should be a list, e.g. [255]"),
        ("level_count: 257", "specs.a8.level_count: found 257, expected 2 to 256 levels, since 8 bits hold no more"),
        ("level_count: 1", "specs.a8.level_count: found 1, expected 2 to 256 levels, since 8 bits hold no more"),
        (
            "also_levels: [16, 300]",
            "specs.a8.also_levels: found 300, expected 2 to 256 levels, since 8 bits hold no more",
        ),
        (
            "level_count: many",
            "specs.a8.level_count is 'many'; should be a valid integer, unable to parse string as an integer",
        ),
        ("modes: {symmetric: 1}", "specs.a8.modes is {'symmetric': 1}; should be a list"),
        ("modes: null", "specs.a8.modes is None; should be a list"),
        (
            "modes: [symmetrical]",
            "specs.a8.modes[0] is 'symmetrical'; did you mean 'symmetric'? there are: symmetric, asymmetric",
        ),
    ],
)
def test_a_mistake_inside_a_spec_is_named_with_its_line(keys: str, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(
            f"name: t\nrules: []\nspecs:\n  a8:\n    bits: 8\n    granularity: per_tensor\n    {keys}\n", "t.yaml"
        )
    assert str(caught.value) == f"t.yaml, line 7: {said}"


@pytest.mark.parametrize("count", [2, 255, 256])
def test_as_many_levels_as_the_bits_hold_are_taken(count: int) -> None:
    text = f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, level_count: {count}}}}}\nrules: []\n"
    assert parse_target(text, "t.yaml").specs["a"].levels(Mode.ASYMMETRIC) == count


def test_a_misspelt_key_is_told_from_one_that_is_missing_inside_a_spec() -> None:
    assert complaint(RULES.replace("granularity", "granularty")).startswith(
        "unknown key 'specs.a.granularty'; did you mean 'granularity'? known keys: bits, "
    )


@pytest.mark.parametrize("name", ["cpuu", "", "vpu"])
def test_a_target_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert str(caught.value).startswith(f"no target '{name}'; ")
    assert f"there are: {', '.join(target_names())}; or give the path of a .yaml file" in str(caught.value)


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
    assert (depthwise.inputs["data"], grouped.inputs["data"]) == ("a8_channel", "a8_kept")
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


LAYERS = """
    x: f32[1,8,6,6] = Parameter()
    w: f32[8,2,1,3,3] = Const() [{}]
    pairs: f32[4,4,2,1,1] = Const() [{}]
    matrix: f32[6,6] = Const() [{}]
    up_w: f32[8,2,2,2] = Const() [{}]
    none: i64[4] = Const() [0, 0, 0, 0]
    some: i64[4] = Const() [0, 0, 1, 1]
    more: f32[1,16,4,4] = GroupConvolution(x, w)
    grouped: f32[1,16,6,6] = GroupConvolution(x, pairs)
    behind: f32[1,8,6,6] = MatMul(matrix, x)
    in_front: f32[1,8,6,6] = MatMul(x, matrix)
    up: f32[1,2,12,12] = ConvolutionBackpropData(x, up_w) strides="2, 2"
    up_gaps: f32[1,2,17,12] = ConvolutionBackpropData(x, up_w) strides="3, 2"
    up_far: f32[1,2,7,22] = ConvolutionBackpropData(x, up_w) strides="1, 4"
    up_within: f32[1,2,12,12] = ConvolutionBackpropData(x, up_w) strides="2, 2" pads_end="1, 1" output_padding="1, 0"
    up_beyond: f32[1,2,12,13] = ConvolutionBackpropData(x, up_w) strides="2, 2" pads_end="1, 0" output_padding="0, 1"
    axis: i64[1] = Const() [3]
    half: f32[] = Const() [0.5]
    order: i64[3] = Const() [0, 2, 1]
    most: f32[1,8,6] = ReduceMax(x, axis)
    swapped: f32[1,6,8] = Transpose(most, order)
    halved: f32[1,8,6] = Multiply(most, half)
    bent: f32[1,6,8] = Transpose(halved, order)
    eights: f32[8,8] = Const() [{}]
    behind_most: f32[1,6,8] = MatMul(swapped, eights)
    behind_half: f32[1,6,8] = MatMul(bent, eights)
    half_f16: f16[] = Const() [0.5]
    converted: f32[] = Convert(half_f16) destination_type="f32"
    halved_f16: f32[1,8,6] = Multiply(converted, most)
    second_half: f32[1,8,6] = MatMul(eights, halved_f16)
    squared: f32[1,8,6] = Multiply(most, most)
    behind_square: f32[1,8,8] = MatMul(squared, squared) transpose_b="true"
    holes: f32[1,8,4,4] = MaxPool.opset8(x) kernel="2, 2" dilations="2, 2"
    average: f32[1,8,6,6] = AvgPool(x) exclude-pad="false" pads_begin="1, 1" pads_end="0, 0"
    same: f32[1,8,6,6] = AvgPool(x) exclude-pad="false" pads_begin="0, 0" pads_end="0, 0" auto_pad="same_upper"
    bare: f32[1,8,5,5] = AvgPool(x) exclude-pad="false" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"
    apart: f32[4,8,3,3] = SpaceToBatch(x, none, none, none)
    apart_wide: f32[4,8,4,4] = SpaceToBatch(x, none, some, none)
    framed: f32[1,8,8,8] = Interpolate.opset4(x) pads_begin="0, 0, 1, 1" pads_end="0, 0, 0, 0"
    last: i64[4] = Const() [0, 3, 1, 2]
    turned: i64[4] = Const() [0, 1, 3, 2]
    moved: f32[1,6,8,6] = Transpose(x, last)
    moved_relu: f32[1,6,8,6] = ReLU(moved)
    six_kernels: f32[6,1,1,3,3] = Const() [{}]
    eight_kernels: f32[8,1,1,3,3] = Const() [{}]
    moved_depthwise: f32[1,6,6,4] = GroupConvolution(moved, six_kernels)
    moved_before: f32[1,6,6,4] = GroupConvolution(moved_relu, six_kernels)
    turned_picture: f32[1,8,6,6] = Transpose(x, turned)
    turned_depthwise: f32[1,8,4,4] = GroupConvolution(turned_picture, eight_kernels)
"""


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("more", {"depthwise", "multiplies_channels", "groups_not_by_4"}),
        ("grouped", {"groups_not_by_4"}),
        ("behind", {"constant_first"}),
        ("in_front", set[str]()),
        ("behind_most", set[str]()),
        ("behind_half", {"after_bent_extreme"}),
        ("second_half", {"constant_first", "after_bent_extreme"}),
        ("behind_square", set[str]()),
        ("up", {"steps_fit_kernel", "output_padding_within_pads"}),
        ("up_gaps", {"output_padding_within_pads"}),
        ("up_far", {"output_padding_within_pads"}),
        ("up_within", {"steps_fit_kernel", "output_padding_within_pads"}),
        ("up_beyond", {"steps_fit_kernel"}),
        ("holes", set[str]()),
        ("average", {"averages_padding"}),
        ("same", {"averages_padding"}),
        ("bare", {"no_padding"}),
        ("apart", {"no_padding"}),
        ("apart_wide", set[str]()),
        ("framed", set[str]()),
        ("moved_depthwise", {"depthwise", "behind_moved_channels"}),
        ("moved_before", {"depthwise"}),
        ("turned_depthwise", {"depthwise"}),
    ],
)
def test_properties_are_read_off_operations(name: str, properties: set[str]) -> None:
    filled = [", ".join(["1.0"] * count) for count in (144, 32, 36, 64, 64, 54, 72)]
    node = from_text(LAYERS.format(*filled)).node(name)
    asked = {
        "GroupConvolution": ["depthwise", "multiplies_channels", "groups_not_by_4", "behind_moved_channels"],
        "MatMul": ["constant_first", "after_bent_extreme"],
        "ConvolutionBackpropData": ["steps_fit_kernel", "output_padding_within_pads"],
        "MaxPool": ["undilated"],
        "AvgPool": ["averages_padding", "no_padding"],
    }.get(node.type, ["no_padding"])
    assert {
        each for each in asked if Condition.model_validate({"op": node.type, "when": each}).fits(node)
    } == properties


POINTWISE = """
    x: f32[1,2,{},6] = Parameter()
    w: f32[2,2,{},1] = Const() [{}]
    y: f32[1,2,{},6] = Convolution(x, w) strides="1, 1" dilations="1, 1" pads_begin="{}" pads_end="0, 0"
    b: f32[1,2,1,1] = Const() [1.0, 2.0]
    one: f32[1,1,1,1] = Const() [1.0]
    s: f32[2] = Const() [0.1, 0.2]
    d: f32[2,1,1,1,1] = Const() [1.0, 1.0]
    z: f32[1,2,{},6] = Add(y, b)
    {}
    r = Result(end)
"""
BENT = "p: f32[1,2,?,6] = ReLU(z)\nend: f32[1,2,?,6] = "


@pytest.mark.parametrize(
    ("size", "kernel", "pads", "behind", "fits"),
    [
        ("?", 1, "0, 0", "end: f32[1,2,?,6] = GroupConvolution(z, d)", True),
        ("?", 1, "0, 0", "end: f32[1,2,?,6] = PReLU(z, s)", True),
        ("?", 1, "0, 0", f"{BENT}GroupConvolution(p, d)", True),
        ("?", 1, "0, 0", f"{BENT}Multiply(p, b)", True),
        ("?", 1, "0, 0", f"{BENT}Multiply(p, one)", False),
        ("?", 1, "0, 0", f"{BENT}Sigmoid(p)", False),
        ("?", 1, "1, 0", "end: f32[1,2,?,6] = GroupConvolution(z, d)", False),
        ("?", 2, "0, 0", "end: f32[1,2,?,6] = GroupConvolution(z, d)", False),
        ("6", 1, "0, 0", "end: f32[1,2,6,6] = GroupConvolution(z, d)", False),
    ],
)
def test_pointwise_convolutions_of_any_size_have_no_zero_point_before_steps_by_channel(
    size: str, kernel: int, pads: str, behind: str, *, fits: bool
) -> None:
    numbers = ", ".join(["1.0"] * 4 * kernel)
    node = from_text(POINTWISE.format(size, kernel, numbers, size, pads, size, behind)).node("y")
    properties = ["pointwise", "of_any_size", "before_steps_by_channel"]
    assert Condition.model_validate({"op": "Convolution", "when": properties}).fits(node) is fits
    rule = load_target("cpu").rule(node)
    assert rule is not None
    is_pointwise = kernel == 1 and pads == "0, 0"
    assert Condition.model_validate({"op": "Convolution", "when": "pointwise"}).fits(node) is is_pointwise
    pads = "a8_shifted" if pads == "0, 0" else "a8_unsigned"
    otherwise = pads if size == "?" else "a8_pointwise"
    assert rule.inputs == {"data": "a8_absorbed" if fits else otherwise, "weights": "w8"}


@pytest.mark.parametrize(
    ("size", "strides", "padding", "spec"),
    [
        ("?", "1, 2", "", "a8_shifted"),
        ("?", "1, 2", 'auto_pad="same_upper"', "a8_shifted"),
        ("?", "1, 1", 'auto_pad="same_upper"', "a8_shifted"),
        ("?", "1, 1", "", "a8_shifted"),
        ("?", "1, 2", 'pads_begin="1, 0" pads_end="0, 0"', "a8_unsigned"),
        ("6", "1, 2", 'auto_pad="same_lower"', "a8_pointwise"),
    ],
)
def test_convolutions_of_any_size_have_no_signed_data(size: str, strides: str, padding: str, spec: str) -> None:
    node = from_text(f"""
        x: f32[1,2,{size},6] = Parameter()
        w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
        y: f32[1,2,{size},?] = Convolution(x, w) strides="{strides}" {padding}
        r = Result(y)
    """).node("y")
    rule = load_target("cpu").rule(node)
    assert rule is not None
    assert rule.inputs["data"] == spec


@pytest.mark.parametrize(
    ("type_", "size", "weights", "attributes", "properties"),
    [
        ("Convolution", "4,9,9", "2,4,3,3", 'dilations="2, 1"', {"dilated"}),
        ("Convolution", "4,9,9", "2,4,1,3", 'dilations="2, 1"', set()),
        ("Convolution", "4,9,9", "2,4,2,3", 'dilations="2, 1"', {"dilated", "dilated_even"}),
        ("Convolution", "4,9,9", "2,4,3,2", 'dilations="2, 1"', {"dilated"}),
        ("Convolution", "4,9,9", "2,4,3,3", 'dilations="1, 1" pads_begin="0, 0" pads_end="0, 1"', {"padded"}),
        ("Convolution", "4,9,?", "2,4,3,3", "", {"of_any_size", "maybe_few_columns"}),
        ("Convolution", "4,?,9", "2,4,3,3", "", {"of_any_size", "maybe_few_columns"}),
        ("Convolution", "4,?,12", "2,4,3,3", "", {"of_any_size"}),
    ],
)
def test_dilation_padding_and_sizes_of_convolutions(
    type_: str, size: str, weights: str, attributes: str, properties: set[str]
) -> None:
    values = ", ".join(["1.0"] * math.prod(map(int, weights.split(","))))
    node = from_text(f"""
        x: f32[1,{size}] = Parameter()
        w: f32[{weights}] = Const() [{values}]
        y: f32[1,?,?,{size[-1] if size[-1] == "?" else int(size.split(",")[-1]) - 2}] = {type_}(x, w) {attributes}
        r = Result(y)
    """).node("y")
    among = ("dilated", "dilated_even", "padded", "of_any_size", "maybe_few_columns")
    assert {each for each in among if Condition.model_validate({"op": type_, "when": each}).fits(node)} == properties


@pytest.mark.parametrize(("value", "fits"), [("0.0", True), ("1.0", False)])
def test_a_pad_of_zeros_in_front_counts_as_padding(value: str, *, fits: bool) -> None:
    node = from_text(f"""
        x: f32[1,1,5,5] = Parameter()
        size: i64[4] = Const() [0, 0, 1, 1]
        value: f32[] = Const() [{value}]
        padded: f32[1,1,7,7] = Pad(x, size, size, value) pad_mode="constant"
        w: f32[1,1,1,1] = Const() [2.0]
        y: f32[1,1,7,7] = Convolution(padded, w)
        r = Result(y)
    """).node("y")
    assert Condition.model_validate({"op": "Convolution", "when": "padded"}).fits(node) is fits


@pytest.mark.parametrize(("batch", "length", "fits"), [("?", 16, True), ("?", 17, False), ("1", 16, False)])
def test_short_data_of_any_batch_may_have_few_columns(batch: str, length: int, *, fits: bool) -> None:
    node = from_text(f"""
        x: f32[{batch},2,{length}] = Parameter()
        w: f32[1,2,1] = Const() [1.0, 2.0]
        y: f32[{batch},1,{length}] = Convolution(x, w)
        r = Result(y)
    """).node("y")
    assert Condition.model_validate({"op": "Convolution", "when": "maybe_few_columns"}).fits(node) is fits


@pytest.mark.parametrize(
    ("shape", "moved", "fits"),
    [
        ("2,3,3,5", "2,3,3,5", False),
        ("2,3,4,5", "2,4,3,5", True),
        ("2,?,3,5", "2,3,?,5", True),
        ("?,3,3,5", "?,3,3,5", True),
    ],
)
def test_a_transpose_of_equal_sizes_does_not_show_its_order(shape: str, moved: str, *, fits: bool) -> None:
    node = from_text(f"""
        x: f32[{shape}] = Parameter()
        order: i64[4] = Const() [0, 2, 1, 3]
        y: f32[{moved}] = Transpose(x, order)
        sizes: i64[2] = Const() [0, -1]
        z: f32[2,?] = Reshape(y, sizes) special_zero="true"
        r = Result(z)
    """).node("z")
    assert Condition.model_validate({"op": "Reshape", "when": "shape_shows_order"}).fits(node) is fits


@pytest.mark.parametrize(
    ("opset", "size", "fits"), [("opset1", "?", False), ("opset1", "4", True), ("opset4", "?", True)]
)
def test_the_scale_of_old_interpolations_is_known_if_the_sizes_are(opset: str, size: str, *, fits: bool) -> None:
    node = from_text(f"""
        x: f32[1,2,{size},4] = Parameter()
        sizes: i64[2] = Const() [8, 8]
        y: f32[1,2,8,8] = Interpolate.{opset}(x, sizes) mode="nearest" axes="2, 3"
        r = Result(y)
    """).node("y")
    assert Condition.model_validate({"op": "Interpolate", "when": "known_scale"}).fits(node) is fits


@pytest.mark.parametrize(("ranks", "fits"), [([], True), ([4], True), ([3, 5], False)])
def test_an_entry_may_ask_for_ranks(ranks: list[int], *, fits: bool) -> None:
    entry = Condition.model_validate({"op": "Interpolate", "ranks": ranks})
    assert entry.fits(from_text(GRAPH).node("nearest")) is fits


def test_a_mistake_is_found_by_its_line() -> None:
    text = (
        SPECS
        + "rules:\n  - {op: Add, inputs: {all: a}}\n  - op: MatMul\n    inputs:\n      data: a\n      weights: b\n"
    )
    with pytest.raises(TargetError) as caught:
        parse_target(text, "t.yaml")
    assert str(caught.value) == "t.yaml, line 9: rules[1].inputs.weights: no spec 'b'; there are: a"


CHAIN = RULES + "stays_float:\n  - because: it is small\n    chain: [{}]\n"


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ("{op: Add}", "stays_float[0].chain is [{'op': 'Add'}]; "),
        ("{op: Add}, {op: Add, optional: true}", "stays_float[0]: "),
        ("{op: Add, optional: true}, {op: Add}", "stays_float[0]: "),
        ("{op: Add}, {op: Add, stays: true}", "unknown key 'stays_float[0].chain[1].stays'; "),
    ],
)
def test_a_chain_that_cannot_be_is_refused(chain: str, said: str) -> None:
    assert complaint(CHAIN.replace("{}", chain)).startswith(said)


def test_a_target_adds_to_the_one_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(RULES + "transparent:\n  - op: Reshape\nunified: [Concat]\n")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nextends: base.yaml\nspecs:\n  b: {bits: 4, granularity: per_tensor}\n"
        "rules:\n  - {op: Add, inputs: {all: b}}\n  - {op: MatMul, inputs: {data: a, weights: b}}\n"
    )
    mine = load_target(str(tmp_path / "mine.yaml"))
    assert (mine.name, list(mine.specs), mine.unified) == ("mine", ["a", "b"], ("Concat",))
    assert [rule.op for rule in mine.rules] == [("Add",), ("MatMul",), ("MatMul",)]
    assert [rule.inputs.get("weights") for rule in mine.rules] == [None, "b", "a"]
    assert mine.transparent[0].op == ("Reshape",)


def test_a_target_may_extend_one_that_comes_with_irquant(tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").write_text("name: mine\nextends: cpu\nrules:\n  - {op: MatMul, because: I said so}\n")
    mine = load_target(str(tmp_path / "cpu.yaml"))
    assert mine.rules[0].because == "I said so"
    assert mine.rules[1:] == load_target("cpu").rules


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("gone.yaml", "mine.yaml, line 2: extends: {}/gone.yaml: cannot be read: "),
        ("mine.yaml", "mine.yaml, line 2: extends: '{}/mine.yaml' extends this file in turn"),
        (
            "other.yaml",
            "mine.yaml, line 2: extends: {}/other.yaml, line 2: extends: '{}/mine.yaml' extends this file in",
        ),
        ("cpuu", "mine.yaml, line 2: extends: no target 'cpuu'; did you mean 'cpu'? "),
        ("list.yaml", "mine.yaml, line 2: extends: {}/list.yaml: expected a mapping with the keys "),
        ("3", "mine.yaml, line 2: extends is 3; should be a valid string"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, parent: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"name: mine\nextends: {parent}\nspecs: {{}}\nrules: []\n")
    (tmp_path / "other.yaml").write_text("name: other\nextends: mine.yaml\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(TargetError) as caught:
        load_target(str(tmp_path / "mine.yaml"))
    assert str(caught.value).startswith(f"{tmp_path}/" + said.format(*[tmp_path] * 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - {op: LeakyRelu}\n", "line 5: rules[0].op: no operation 'LeakyRelu'; did you mean 'ReLU'?"),
        (
            "rules:\n  - {op: Qq}\n",
            "line 5: rules[0].op: no operation 'Qq'; spell it as the .xml does, and "
            "name it in 'operations' if an extension has it",
        ),
        (
            "rules:\n  - op: MaxPool\n    where: {pads_begim: '0'}\n",
            "line 6: rules[0].where.pads_begim: no attribute 'pads_begim' of MaxPool; did you mean 'pads_begin'? there "
            "are: auto_pad, axis, dilations, index_element_type, kernel, pads_begin, pads_end, rounding_type, strides",
        ),
        (
            "rules: []\nstays_float:\n  - chain: [{op: Sigmoid}, {op: Multiplies}]\n    because: it\n",
            "line 6: stays_float[0].chain[1].op: no operation 'Multiplies'; did you mean 'Multiply'?",
        ),
        (
            "rules:\n  - {op: FullyConnected}\n",
            "line 5: rules[0].op: no operation 'FullyConnected'; did you mean 'MatMul'?",
        ),
        (
            "rules:\n  - {op: Add, requantizes: true, fuses: [Relu]}\n",
            "line 5: rules[0].fuses: no operation 'Relu'; did you mean 'ReLU'?",
        ),
        ("rules: []\nunified: [Concatt]\n", "line 5: unified: no operation 'Concatt'; did you mean 'Concat'?"),
    ],
)
def test_operations_and_attributes_that_do_not_exist_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(SPECS + text)
    load_target(str(path))  # an extension of the runtime may have it
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value) == f"{path}, {said}"


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ("[MyShuffle]", ""),
        ("MyShuffle", ""),
        ("[Other, MyShuffle]", ""),
        ("[MyShufle]", "line 5: transparent[0].op: no operation 'MyShuffle'; did you mean 'MyShufle'?"),
        (
            "[]",
            "line 5: transparent[0].op: no operation 'MyShuffle'; spell it as the .xml does, and name it in 'operations' "
            "if an extension has it",
        ),
        ("{a: b}", "line 6: operations is {'a': 'b'}; should be a list"),
    ],
)
def test_operations_of_extensions_are_those_that_the_file_names(tmp_path: Path, operations: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        f"{SPECS}rules: [{{op: Add, inputs: {{all: a}}}}]\ntransparent: [{{op: MyShuffle, where: {{axis: '1'}}}}]\noperations: {operations}\n"
    )
    if said:
        with pytest.raises(TargetError) as caught:
            check_target(str(path))
        assert str(caught.value) == f"{path}, {said}"
    else:
        assert check_target(str(path)).transparent[0].op == ("MyShuffle",)


def test_an_operation_that_openvino_has_keeps_its_attributes_whoever_names_it(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"{SPECS}rules:\n  - {{op: ReLU, where: {{slope: '1'}}}}\noperations: [ReLU]\n")
    with pytest.raises(TargetError, match=r"no attribute 'slope' of ReLU; there are: none$"):
        check_target(str(path))


@pytest.mark.parametrize("name", target_names())
def test_the_shipped_targets_speak_of_what_there_is(name: str) -> None:
    assert check_target(name).name == name


def test_the_table_of_operations_is_that_of_the_runtime() -> None:
    """In a process of its own, without threads: the program forks."""
    script = (
        "import json, operation_table as table\n"
        "some = ('Convolution', 'Gather', 'MaxPool', 'Result')\n"
        "types = sorted({table.SPELT.get(name, name) for name in table.types()})\n"
        "print(json.dumps([table.version(), types, {name: table.attributes(name) for name in some}]))\n"
    )
    folder = Path(__file__).parents[1] / "programs"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    version, types, some = json.loads(done.stdout)
    written = json.loads((FILES / "operations.json").read_text(encoding="utf-8"))
    if written["openvino"] == version:
        assert types == sorted(written["operations"])
        assert some == {name: written["operations"][name] for name in some}
    assert operation_table()["Convolution"] == ["auto_pad", "dilations", "pads_begin", "pads_end", "strides"]


def test_keys_that_files_had_before_mean_what_they_meant() -> None:
    old = "pair_sum_bits: 16\n" + RULES.replace("{op: MatMul,", "{op: MatMul, adds_pairs: true,")
    new = old.replace("pair_sum_bits", "accumulator_bits").replace("adds_pairs", "saturates")
    assert parse_target(old, "t.yaml") == parse_target(new, "t.yaml")
    assert parse_target(new, "t.yaml").rules[0].saturates


def test_names_that_the_user_chose_are_no_keys() -> None:
    text = RULES.replace("  a: {bits", "  beyond: {bits").replace(
        "data: a, weights: a", "data: beyond, weights: beyond"
    )
    assert set(parse_target(text, "t.yaml").specs) == {"beyond"}
    assert complaint("accumulator_bits: 16\npair_sum_bits: 32\n" + RULES).startswith("unknown key 'pair_sum_bits'")


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("when: channels_by_4_and_16", "when: [], multiples: {in: 4, out: 16}"),
        ("when: [channels_by_4_and_16]", "when: [], multiples: {in: 4, out: 16}"),
        ("when: [undilated, channels_by_4_and_16]", "when: undilated, multiples: {in: 4, out: 16}"),
    ],
)
@pytest.mark.parametrize(
    "where",
    [
        "rules:\n  - {op: MatMul, WHEN}\n",
        "rules: []\ntransparent:\n  - {op: MatMul, WHEN}\n",
        "rules: []\nstays_float:\n  - {because: it, chain: [{op: MatMul, WHEN}, {op: Add}]}\n",
    ],
)
def test_words_that_conditions_had_before_mean_what_they_meant(former: str, today: str, where: str) -> None:
    old, new = (parse_target(SPECS + where.replace("WHEN", each), "t.yaml") for each in (former, today))
    assert old == new
    assert {"in": 4, "out": 16} in [
        dict(each.multiples) for each in (*old.rules, *old.transparent, *(p.chain[0] for p in old.stays_float))
    ]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("when: channels_by_4_and_16, multiples: {in: 2}", "rules[0].when[0] is 'channels_by_4_and_16'; there are: "),
        ("when: {channels_by_4_and_16: 1}", "rules[0].when is {'channels_by_4_and_16': 1}; should be a list"),
        ("when: [[channels_by_4_and_16]]", "rules[0].when[0] is '['channels_by_4_and_16']'; there are: "),
        ("multiples: {inn: 4}", "rules[0].multiples.inn is 'inn'; did you mean 'in'? there are: in, out"),
        ("multiples: {in: 1}", "rules[0].multiples.in is 1; should be greater than or equal to 2"),
        ("multiples: {out: many}", "rules[0].multiples.out is 'many'; should be a valid integer"),
        ("multiples: 4", "rules[0].multiples is 4; should be a valid dictionary"),
    ],
)
def test_multiples_that_cannot_be_are_refused(condition: str, said: str) -> None:
    assert complaint(f"{SPECS}rules:\n  - {{op: MatMul, {condition}}}\n").startswith(said)


#: The specs with a zero point that costs no time, where that is known of a device.
FREE = {"a8", "a8_conv", "a8_dense", "a8_pointwise", "a8_absorbed", "a8_shifted", "a8_unsigned"}


@pytest.mark.parametrize("name", target_names())
def test_a_zero_point_is_free_where_that_is_known(name: str) -> None:
    free = {spec for spec, found in load_target(name).specs.items() if found.free_zero_point}
    assert free == (FREE if name.startswith("cpu") else set())


def test_a_zero_point_costs_time_unless_the_file_says_otherwise() -> None:
    for said, is_free in (("", False), (", free_zero_point: true", True), (", free_zero_point: false", False)):
        target = parse_target(
            f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor{said}}}}}\nrules: []\n", "t.yaml"
        )
        assert target.specs["a"].free_zero_point is is_free


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("free_zero_point: maybe", "specs.a.free_zero_point is 'maybe'; should be a valid boolean"),
        (
            "free_zeropoint: true",
            "unknown key 'specs.a.free_zeropoint'; did you mean 'free_zero_point'? known keys: bits, ",
        ),
    ],
)
def test_what_a_spec_cannot_say_is_refused(key: str, said: str) -> None:
    found = complaint(f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, {key}}}}}\nrules: []\n")
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "unsigned: true, zero_point: false",
            "specs.a: unsigned: true leaves no code for values below zero if zero_point is false; change one of them",
        ),
        (
            "modes: [asymmetric], zero_point: false",
            "specs.a: asymmetric ranges need a zero point, and zero_point is false; add symmetric to modes",
        ),
        (
            "signed: true, unsigned: true",
            "specs.a: signed and unsigned are both true; keep the one that says how the device stores the numbers",
        ),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(keys: str, said: str) -> None:
    assert complaint(f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, {keys}}}}}\nrules: []\n") == said


def test_a_bias_may_take_over_the_zero_point_that_a_device_does_not_have() -> None:
    keys = "unsigned: true, zero_point: false, absorbs_zero_point: true"
    target = parse_target(f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, {keys}}}}}\nrules: []\n", "t.yaml")
    assert target.specs["a"].absorbs_zero_point


def test_functions_are_fused_with_sums_that_are_stored_alone() -> None:
    found = complaint(RULES.replace("weights: a}", "weights: a}, fuses: ReLU"))
    assert found == (
        "rules[0]: fuses is for a sum with requantizes: true; "
        "a function behind another layer needs no key: leave it out of transparent"
    )


def test_a_key_that_is_given_twice_is_told_with_both_lines() -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(f"device: A\n{RULES}device: B\n", "t.yaml")
    assert str(caught.value) == "t.yaml, line 7: 'device' is given twice, first in line 1; keep one"


def test_a_spec_that_no_rule_uses_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(RULES.replace("rules:", "  b: {bits: 8, granularity: per_tensor}\nrules:"))
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value) == f"{path}, line 4: specs.b: no rule uses it; remove it, or name it in a rule"


def test_a_spec_that_replaces_an_inherited_one_is_told_to_be_whole() -> None:
    found = complaint("name: t\nextends: cpu\nspecs: {a8: {bits: 8}}\n")
    assert found == (
        "'specs.a8.granularity' is missing; there are: per_tensor, per_channel; "
        "spec 'a8' replaces that of 'cpu' as a whole: give all its keys"
    )


@pytest.mark.parametrize(
    ("multiples", "fits"),
    [
        ({}, True),
        ({"in": 2}, True),
        ({"in": 4, "out": 16}, True),
        ({"in": 8}, False),
        ({"out": 3}, False),
        ({"in": 4, "out": 32}, False),
    ],
)
def test_multiples_are_those_of_both_sides(multiples: dict[str, int], *, fits: bool) -> None:
    graph = from_text("x: f32[1,4,8] = Parameter()\ny: f32[1,16,8] = MatMul(x, x)\n")
    assert Condition.model_validate({"op": "MatMul", "multiples": multiples}).fits(graph.node("y")) is fits


@pytest.mark.parametrize("shape", ["1,?,8", "4", "?"])
@pytest.mark.parametrize("side", ["in", "out"])
def test_channels_that_are_not_known_are_no_multiple(shape: str, side: str) -> None:
    shapes = {"in": "1,4,8", "out": "1,4,8"} | {side: shape}
    graph = from_text(f"x: f32[{shapes['in']}] = Parameter()\ny: f32[{shapes['out']}] = ReLU(x)\n")
    assert not Condition.model_validate({"op": "ReLU", "multiples": {side: 2}}).fits(graph.node("y"))


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("CPU", "cpu"),
        ("any", "cpu"),
        ("ANY", "cpu"),
        ("GNA3", "gna"),
        ("gna3.5", "gna"),
        ("gna4", "gna4"),
        ("VPU", "VPU"),
        ("CPU.yaml", "CPU.yaml"),
        ("any.yaml", "any.yaml"),
        ("", ""),
    ],
)
def test_a_target_is_known_by_name_and_alias_in_any_case(device: str, name: str) -> None:
    assert target_name(device) == name


def test_a_target_is_loaded_by_its_alias_and_one_without_a_name_is_any() -> None:
    assert load_target("GNA3.5") == load_target("gna")
    assert load_target() == load_target("any") == load_target("cpu")


def test_no_two_targets_share_a_name_or_alias() -> None:
    words = [word for name in target_names() for word in (name, *load_target(name).aliases)]
    assert len(words) == len(set(words))
    assert words == [word.lower() for word in words]
    assert load_target("cpu_avx2").aliases == ()


def test_an_alias_of_a_file_is_no_alias_of_one_that_extends_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("aliases: [b]\n" + RULES)
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: base.yaml\naliases: m\n")
    assert load_target(str(tmp_path / "mine.yaml")).aliases == ("m",)
    with pytest.raises(TargetError, match=r"^no target 'b'; "):
        load_target("b")


def test_a_mistake_in_a_former_key_has_its_line() -> None:
    with pytest.raises(TargetError, match=r"^t\.yaml, line 2: accumulator_bits is 'abc'"):
        parse_target("name: t\npair_sum_bits: abc\n" + RULES.removeprefix("name: t\n"), "t.yaml")


def test_an_operation_without_attributes_has_no_other_either(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(SPECS + "rules:\n  - op: ReLU\n    where: {nonsense: '1'}\n")
    with pytest.raises(TargetError, match=r"no attribute 'nonsense' of ReLU; there are: none$"):
        check_target(str(path))


def test_gna_takes_16_bits_and_8_bit_weights_of_products() -> None:
    gna = load_target("gna")
    assert [(rule.op, dict(rule.inputs)) for rule in gna.rules[:3]] == [
        (("Convolution",), {"data": "a16", "weights": "w16"}),
        (("MatMul",), {"all": "a16"}),
        (("MatMul",), {"data": "a16", "weights": "w8"}),
    ]
    assert tuple(gna.specs[name].levels(Mode.SYMMETRIC) for name in ("a16", "w16", "w8")) == (65536, 65535, 255)


def test_cpus_without_vnni_differ_in_the_sums_of_pairs_and_in_one_kernel() -> None:
    avx2, cpu = load_target("cpu_avx2"), load_target("cpu")
    assert (cpu.accumulator_bits, avx2.accumulator_bits) == (32, 16)
    assert cpu.specs["a8_dense"].slow_zero_point  # with AMX, which they have not either
    same = {**cpu.specs, "a8_dense": cpu.specs["a8_conv"]}
    assert (avx2.specs, avx2.transparent) == (same, cpu.transparent)
    assert [rule.when for rule in avx2.rules if rule not in cpu.rules] == [("groups_not_by_4",)]


def test_cpus_ask_for_probabilities_that_8_bits_keep() -> None:
    asked = {name: load_target(name).attention_sqnr for name in target_names()}
    assert asked == {name: 34 if name in ("cpu", "cpu_avx2", "cpu_spr") else 0 for name in asked}


@pytest.mark.parametrize("value", ["-1", "many", "[30]"])
def test_decibels_are_a_number_from_zero_on(value: str) -> None:
    with pytest.raises(TargetError, match=r"^t\.yaml, line 1: attention_sqnr is "):
        parse_target(f"attention_sqnr: {value}\n{RULES}", "t.yaml")


def test_gpus_keep_attention_and_transposed_convolutions_of_odd_channels() -> None:
    graph = from_text(
        """
        x: f32[1,6,8,8] = Parameter()
        y: f32[1,8,8,8] = Parameter()
        v: f32[6,16,2,2] = Const() {zeros}
        odd: f32[1,16,16,16] = ConvolutionBackpropData(x, v)
        even: f32[1,16,16,16] = ConvolutionBackpropData(y, v)
        a: f32[1,8,8,8] = ScaledDotProductAttention(y, y, y) causal="false"
    """.replace("{zeros}", "base64:" + base64.b64encode(zlib.compress(bytes(4 * 6 * 16 * 4))).decode())
    )
    gpu = load_target("gpu")
    rules = {name: gpu.rule(graph.node(name)) for name in ("odd", "even", "a")}
    assert {name: bool(rule and rule.inputs) for name, rule in rules.items()} == {
        "odd": False,
        "even": True,
        "a": False,
    }


WEIGHTS = """
    x: f32[1,8] = Parameter()
    one: f32[8] = Parameter()
    rows: i64[2] = Parameter()
    matrix: f32[8,8] = Const() [{64}]
    column: f32[8,1] = Const() [{8}]
    stack: f32[2,8,8] = Const() [{128}]
    kernel: f32[8,8,1,1] = Const() [{64}]
    axis: i64[] = Const() [0]
    image: f32[1,8,4,4] = Parameter()
    product: f32[1,8] = MatMul(x, matrix)
    from_vector: f32[8] = MatMul(one, matrix)
    to_column: f32[1,1] = MatMul(x, column)
    stacked: f32[2,1,8] = MatMul(x, stack)
    lookup: f32[2,8] = Gather.opset8(matrix, rows, axis)
    conv: f32[1,8,4,4] = Convolution(image, kernel)
    sum: f32[1,8] = Add(x, x)
"""


def compression(target: str, node: str) -> Compression | None:
    text = re.sub(r"\{(\d+)\}", lambda each: ", ".join(["1.0"] * int(each[1])), WEIGHTS)
    return load_target(target).compression(from_text(text).node(node))


@pytest.mark.parametrize(
    ("target", "node", "types"),
    [
        ("cpu", "product", ("i8", "u8", "i4", "u4", "nf4")),
        ("cpu_spr", "product", ("i8", "u8", "i4", "u4", "nf4")),
        ("cpu", "lookup", ("i8", "u8", "i4", "u4")),
        ("gpu", "product", ("i8", "u8", "i4", "u4")),
        ("gpu", "lookup", ("i8", "u8", "i4", "u4")),
    ],
)
def test_a_target_keeps_compressed_weights(target: str, node: str, types: tuple[str, ...]) -> None:
    entry = compression(target, node)
    assert entry is not None
    assert (entry.types, entry.smallest_group) == (types, 4)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("node", ["from_vector", "to_column", "stacked", "conv"])
def test_a_target_says_why_it_makes_floats_of_weights(target: str, node: str) -> None:
    entry = compression(target, node)
    if target == "gpu" and node in ("from_vector", "to_column"):
        assert entry == compression("gpu", "product")  # these are of the CPU's plugin
        return
    assert entry is not None
    assert entry.types == ()
    assert entry.because.startswith("the plugin makes floats of ")


@pytest.mark.parametrize(("target", "node"), [("cpu", "sum"), ("npu", "product"), ("gna", "product")])
def test_a_target_may_say_nothing_of_compressed_weights(target: str, node: str) -> None:
    assert compression(target, node) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{op: MatMul, types: [i5]}", "keeps_compressed[0].types[0] is 'i5'; there are: i8, u8, i4, u4, nf4"),
        ("{op: MatMul, smallest_group: 1}", "keeps_compressed[0].smallest_group is 1; "),
        ("{op: MatMul, type: i8}", "unknown key 'keeps_compressed[0].type'; did you mean 'types'? "),
        ("{types: [i8]}", "'keeps_compressed[0].op' is missing"),
    ],
)
def test_a_wrong_entry_about_compressed_weights_is_refused(entry: str, said: str) -> None:
    assert complaint(RULES + f"keeps_compressed:\n  - {entry}\n").startswith(said)


def test_the_check_knows_the_operations_of_compressed_weights(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RULES + "keeps_compressed:\n  - {op: Matmul, types: i8}\n")
    with pytest.raises(
        TargetError, match=r"keeps_compressed\[0\]\.op: no operation 'Matmul'; did you mean 'MatMul'\?$"
    ):
        check_target(str(path))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            "  - {op: [MaxPool, Convolution], inputs: {data: a8, weights: w8}}\n",
            "rules[0].inputs.weights: no weights in MaxPool; expected data, second or all",
        ),
        (
            "  - {op: [Convolution, MatMul], inputs: {data: a8}}\n"
            "  - {op: Convolution, ranks: [4], inputs: {data: a8}}\n",
            "rules[1]: a rule before it fits every Convolution; the first that fits decides, so put this one first",
        ),
    ],
)
def test_the_check_refuses_rules_that_decide_nothing(rules: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    specs = "specs:\n  a8: {bits: 8, granularity: per_tensor}\n  w8: {bits: 8, granularity: per_channel}\n"
    path.write_text(f"name: mine\n{specs}rules:\n{rules}")
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize("name", target_names())
def test_each_rule_of_a_shipped_target_can_decide_something(name: str) -> None:
    assert check_target(name).name == name


def test_a_rule_may_overrule_those_of_the_target_that_is_extended(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: npu\nrules:\n  - {op: Convolution, because: it stays float here}\n")
    assert check_target(str(path)).rules[0].because == "it stays float here"
