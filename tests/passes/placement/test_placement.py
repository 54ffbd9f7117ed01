"""Where a FakeQuantize goes. Each test states a rule; the picture is the graph."""

import base64
import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.passes import QuantizationConfig
from irquant.passes.placement.placement import plan_placement
from irquant.passes.placement.plan import Plan, Site
from irquant.passes.placement.user_options import with_user_options
from irquant.targets import Granularity, Mode, Target, load_target
from irquant.targets.target import Role

CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
ONES = base64.b64encode(zlib.compress(np.ones(64, np.float32).tobytes())).decode()
THIRTY_SIX = base64.b64encode(zlib.compress(np.ones(36, np.float32).tobytes())).decode()
FEW = base64.b64encode(zlib.compress(np.ones(32, np.float32).tobytes())).decode()
#: A Parameter `x`, a ReLU behind it, weights `w` of a plain and `dw` of a depthwise convolution.
HEAD = f"""
    x: f32[1,8,4,4] = Parameter()
    w: f32[8,8,1,1] = Const() base64:{ONES}
    dw: f32[8,1,1,1,1] = Const() [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    relu: f32[1,8,4,4] = ReLU(x)
"""


def conv(name: str, source: str, weights: str = "w") -> str:
    return f"    {name}: f32[1,8,4,4] = Convolution({source}, {weights}) {CONV}\n    {name}_out = Result({name})\n"


def depthwise(name: str, source: str) -> str:
    return f"    {name}: f32[1,8,4,4] = GroupConvolution({source}, dw) {CONV}\n    {name}_out = Result({name})\n"


def plan(*parts: str, target: Target | None = None) -> Plan:
    return plan_placement(from_text(HEAD + "".join(parts)), target or load_target("cpu"))


def data_sites(*parts: str) -> list[Site]:
    return [site for site in plan(*parts).sites if not site.is_weights]


def edges(sites: Sequence[Site]) -> dict[str, list[str]]:
    """Source of each site -> its consumers."""
    return {site.source.node.name: sorted(port.node.name for port in site.consumers) for site in sites}


def test_consumers_that_agree_share_one() -> None:
    assert edges(data_sites(conv("a", "relu"), conv("b", "relu"))) == {"relu": ["a", "b"]}


@pytest.mark.better
def test_a_model_output_keeps_the_float_tensor() -> None:
    (site,) = data_sites(conv("a", "relu"), "    out = Result(relu)\n")
    assert edges([site]) == {"relu": ["a"]}


def test_a_float_consumer_keeps_the_float_tensor() -> None:
    parts = (conv("a", "relu"), '    s: f32[1,8,4,4] = SoftMax(relu) axis="1"\n    s_out = Result(s)\n')
    assert edges(data_sites(*parts)) == {"relu": ["a"]}


def test_reading_the_shape_is_no_objection() -> None:
    parts = (conv("a", "relu"), '    s: i64[4] = ShapeOf.opset3(relu) output_type="i64"\n    s_out = Result(s)\n')
    assert edges(data_sites(*parts)) == {"relu": ["a", "s"]}


def test_a_model_without_work_for_int8_gets_none() -> None:
    assert plan("    s: f32[1,8,4,4] = Sigmoid(relu)\n    s_out = Result(s)\n").sites == ()


POOL = '    pool: f32[1,8,4,4] = MaxPool(relu) kernel="1, 1" strides="1, 1" rounding_type="{}"\n'


def test_a_transparent_operation_is_passed() -> None:
    assert edges(data_sites(POOL.format("floor"), conv("a", "pool"))) == {"relu": ["pool"]}


def test_a_pooling_that_the_plugin_runs_in_float_is_not_passed() -> None:
    assert edges(data_sites(POOL.format("ceil_torch"), conv("a", "pool"))) == {"pool": ["a"]}


def test_a_float_reader_of_the_moved_tensor_keeps_the_demand_behind_the_move() -> None:
    parts = (POOL.format("floor"), conv("a", "pool"), "    out = Result(pool)\n")
    assert edges(data_sites(*parts)) == {"pool": ["a"]}


