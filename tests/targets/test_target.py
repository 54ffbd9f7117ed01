"""What the entries of a target mean: which operations they fit, and how a tensor is quantized."""

import math

import pytest

from irquant.ir import from_text
from irquant.targets import Mode, load_target, parse_target
from irquant.targets.target import Condition
from tests.targets.target_texts import RULES, complaint


def test_one_name_may_stand_for_a_list() -> None:
    assert parse_target(RULES, "t.yaml").rules[0].op == ("MatMul",)


@pytest.mark.parametrize("count", [2, 255, 256])
def test_as_many_levels_as_the_bits_hold_are_taken(count: int) -> None:
    text = f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, level_count: {count}}}}}\nrules: []\n"
    assert parse_target(text, "t.yaml").specs["a"].levels(Mode.ASYMMETRIC) == count


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


def test_data_of_unknown_rank_may_have_any_size() -> None:
    graph = from_text("""
        x: f32[] = Parameter()
        w: f32[1,2,1,1] = Const() [1.0, 2.0]
        y: f32[?,1,?,?] = Convolution(x, w)
        r = Result(y)
    """)
    condition = {"op": "Convolution", "when": ["of_any_size", "maybe_few_columns"]}
    assert Condition.model_validate(condition).fits(graph.node("y"))


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


def test_a_zero_point_costs_time_unless_the_file_says_otherwise() -> None:
    for said, is_free in (("", False), (", free_zero_point: true", True), (", free_zero_point: false", False)):
        target = parse_target(
            f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor{said}}}}}\nrules: []\n", "t.yaml"
        )
        assert target.specs["a"].free_zero_point is is_free


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