def test_a_float_reader_in_front_of_the_move_leaves_it_on_its_edge() -> None:
    parts = (POOL.format("floor"), conv("a", "pool"), "    out = Result(relu)\n")
    assert edges(data_sites(*parts)) == {"relu": ["pool"]}


SPLIT = '    axis: i64[] = Const() [2]\n    split: (f32[1,8,2,4], f32[1,8,2,4]) = Split(relu, axis) num_splits="2"\n'


def half(name: str, source: str) -> str:
    return f"    {name}: f32[1,8,2,4] = Convolution({source}, w) {CONV}\n    {name}_out = Result({name})\n"


def test_a_split_is_passed_if_all_its_parts_are_wanted() -> None:
    assert edges(data_sites(SPLIT, half("a", "split"), half("b", "split#1"))) == {"relu": ["split"]}


def test_a_split_with_a_float_part_is_not_passed() -> None:
    sites = data_sites(SPLIT, half("a", "split"), "    b = Result(split#1)\n")
    assert edges(sites) == {"split": ["a"]}
    assert sites[0].source.index == 0


CONCAT = """
    sig: f32[1,8,4,4] = Sigmoid(x)
    cat: f32[1,16,4,4] = Concat(relu, sig) axis="1"
    back: f32[1,8,4,4] = Gather(cat, idx, axis0)
"""
INDICES = "    idx: i64[8] = Const() [0, 1, 2, 3, 4, 5, 6, 7]\n    axis0: i64[] = Const() [1]\n"


def test_joined_tensors_are_quantized_on_every_branch_with_one_range() -> None:
    sites = data_sites(INDICES, CONCAT, conv("a", "back"))
    assert edges(sites) == {"relu": ["cat"], "sig": ["cat"]}
    assert len({site.group for site in sites}) == 1
    assert sites[0].group is not None


def test_joining_for_a_float_reader_changes_nothing() -> None:
    assert data_sites(INDICES, CONCAT, "    out = Result(back)\n") == []


def test_a_constant_that_is_joined_is_quantized_with_the_range_of_the_others() -> None:
    half = "f32[1,4,4,4]"
    parts = (
        f"    few: f32[4,8,1,1] = Const() base64:{FEW}\n",
        f"    part: {half} = Convolution(relu, few) {CONV}\n",
        f"    plain: {half} = Const() base64:{ONES}\n",
        '    all: f32[1,8,4,4] = Concat(part, plain) axis="1"\n',
        conv("a", "all"),
    )
    sites = data_sites(*parts)
    assert edges(sites) == {"relu": ["part"], "part": ["all"], "plain": ["all"]}
    joined = [site for site in sites if site.source.node.name != "relu"]
    assert len({site.group for site in joined}) == 1
    assert [site.is_constant for site in joined].count(True) == 1


def test_tensors_that_nothing_joins_have_their_own_ranges() -> None:
    sites = data_sites("    sig: f32[1,8,4,4] = Sigmoid(x)\n", conv("a", "relu"), conv("b", "sig"))
    assert [site.group for site in sites] == [None, None]


@pytest.mark.parity
def test_depthwise_convolutions_alone_get_a_range_a_channel() -> None:
    (site,) = data_sites(depthwise("a", "relu"), depthwise("b", "relu"))
    assert (site.spec.granularity, site.channel_axes) == (Granularity.PER_CHANNEL, (1,))


@pytest.mark.parity
def test_a_plain_convolution_beside_them_forces_one_range() -> None:
    (site,) = data_sites(depthwise("a", "relu"), conv("b", "relu"))
    assert (site.spec.granularity, site.channel_axes) == (Granularity.PER_TENSOR, ())


def test_channels_survive_a_pooling_but_not_a_reshape() -> None:
    (kept,) = data_sites(POOL.format("floor"), depthwise("a", "pool"))
    reshape = "    shape: i64[4] = Const() [1, 8, 4, 4]\n    flat: f32[1,8,4,4] = Reshape(relu, shape)\n"
    (lost,) = data_sites(reshape, depthwise("a", "flat"))
    assert (kept.channel_axes, lost.channel_axes) == ((1,), ())


def test_a_transposed_convolution_forces_symmetry() -> None:
    parts = (
        f"    up: f32[1,8,4,4] = ConvolutionBackpropData(relu, w) {CONV}\n    out = Result(up)\n",
        conv("a", "relu"),
    )
    (site,) = data_sites(*parts)
    assert site.spec.modes == (Mode.SYMMETRIC,)


ADD = "    sig: f32[1,8,4,4] = Sigmoid(x)\n    sum: f32[1,8,4,4] = Add(relu, sig)\n"


def test_a_residual_sum_is_quantized_if_int8_is_wanted_behind_it() -> None:
    assert edges(data_sites(ADD, conv("a", "sum"))) == {"relu": ["sum"], "sig": ["sum"], "sum": ["a"]}


def test_a_residual_sum_for_a_float_reader_is_not() -> None:
    assert data_sites(ADD, "    out = Result(sum)\n") == []


CONVOLUTION = f"    branch: f32[1,8,4,4] = Convolution(relu, w) {CONV}\n"
BRANCH = CONVOLUTION + "    sum: f32[1,8,4,4] = Add(branch, relu)\n"
FUNCTION = "    function: f32[1,8,4,4] = ReLU(sum)\n"


@pytest.mark.parametrize("readers", ["", "    out = Result(function)\n"], ids=["one layer", "others, too"])
def test_a_residual_sum_is_quantized_if_a_layer_reads_a_function_of_it(readers: str) -> None:
    found = edges(data_sites(BRANCH, FUNCTION, conv("a", "function"), readers))
    assert found == {"relu": ["branch", "sum"], "branch": ["sum"], "function": ["a"]}


def test_both_operands_of_such_a_sum_are_rounded_whoever_else_reads_them() -> None:
    found = edges(data_sites(BRANCH, FUNCTION, conv("a", "function"), "    out = Result(relu)\n"))
    assert found == {"relu": ["branch", "sum"], "branch": ["sum"], "function": ["a"]}


ROW = '    axes: i64[2] = Const() [2, 3]\n    row: f32[1,8,1,1] = ReduceMean(relu, axes) keep_dims="true"\n'


@pytest.mark.parametrize(
    "parts",
    [
        (BRANCH, "    function: f32[1,8,4,4] = Exp(sum)\n"),
        (BRANCH, FUNCTION, "    other = Result(sum)\n"),
        (BRANCH, FUNCTION, "    other = Result(branch)\n"),
        (BRANCH, "    function: f32[1,8,4,4] = PReLU(x, sum)\n"),
        (ADD, FUNCTION),
        (ROW, CONVOLUTION, "    sum: f32[1,8,4,4] = Add(branch, row)\n", FUNCTION),
    ],
    ids=["another kernel", "the sum is read", "the operand is read", "a slope", "no convolution", "another shape"],
)
def test_a_residual_sum_that_no_convolution_computes_with_its_function_is_not(parts: Sequence[str]) -> None:
    found = edges(data_sites(*parts, conv("a", "function")))
    assert not [reader for readers in found.values() for reader in readers if reader == "sum"]


def test_the_stream_of_a_network_is_not_rounded_if_others_read_it() -> None:
    assert edges(data_sites(ADD, conv("a", "sum"), "    out = Result(sum)\n")) == {"sum": ["a"]}


def test_a_sum_makes_nothing_mandatory() -> None:
    """`relu` also has a float reader, so that an int8 copy of it would be made for the sum alone."""
    assert edges(data_sites(ADD, conv("a", "sum"), "    out = Result(relu)\n")) == {"sig": ["sum"], "sum": ["a"]}


def test_a_bias_is_no_residual_sum() -> None:
    bias = (
        "    b: f32[1,8,1,1] = Const() [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]\n    sum: f32[1,8,4,4] = Add(relu, b)\n"
    )
    assert edges(data_sites(bias, conv("a", "sum"))) == {"sum": ["a"]}


def test_an_average_is_quantized_on_both_sides_or_not_at_all() -> None:
    pool = '    avg: f32[1,8,4,4] = AvgPool(relu) kernel="1, 1" strides="1, 1"\n'
    assert edges(data_sites(pool, conv("a", "avg"))) == {"avg": ["a"], "relu": ["avg"]}
    assert data_sites(pool, "    out = Result(avg)\n") == []


def test_integers_are_never_quantized() -> None:
    graph = f"""
        x: i32[1,8,4,4] = Parameter()
        w: i32[1,8,1,1] = Const() [1, 1, 1, 1, 1, 1, 1, 1]
        a: i32[1,1,4,4] = Convolution(x, w) {CONV}
        out = Result(a)
    """
    found = plan_placement(from_text(graph), load_target("cpu"))
    assert found.sites == ()
    assert [decision.reason for decision in found.decisions.values()] == ["it computes in i32"]


def test_layers_that_share_weights_share_their_fake_quantize() -> None:
    weights = [site for site in plan(conv("a", "relu"), conv("b", "x")).sites if site.is_weights]
    assert edges(weights) == {"w": ["a", "b"]}
    assert weights[0].channel_axes == (0,)


def test_layers_that_read_shared_weights_by_other_axes_do_not() -> None:
    graph = """
        x: f32[2,2] = Parameter()
        w: f32[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
        a: f32[2,2] = MatMul(x, w) transpose_a="false" transpose_b="true"
        b: f32[2,2] = MatMul(a, w) transpose_a="false" transpose_b="false"
        out = Result(b)
    """
    weights = [site for site in plan_placement(from_text(graph), load_target("cpu")).sites if site.is_weights]
    assert [(site.channel_axes, edges([site])["w"]) for site in weights] == [((0,), ["a"]), ((1,), ["b"])]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            'y: f32[8,8] = MatMul(c, m) transpose_a="false" transpose_b="false"',
            "its constant is the first operand, for which the plugin has no int8 kernel",
        ),
        ('y: f32[8,8] = MatMul(c, c) transpose_a="false" transpose_b="false"', "its data are constant"),
        (f"y: f32[1,8,4,4] = Convolution(m, m) {CONV}", "its weights are not constant"),
        (
            f"y: f32[1,8,4,4] = GroupConvolutionBackpropData(m, c) {CONV}",
            "the plugin has no int8 kernel for transposed convolutions with groups",
        ),
    ],
)
def test_what_stays_float_has_a_reason(layer: str, reason: str) -> None:
    graph = f"""
        m: f32[8,8] = Parameter()
        c: f32[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
        {layer}
        out = Result(y)
    """
    found = plan_placement(from_text(graph), load_target("cpu"))
    assert found.sites == ()
    assert [decision.reason for decision in found.decisions.values()] == [reason]


def test_a_matrix_product_with_a_constant_first_operand_says_so_if_the_target_has_no_rule_for_it() -> None:
    graph = """
        m: f32[8,8] = Parameter()
        c: f32[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
        y: f32[8,8] = MatMul(c, m) transpose_a="false" transpose_b="false"
        out = Result(y)
    """
    (decision,) = plan_placement(from_text(graph), load_target("npu")).decisions.values()
    assert decision.reason == "its constant is the first operand, and target 'npu' takes weights as the second one"


UPSAMPLING = (
    "the plugin runs a transposed convolution rightly in int8 only without dilation, with strides of up to 3 that "
    "divide its kernel (for 3, its pads, too), and with no more output_padding than pads_end"
)


@pytest.mark.parametrize(
    ("strides", "dilation", "reason"),
    [
        ("1, 3", 1, "a8_symmetric x w8"),
        ("2, 3", 1, UPSAMPLING),
        ("1, 4", 1, UPSAMPLING),
        ("4, 1", 1, UPSAMPLING),  # kernels of 3
        ("1, 1", 2, UPSAMPLING),
    ],
)
def test_a_transposed_convolution_runs_int8_by_its_strides(strides: str, dilation: int, reason: str) -> None:
    graph = f"""
        x: f32[1,2,4,4] = Parameter()
        w: f32[2,2,3,3] = Const() base64:{THIRTY_SIX}
        y: f32[1,2,?,?] = ConvolutionBackpropData(x, w) strides="{strides}" dilations="{dilation}, {dilation}"
        out = Result(y)
    """
    (decision,) = plan_placement(from_text(graph), load_target("cpu")).decisions.values()
    assert decision.reason == reason


def test_each_of_several_matrices_of_weights_has_its_scales() -> None:
    graph = f"""
        x: f32[2,4,3] = Parameter()
        w: f32[2,3,6] = Const() base64:{THIRTY_SIX}
        v: f32[2,6,3] = Const() base64:{THIRTY_SIX}
        a: f32[2,4,6] = MatMul(x, w) transpose_a="false" transpose_b="false"
        b: f32[2,4,6] = MatMul(x, v) transpose_a="false" transpose_b="true"
        c = Result(a)
        d = Result(b)
    """
    weights = [site for site in plan_placement(from_text(graph), load_target("cpu")).sites if site.is_weights]
    assert {site.source.node.name: site.channel_axes for site in weights} == {"w": (0, 2), "v": (0, 1)}


PADDED = """
    begin: i64[4] = Const() [0, 0, 1, 1]
    pad: f32[1,8,6,6] = Pad({data}, begin, begin) pad_mode="constant"
"""
POOLED = '    pool: f32[1,8,4,4] = MaxPool(pad) kernel="3, 3" strides="1, 1"\n'


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ((PADDED.format(data="relu"), POOLED, conv("a", "pool")), "relu"),  # zero is code 0
        ((PADDED.format(data="x"), POOLED, conv("a", "pool")), "pad"),
        ((PADDED.format(data="x"), conv("a", "pad")), "x"),  # the convolution will pad, with the zero point
        ((PADDED.format(data="x"), conv("a", "pad"), conv("b", "pad")), "pad"),
        ((PADDED.format(data="x").replace("constant", "reflect"), POOLED, conv("a", "pool")), "x"),
    ],
)
def test_padding_of_zeros_is_passed_where_there_is_no_zero_point(parts: tuple[str, ...], place: str) -> None:
    assert [site.source.node.name for site in data_sites(*parts)] == [place]


def test_a_reader_without_zero_point_lets_padding_be_passed() -> None:
    parts = (
        PADDED.format(data="x"),
        f"    k: f32[8,8,1,1] = Const() base64:{ONES}\n",
        '    up: f32[1,8,6,6] = ConvolutionBackpropData(pad, k) strides="1, 1" dilations="1, 1"\n',
        "    out = Result(up)\n",
    )
    assert [site.source.node.name for site in data_sites(*parts)] == ["x"]


@pytest.mark.parametrize(("other", "places"), [("relu", ["relu", "relu"]), ("x", ["pad", "x"])])
def test_padding_is_not_passed_where_a_range_is_shared_with_negative_values(other: str, places: list[str]) -> None:
    parts = (
        PADDED.format(data="relu"),
        f'    whole: f32[1,8,6,6] = Pad({other}, begin, begin) pad_mode="reflect"\n',
        '    cat: f32[1,16,6,6] = Concat(pad, whole) axis="1"\n',
        f"    cw: f32[4,16,1,1] = Const() base64:{ONES}\n",
        f"    a: f32[1,4,6,6] = Convolution(cat, cw) {CONV}\n    out = Result(a)\n",
    )
    found = data_sites(*parts)
    assert sorted(port for site in found for port in [site.source.node.name] * len(site.consumers)) == places


def test_data_that_the_runtime_folds_are_constant() -> None:
    graph = f"""
        x: f32[1,8,4,4] = Parameter()
        c: f32[1,8,1,1] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        w: f32[8,8,1,1] = Const() base64:{ONES}
        s: i64[4] = ShapeOf.opset3(x) output_type="i64"
        b: f32[1,8,4,4] = Broadcast.opset3(c, s) mode="numpy"
        a: f32[1,8,4,4] = Convolution(b, w) {CONV}
        sum: f32[1,8,4,4] = Add(x, b) auto_broadcast="numpy"
        y: f32[1,8,4,4] = Convolution(sum, w) {CONV}
        first = Result(a)
        second = Result(y)
    """
    found = plan_placement(from_text(graph), load_target("cpu"))
    assert {node.name: decision.reason for node, decision in found.decisions.items()} == {
        "a": "its data are constant",
        "y": "a8_pointwise x w8",
    }
    assert [site.source.node.name for site in found.sites if not site.is_weights] == ["sum"]


def test_layers_of_one_name_get_fake_quantizes_of_different_names() -> None:
    graph = f"""
        x: f32[1,1,4,4] = Parameter()
        w: f32[1,1,1,1] = Const() [1.0]
        conv@1: f32[1,1,4,4] = Convolution(x, w) {CONV}
        r: f32[1,1,4,4] = ReLU(conv@1)
        conv@2: f32[1,1,4,4] = Convolution(r, w) {CONV}
        out = Result(conv@2)
    """
    names = [site.name for site in plan_placement(from_text(graph), load_target("cpu")).sites]
    assert len(set(names)) == 3


def test_a_squeeze_excite_gate_stays_float_and_says_why() -> None:
    gate = """
        axes: i64[2] = Const() [2, 3]
        mean: f32[1,8,1,1] = ReduceMean(relu, axes) keep_dims="true"
        down: f32[1,8,1,1] = Convolution(mean, w) {conv}
        act: f32[1,8,1,1] = {middle}(down)
        up: f32[1,8,1,1] = Convolution(act, w) {conv}
        gate: f32[1,8,1,1] = {end}(up)
        y: f32[1,8,4,4] = Multiply(relu, gate) auto_broadcast="numpy"
        out = Result(y)
    """
    expected = {("ReLU", "Sigmoid"): 0, ("Swish", "HSigmoid"): 0, ("ReLU", "Tanh"): 2}
    for (middle, end), int8 in expected.items():
        decisions = plan(gate.format(conv=CONV, middle=middle, end=end)).decisions.values()
        assert [each.int8 for each in decisions].count(True) == int8
        floats = {each.reason for each in decisions if not each.int8}
        assert all("squeeze-excite" in reason for reason in floats)


EMBEDDING = """
    ids: i64[1,3] = Parameter()
    table: f32[4,2] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    axis: i64[] = Const() [{axis}]
    few: i64[1,3] = Const() [0, 1, 2]
    rows: f32[1,3,2] = Gather.opset8({indices}, axis) batch_dims="0"
    kernel: f32[2,2] = Const() [1.0, 2.0, 3.0, 4.0]
    y: f32[1,3,2] = MatMul(rows, kernel) transpose_a="false" transpose_b="true"
    out = Result(y)
    ids_out = Result(ids)
"""


@pytest.mark.parity
def test_an_embedding_is_stored_in_8_bits_a_scale_a_row() -> None:
    found = plan_placement(from_text(EMBEDDING.format(axis=0, indices="table, ids")), load_target("cpu"))
    assert edges(found.sites) == {"table": ["rows"], "rows": ["y"], "kernel": ["y"]}
    (site,) = (site for site in found.sites if site.source.node.name == "table")
    assert (site.is_weights, site.channel_axes, site.levels) == (True, (0,), 255)


def test_a_table_with_infinities_stays_float() -> None:
    """A graph transformer looks up what it adds to the scores of a pair: minus infinity keeps the two apart."""
    apart = EMBEDDING.replace("[1.0, 2.0, 3.0", "[-inf, -inf, 3.0")
    found = plan_placement(from_text(apart.format(axis=0, indices="table, ids")), load_target("cpu"))
    assert edges(found.sites) == {"rows": ["y"], "kernel": ["y"]}


def test_a_lookup_of_known_rows_is_no_embedding() -> None:
    found = plan_placement(from_text(EMBEDDING.format(axis=0, indices="table, few")), load_target("cpu"))
    assert found.sites == ()
    assert {each.reason for each in found.decisions.values()} == {"its data are constant"}


BODY = """
    wide: f32[1,8,4,4] = Sigmoid(x)
    tconv: f32[1,8,4,4] = ConvolutionBackpropData({source}, w) strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0"
    t_out = Result(tconv)
"""


def test_a_reader_without_zero_point_shares_with_a_convolution_only_what_is_never_negative() -> None:
    assert edges(data_sites(conv("a", "relu"), BODY.format(source="relu"))) == {"relu": ["a", "tconv"]}
    sites = data_sites(conv("a", "x"), BODY.format(source="x"))
    assert sorted(port.node.name for site in sites for port in site.consumers) == ["a", "tconv"]
    assert sorted(site.twin for site in sites) == [0, 1]


#: Operations behind `x` whose readers' biases can all take its zero point over.
ABSORBED = {
    "a pointwise convolution": conv("a", "x"),
    "two of them": conv("a", "x") + conv("b", "x"),
    "one behind a pool": '    pool: f32[1,8,4,4] = MaxPool(x) kernel="1, 1" strides="1, 1"\n' + conv("a", "pool"),
    "one of joined data": '    cat: f32[1,16,4,4] = Concat(x, x) axis="1"\n'
    f"    cw: f32[4,16,1,1] = Const() base64:{ONES}\n"
    f"    a: f32[1,4,4,4] = Convolution(cat, cw) {CONV}\n    out = Result(a)\n",
    "a fully connected layer": f"    m: f32[4,16] = Const() base64:{ONES}\n"
    '    a: f32[1,8,4,16] = MatMul(x, m) transpose_a="false" transpose_b="false"\n    out = Result(a)\n',
}
PADS = CONV.replace('pads_end="0, 0"', 'pads_end="1, 1"')
#: Operations behind `x`, with one that needs its zero point.
NOT_ABSORBED = {
    "a convolution that pads": f"    a: f32[1,8,5,5] = Convolution(x, w) {PADS}\n    out = Result(a)\n",
    "one that pads beside one that does not": conv("b", "x")
    + f"    a: f32[1,8,5,5] = Convolution(x, w) {PADS}\n    out = Result(a)\n",
    "a sum that becomes int8": "    sin: f32[1,8,4,4] = Sin(x)\n"
    + '    sum: f32[1,8,4,4] = Add(sin, relu) auto_broadcast="numpy"\n'
    + conv("a", "sin")
    + depthwise("b", "sum"),
    "a transposed convolution": f"    k: f32[8,8,1,1] = Const() base64:{ONES}\n"
    '    up: f32[1,8,4,4] = ConvolutionBackpropData(x, k) strides="1, 1" dilations="1, 1"\n    out = Result(up)\n',
    "a depthwise convolution, which has a range a channel": depthwise("a", "x"),
    "several matrices": f"    m: f32[1,8,4,2] = Const() base64:{ONES}\n"
    '    a: f32[1,8,4,2] = MatMul(x, m) transpose_a="false" transpose_b="false"\n    out = Result(a)\n',
    "a product of two activations": '    a: f32[1,8,4,4] = MatMul(x, relu) transpose_a="false" transpose_b="false"\n'
    "    out = Result(a)\n",
    "zeros added to it": PADDED.format(data="x") + conv("a", "pad"),
    "constants joined with it": f"    c: f32[1,4,4,4] = Const() base64:{ONES}\n"
    '    cat: f32[1,12,4,4] = Concat(x, c) axis="1"\n'
    f"    cw: f32[4,12,1,1] = Const() base64:{base64.b64encode(zlib.compress(np.ones(48, np.float32).tobytes())).decode()}\n"
    f"    a: f32[1,4,4,4] = Convolution(cat, cw) {CONV}\n    out = Result(a)\n",
    "a tensor with a zero point joined with it": "    other: f32[1,8,4,4] = Sin(x)\n"
    '    cat: f32[1,16,4,4] = Concat(x, other) axis="1"\n'
    f"    cw: f32[4,16,1,1] = Const() base64:{ONES}\n"
    f"    b: f32[1,4,4,4] = Convolution(cat, cw) {CONV}\n    out = Result(b)\n"
    f"    a: f32[1,8,5,5] = Convolution(other, w) {PADS}\n    end = Result(a)\n",
}


@pytest.mark.parametrize("case", ABSORBED)
def test_a_zero_point_goes_into_the_biases_of_layers_that_do_not_pad(case: str) -> None:
    assert [site.spec.absorbs_zero_point for site in data_sites(ABSORBED[case])] == [True]


@pytest.mark.parametrize("case", NOT_ABSORBED)
def test_a_zero_point_stays_where_not_all_readers_take_it_over(case: str) -> None:
    sites = data_sites(NOT_ABSORBED[case])
    assert sites
    assert not any(site.spec.absorbs_zero_point for site in sites)


def test_a_kernel_that_takes_no_zero_point_gets_a_symmetric_range_where_no_bias_takes_it_over() -> None:
    """Beside a transposed convolution; beside a padding one, which needs unsigned data, it gets data of its own."""
    target = load_target("cpu")
    (rule,) = (each for each in target.rules if each.when == ("pointwise",))
    careful = rule.model_copy(update={"inputs": {"data": "a8_absorbed", "weights": "w8"}})
    target = target.model_copy(update={"rules": (careful, *target.rules)})
    modes = {}
    for case in ("a pointwise convolution", "a transposed convolution", "a convolution that pads"):
        alone = {**ABSORBED, **NOT_ABSORBED}[case]
        parts = alone if case in ABSORBED else alone + conv("z", "x")
        sites = [site for site in plan(parts, target=target).sites if not site.is_weights]
        modes[case] = [(site.spec.modes, site.spec.absorbs_zero_point) for site in sites]
    both, symmetric = (Mode.SYMMETRIC, Mode.ASYMMETRIC), (Mode.SYMMETRIC,)
    assert modes == {
        "a pointwise convolution": [(both, True)],
        "a transposed convolution": [(symmetric, False)],
        "a convolution that pads": [(both, False), (both, True)],
    }


@pytest.mark.parametrize(
    ("layer", "ports"),
    [
        (
            """
            w: f32[2,2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
            y: f32[1,4,11,11] = GroupConvolution(x, w) pads_begin="1, 1" pads_end="1, 1"
            """,
            ["data"],
        ),
        ("y: f32[1,4,9,9] = MatMul(x, x)", ["data", "second"]),
    ],
    ids=["padded groups", "product of two activations"],
)
def test_a_mode_with_which_the_device_would_be_wrong_stays_that_of_the_target(layer: str, ports: list[Role]) -> None:
    """The plugin would compute asymmetric data in int8, but not what they mean."""
    graph = from_text(f"x: f32[1,4,9,9] = Parameter()\n{layer}\nr = Result(y)")
    config = QuantizationConfig.checked(activations={"mode": "asymmetric"})
    target = with_user_options(load_target("cpu"), config)
    rule = target.rule(graph.node("y"))
    assert rule is not None
    for port in ports:
        spec = target.specs[rule.inputs[port]]
        assert spec.modes == (Mode.SYMMETRIC,)
        assert not spec.unsupported_reason
        assert port == "second" or not spec.zero_point
