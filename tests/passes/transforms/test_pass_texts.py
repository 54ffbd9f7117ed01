"""Each pass on small graphs: text before, text after, and what it must leave alone."""

import base64
import zlib
from typing import ClassVar

import numpy as np
import pytest

from irquant.ir import Graph, Node, from_text
from irquant.passes import Context, Pass, QuantizationConfig, Reduction, Request
from irquant.passes.calibration.attach_statistics import AttachStatistics, blocks
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.statistics.request import Statistics
from irquant.passes.testing import check_pass
from irquant.passes.transforms.compress_weights import CompressWeights
from irquant.passes.transforms.correct_biases_fast import CorrectBiasesFast
from irquant.passes.transforms.insert_fake_quantize import InsertFakeQuantize
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.targets import load_target

CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'


def cpu(statistics: dict[Request, list[list[float]]] | None = None, preset: str = "performance") -> Context:
    values = {wanted: np.array(rows, np.float32) for wanted, rows in (statistics or {}).items()}
    samples = max((len(rows) for rows in values.values()), default=0)
    context = Context(load_target("cpu"), QuantizationConfig.checked(preset=preset))
    context.statistics = Statistics(values, samples=samples)
    return context


# ----------------------------------------------------------------------------------------------------------- normalize


def test_normalize_decompresses_weights_and_biases() -> None:
    check_pass(
        Normalize(),
        before=f"""
            x: f32[1,2,4,4] = Parameter()
            half: f16[1,2,1,1] = Const() [0.5, -1.0]
            w: f32[1,2,1,1] = Convert(half) destination_type="f32"
            conv: f32[1,1,4,4] = Convolution(x, w) {CONV}
            half_bias: f16[1,1,1,1] = Const() [0.25]
            b: f32[1,1,1,1] = Convert(half_bias) destination_type="f32"
            y: f32[1,1,4,4] = Add(conv, b) auto_broadcast="numpy"
            r = Result(y)
        """,
        after=f"""
            x: f32[1,2,4,4] = Parameter()
            conv/weights: f32[1,2,1,1] = Const() [0.5, -1.0]
            conv: f32[1,1,4,4] = Convolution(x, conv/weights) {CONV}
            y/bias: f32[1,1,1,1] = Const() [0.25]
            y: f32[1,1,4,4] = Add(conv, y/bias) auto_broadcast="numpy"
            r = Result(y)
        """,
    )


TIED = """
    ids: i64[1,3] = Parameter()
    table: f32[4,2] = Const() [1, 2, 3, 4, 5, 6, 7, 8]
    axis: i64[] = Const() [0]
    rows: f32[1,3,2] = Gather.opset8(table, ids, axis) batch_dims="0"
    {product}
    r = Result(y)
"""


def test_normalize_has_products_transpose_a_matrix_that_others_read_as_it_is() -> None:
    transposed = """
    order: i64[2] = Const() [1, 0]
    turned: f32[2,4] = Transpose(table, order)
    y: f32[1,3,4] = MatMul(rows, turned) transpose_a="false" transpose_b="false"
    """
    direct = 'y: f32[1,3,4] = MatMul(rows, table) transpose_a="false" transpose_b="true"'
    check_pass(Normalize(), before=TIED.format(product=transposed), after=TIED.format(product=direct))


def test_normalize_folds_reshapes_and_transposes_of_weights() -> None:
    check_pass(
        Normalize(),
        before="""
            x: f32[1,3] = Parameter()
            flat: f32[6] = Const() [1, 2, 3, 4, 5, 6]
            shape: i64[2] = Const() [2, 3]
            matrix: f32[2,3] = Reshape(flat, shape) special_zero="false"
            order: i64[2] = Const() [1, 0]
            w: f32[3,2] = Transpose(matrix, order)
            y: f32[1,2] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        after="""
            x: f32[1,3] = Parameter()
            y/weights: f32[3,2] = Const() [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
            y: f32[1,2] = MatMul(x, y/weights) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
    )


def test_normalize_has_layers_with_equal_weights_read_one_constant() -> None:
    """A converter makes a copy of shared weights for each layer whose Transpose it folds."""
    square = {
        last: base64.b64encode(zlib.compress(np.append(np.ones(4095, np.float32), np.float32(last)).tobytes())).decode()
        for last in (1, 2)
    }
    text = f"""
        x: f32[1,64] = Parameter()
        w: f32[64,64] = Const() base64:{square[1]}
        {{copy}}
        other: f32[64,64] = Const() base64:{square[2]}
        a: f32[1,64] = MatMul(x, w) transpose_a="false" transpose_b="true"
        b: f32[1,64] = MatMul(a, {{second}}) transpose_a="false" transpose_b="true"
        c: f32[1,64] = MatMul(b, other) transpose_a="false" transpose_b="true"
        r = Result(c)
    """
    check_pass(
        Normalize(),
        before=text.format(copy=f"copy: f32[64,64] = Const() base64:{square[1]}", second="copy"),
        after=text.format(copy="", second="w"),
    )


def test_normalize_folds_keys_and_values_of_attention() -> None:
    text = """
        q: f32[1,1,2] = Parameter()
        {stored}
        {halves}
        a: f32[1,1,2] = ScaledDotProductAttention.opset13(q, {operands}) causal="false"
        r = Result(a)
    """
    check_pass(
        Normalize(),
        before=text.format(
            stored="stored: f16[1,2] = Const() [1, 2]",
            halves="""
                k: f32[1,2] = Convert(stored) destination_type="f32"
                shape: i64[3] = Const() [1, 1, 2]
                rows: f32[1,1,2] = Reshape(k, shape) special_zero="false"
            """,
            operands="rows, rows",
        ),
        after=text.format(stored="a/weights: f32[1,1,2] = Const() [1, 2]", halves="", operands="a/weights, a/weights"),
    )


def test_normalize_has_the_runtime_compute_what_does_not_depend_on_the_data() -> None:
    check_pass(
        Normalize(),
        before="""
            x: f32[2,3] = Parameter()
            v: f32[2,3] = Const() [1, 2, 3, 4, 5, 6]
            g: f32[2,1] = Const() [1, 2]
            w: f32[2,3] = Multiply(v, g) auto_broadcast="numpy"
            y: f32[2,2] = MatMul(x, w) transpose_a="false" transpose_b="true"
            s: i64[2] = ShapeOf.opset3(x) output_type="i64"
            one: f32[] = Const() [0.5]
            wide: f32[2,3] = Broadcast.opset3(one, s) mode="numpy"
            begin: i64[2] = Const() [0, 0]
            end: i64[2] = Const() [2, 2]
            step: i64[2] = Const() [1, 1]
            b: f32[2,2] = Slice.opset8(wide, begin, end, step)
            z: f32[2,2] = Add(y, b) auto_broadcast="numpy"
            r = Result(z)
        """,
        after="""
            x: f32[2,3] = Parameter()
            y/weights: f32[2,3] = Const() [1.0, 2.0, 3.0, 8.0, 10.0, 12.0]
            y: f32[2,2] = MatMul(x, y/weights) transpose_a="false" transpose_b="true"
            z/bias: f32[2,2] = Const() [0.5, 0.5, 0.5, 0.5]
            z: f32[2,2] = Add(y, z/bias) auto_broadcast="numpy"
            r = Result(z)
        """,
    )


def test_normalize_takes_one_matrix_out_of_its_stack() -> None:
    check_pass(
        Normalize(),
        before="""
            x: f32[2,4,2] = Parameter()
            w: f32[1,2,1] = Const() [1.0, 2.0]
            y: f32[2,4,1] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        after="""
            x: f32[2,4,2] = Parameter()
            y/matrix: f32[2,1] = Const() [1.0, 2.0]
            y: f32[2,4,1] = MatMul(x, y/matrix) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
    )


def test_a_vector_gets_one_axis_less_since_its_own_is_not_in_the_result() -> None:
    check_pass(
        Normalize(),
        before="""
            x: f32[2] = Parameter()
            w: f32[1,2,3] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
            y: f32[1,3] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        after="""
            x: f32[2] = Parameter()
            y/unsqueezed/axes: i64[1] = Const() [0]
            y/unsqueezed: f32[1,2] = Unsqueeze(x, y/unsqueezed/axes)
            y/matrix: f32[2,3] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
            y: f32[1,3] = MatMul(y/unsqueezed, y/matrix) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
    )


def test_normalize_gives_the_axes_of_the_stack_to_the_data() -> None:
    check_pass(
        Normalize(),
        before="""
            x: f32[4,2] = Parameter()
            w: f32[1,1,1,2] = Const() [1.0, 2.0]
            y: f32[1,1,4,1] = MatMul(x, w) transpose_a="false" transpose_b="true"
            r = Result(y)
        """,
        after="""
            x: f32[4,2] = Parameter()
            y/unsqueezed/axes: i64[2] = Const() [0, 1]
            y/unsqueezed: f32[1,1,4,2] = Unsqueeze(x, y/unsqueezed/axes)
            y/matrix: f32[1,2] = Const() [1.0, 2.0]
            y: f32[1,1,4,1] = MatMul(y/unsqueezed, y/matrix) transpose_a="false" transpose_b="true"
            r = Result(y)
        """,
    )


@pytest.mark.parametrize(
    "graph",
    [
        # a stack of more than one matrix
        """
            x: f32[4,2] = Parameter()
            w: f32[2,2,1] = Const() [1.0, 2.0, 3.0, 4.0]
            y: f32[2,4,1] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        # weights that are compressed
        """
            x: f32[4,2] = Parameter()
            codes: i8[2,1] = Const() [1, 2]
            float: f32[2,1] = Convert(codes) destination_type="f32"
            scale: f32[] = Const() [0.5]
            w: f32[2,1] = Multiply(float, scale) auto_broadcast="numpy"
            y: f32[4,1] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        # weights that are plain already
        f"""
            x: f32[1,1,4,4] = Parameter()
            w: f32[1,1,1,1] = Const() [0.5]
            y: f32[1,1,4,4] = Convolution(x, w) {CONV}
            r = Result(y)
        """,
        # a product of two activations
        """
            x: f32[2,2] = Parameter()
            t: f32[2,2] = Sigmoid(x)
            y: f32[2,2] = MatMul(x, t) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
        # a constant that nobody uses as weights
        """
            x: f32[2] = Parameter()
            half: f16[2] = Const() [0.5, 1.0]
            c: f32[2] = Convert(half) destination_type="f32"
            y: f32[2] = Multiply(x, c) auto_broadcast="numpy"
            r = Result(y)
        """,
        # weights whose shape depends on the data
        """
            x: f32[?,?] = Parameter()
            flat: f32[6] = Const() [1, 2, 3, 4, 5, 6]
            sizes: i64[2] = ShapeOf(x) output_type="i64"
            w: f32[?,?] = Reshape(flat, sizes) special_zero="false"
            y: f32[?,?] = MatMul(x, w) transpose_a="false" transpose_b="true"
            r = Result(y)
        """,
        # weights in an order that depends on the data
        """
            x: f32[1,3] = Parameter()
            order: i64[2] = Parameter()
            matrix: f32[2,3] = Const() [1, 2, 3, 4, 5, 6]
            w: f32[3,2] = Transpose(matrix, order)
            y: f32[1,2] = MatMul(x, w) transpose_a="false" transpose_b="false"
            r = Result(y)
        """,
    ],
)
def test_normalize_leaves_the_rest_alone(graph: str) -> None:
    check_pass(Normalize(), before=graph, after=graph)


# ---------------------------------------------------------------------------------- plan-placement, insert, calibrate

LAYER = f"""
    x: f32[1,2,4,4]<"image"> = Parameter()
    w: f32[1,2,1,1] = Const() [0.5, -1.0]
    conv: f32[1,1,4,4]<"y"> = Convolution(x, w) {CONV}
    r = Result(conv)
"""


def test_plan_placement_looks_only() -> None:
    context = check_pass(PlanPlacement(), before=LAYER, after=LAYER)
    assert [site.name for site in context.plan.sites] == ["conv/fq_input_0", "conv/fq_weights_1"]


def test_calibrate_looks_only() -> None:
    context = Context(load_target("cpu"), samples=[np.zeros((1, 2, 4, 4), np.float32)])
    check_pass_once(Calibrate(), context)
    assert context.held_out == []


def check_pass_once(pass_: Calibrate, context: Context) -> None:
    """A calibration reads its data once, so that a second run would find them empty only if they were an iterator."""
    check_pass(pass_, before=LAYER, after=LAYER, context=context)


def test_insert_fake_quantize_puts_one_on_data_and_one_on_weights() -> None:
    check_pass(
        InsertFakeQuantize(),
        prepare=[PlanPlacement()],
        before=LAYER,
        after=f"""
            x: f32[1,2,4,4]<"image"> = Parameter()
            w: f32[1,2,1,1] = Const() [0.5, -1.0]
            conv/fq_input_0: f32[1,2,4,4] = FakeQuantize(x) levels="256" auto_broadcast="numpy"
            conv/fq_weights_1: f32[1,2,1,1] = FakeQuantize(w) levels="255" auto_broadcast="numpy"
            conv: f32[1,1,4,4]<"y"> = Convolution(conv/fq_input_0, conv/fq_weights_1) {CONV}
            r = Result(conv)
        """,
    )


def test_insert_fake_quantize_leaves_what_the_target_lacks() -> None:
    graph = """
        x: f32[1,4] = Parameter()
        y: f32[1,4] = SoftMax(x) axis="1"
        r = Result(y)
    """
    check_pass(InsertFakeQuantize(), prepare=[PlanPlacement()], before=graph, after=graph)


def test_insert_fake_quantize_without_a_plan_does_nothing() -> None:
    check_pass(InsertFakeQuantize(), before=LAYER, after=LAYER)


# ---------------------------------------------------------------------------------------------------------- set-ranges

X = 0  # the id of the Parameter in LAYER


@pytest.mark.parametrize(
    ("preset", "low", "high", "limits"),
    [
        ("performance", [-1.0, -2.02], [2.0, 2.0], (-2.01 * 256 / 254, 2.01)),  # the mean magnitude is 2.01
        ("performance", [0.0, 0.5], [2.0, 2.02], (0.0, 2.01)),
        ("performance", [0.5, -0.001], [2.0, 2.02], (-2.01 * 256 / 254, 2.01)),  # one negative value makes it signed
        ("performance", [0.0, 0.0], [1.0, 3.0], (0.0, 3.0)),  # the mean would clip too much: see clips_too_much
        ("mixed", [-2.0, -2.02], [3.0, 3.0], (-2.01, 3.015)),  # zero of [-2.01, 3] lies at code 102.3: moved to 102
    ],
)
def test_set_ranges_follows_the_preset(
    preset: str, low: list[float], high: list[float], limits: tuple[float, float]
) -> None:
    context = cpu(
        {
            Request(X, 0, Reduction.MIN): [[each] for each in low],
            Request(X, 0, Reduction.MAX): [[each] for each in high],
            Request(X, 0, Reduction.ABS_MAX): [[max(-lower, upper)] for lower, upper in zip(low, high, strict=True)],
        },
        preset,
    )
    graph = from_text(LAYER)
    for pass_ in (PlanPlacement(), InsertFakeQuantize()):
        pass_.run(graph, context)
    assert SetRanges().run(graph, context) == 2
    node = graph.node("conv/fq_input_0")
    found = [float(node.source(index).node.array) for index in (1, 2, 3, 4)]
    np.testing.assert_allclose(found, [*limits, *limits], rtol=1e-6)


def test_set_ranges_gives_every_open_fake_quantize_its_limits() -> None:
    context = cpu({Request(X, 0, Reduction.MIN): [[0.0]], Request(X, 0, Reduction.ABS_MAX): [[1.0]]})
    check_pass(
        SetRanges(),
        context=context,
        prepare=[PlanPlacement(), InsertFakeQuantize()],
        before=LAYER,
        after=f"""
            x: f32[1,2,4,4]<"image"> = Parameter()
            w: f32[1,2,1,1] = Const() [0.5, -1.0]
            conv/fq_input_0/low: f32[] = Const() [0.0]
            conv/fq_input_0/high: f32[] = Const() [1.0]
            conv/fq_weights_1/low: f32[1,1,1,1] = Const() [-1.0]
            conv/fq_weights_1/high: f32[1,1,1,1] = Const() [1.0]
            conv/fq_input_0: f32[1,2,4,4] = FakeQuantize(x, conv/fq_input_0/low, conv/fq_input_0/high, conv/fq_input_0/low, conv/fq_input_0/high) levels="256" auto_broadcast="numpy"
            conv/fq_weights_1: f32[1,2,1,1] = FakeQuantize(w, conv/fq_weights_1/low, conv/fq_weights_1/high, conv/fq_weights_1/low, conv/fq_weights_1/high) levels="255" auto_broadcast="numpy"
            conv: f32[1,1,4,4]<"y"> = Convolution(conv/fq_input_0, conv/fq_weights_1) {CONV}
            r = Result(conv)
        """,
    )


def test_set_ranges_leaves_other_peoples_fake_quantizes_alone() -> None:
    graph = """
        x: f32[1,2] = Parameter()
        low: f32[] = Const() [0.0]
        high: f32[] = Const() [1.0]
        y: f32[1,2] = FakeQuantize(x, low, high, low, high) levels="256" auto_broadcast="numpy"
        r = Result(y)
    """
    check_pass(SetRanges(), before=graph, after=graph)


# ------------------------------------------------------------------------------------------------- correct-biases-fast

QUANTIZED = """
    x: f32[1,2] = Parameter()
    w: f32[2,2] = Const() [1.0, 0.25, -0.75, 0.0]
    low: f32[2,1] = Const() [-1.0, -1.0]
    high: f32[2,1] = Const() [1.0, 1.0]
    fq: f32[2,2] = FakeQuantize(w, low, high, low, high) levels="3" auto_broadcast="numpy"
    y: f32[1,2] = MatMul(x, fq) transpose_a="false" transpose_b="true"
"""  # levels 3: the weights become [1, 0, -1, 0], the errors are [0, 0.25, 0.25, 0]
MEANS = {Request(0, 0, Reduction.MEAN, 1): [[1.0, 10.0], [3.0, 10.0]]}


def test_correct_biases_fast_adds_what_rounding_took_away() -> None:
    check_pass(
        CorrectBiasesFast(),
        context=cpu(MEANS),
        before=f"""{QUANTIZED}
            b: f32[1,2] = Const() [0.5, 0.5]
            z: f32[1,2] = Add(y, b) auto_broadcast="numpy"
            r = Result(z)
        """,
        after=f"""{QUANTIZED}
            b/corrected: f32[1,2] = Const() [3.0, 1.0]
            z: f32[1,2] = Add(y, b/corrected) auto_broadcast="numpy"
            r = Result(z)
        """,
    )


def test_correct_biases_fast_creates_a_missing_bias_and_keeps_the_output_name() -> None:
    named = QUANTIZED.replace("y: f32[1,2] =", 'y: f32[1,2]<"logits"> =')
    check_pass(
        CorrectBiasesFast(),
        context=cpu(MEANS),
        before=f"{named}    r = Result(y)\n",
        after=f"""{QUANTIZED}
            y/bias: f32[1,2] = Const() [2.5, 0.5]
            y/add_bias: f32[1,2]<"logits"> = Add(y, y/bias) auto_broadcast="numpy"
            r = Result(y/add_bias)
        """,
    )


def test_correct_biases_fast_does_not_take_a_second_reader_for_a_bias() -> None:
    check_pass(
        CorrectBiasesFast(),
        context=cpu(MEANS),
        before=f"""{QUANTIZED}
            b: f32[1,2] = Const() [0.5, 0.5]
            z: f32[1,2] = Add(y, b) auto_broadcast="numpy"
            s: f32[1,2] = Sigmoid(y)
            r = Result(z)
            q = Result(s)
        """,
        after=f"""{QUANTIZED}
            y/bias: f32[1,2] = Const() [2.5, 0.5]
            y/add_bias: f32[1,2] = Add(y, y/bias) auto_broadcast="numpy"
            b: f32[1,2] = Const() [0.5, 0.5]
            z: f32[1,2] = Add(y/add_bias, b) auto_broadcast="numpy"
            s: f32[1,2] = Sigmoid(y/add_bias)
            r = Result(z)
            q = Result(s)
        """,
    )


@pytest.mark.parametrize("bias", ["f32[2]", "f32[1,2]"])
def test_correct_biases_fast_takes_a_bias_of_any_rank(bias: str) -> None:
    check_pass(
        CorrectBiasesFast(),
        context=cpu(MEANS),
        before=f'{QUANTIZED}    b: {bias} = Const() [0.5, 0.0]\n    z: f32[1,2] = Add(b, y) auto_broadcast="numpy"\n    r = Result(z)',
        after=f'{QUANTIZED}    b/corrected: f32[1,2] = Const() [3.0, 0.5]\n    z: f32[1,2] = Add(b/corrected, y) auto_broadcast="numpy"\n    r = Result(z)',
    )


def test_correct_biases_fast_leaves_float_layers_alone() -> None:
    check_pass(CorrectBiasesFast(), before=LAYER, after=LAYER)


# ---------------------------------------------------------------------------------------------------- compress-weights


def test_compress_weights_stores_codes_and_a_scale() -> None:
    context = cpu({Request(X, 0, Reduction.MIN): [[0.0]], Request(X, 0, Reduction.ABS_MAX): [[1.0]]})
    check_pass(
        CompressWeights(),
        context=context,
        prepare=[PlanPlacement(), InsertFakeQuantize(), SetRanges()],
        before=LAYER,
        after=f"""
            x: f32[1,2,4,4]<"image"> = Parameter()
            conv/fq_input_0/low: f32[] = Const() [0.0]
            conv/fq_input_0/high: f32[] = Const() [1.0]
            w/quantized: i8[1,2,1,1] = Const() [63, -127]
            conv/fq_weights_1/scale: f32[1,1,1,1] = Const() [0.007874016]
            conv/fq_input_0: f32[1,2,4,4] = FakeQuantize(x, conv/fq_input_0/low, conv/fq_input_0/high, conv/fq_input_0/low, conv/fq_input_0/high) levels="256" auto_broadcast="numpy"
            w/to_f32: f32[1,2,1,1] = Convert(w/quantized) destination_type="f32"
            conv/fq_weights_1: f32[1,2,1,1] = Multiply(w/to_f32, conv/fq_weights_1/scale) auto_broadcast="numpy"
            conv: f32[1,1,4,4]<"y"> = Convolution(conv/fq_input_0, conv/fq_weights_1) {CONV}
            r = Result(conv)
        """,
    )


def test_compress_weights_leaves_what_it_did_not_plan() -> None:
    check_pass(CompressWeights(), before=f"{QUANTIZED}    r = Result(y)", after=f"{QUANTIZED}    r = Result(y)")


# --------------------------------------------------------------------------------------------------- attach-statistics


def test_attach_statistics_adds_one_output_for_all_numbers() -> None:
    before = """
        x: f32[1,2,4,4] = Parameter()
        y: f32[1,2,4,4]<"y"> = ReLU(x)
        r = Result(y)
    """
    graph, context = from_text(before), cpu()
    wanted = (Request(1, 0, Reduction.MAX), Request(1, 0, Reduction.MEAN, 1), Request(0, 0, Reduction.SHAPE))
    found = tuple(blocks(graph, wanted, {}))
    assert AttachStatistics(found).run(graph, context) == 1
    assert AttachStatistics(found).run(graph, context) == 0
    results = graph.in_file_order("Result")
    assert [node.name for node in results] == ["irquant/statistics", "r"]
    assert results[0].source().shape == (1, 1 + 2 + 4)
    assert Node(graph, 1).output().names == ("y",)


def test_attach_statistics_computes_quantiles_of_one_form_together() -> None:
    """Of tensors of one size: there may be hundreds, and each operation takes time to compile."""
    graph = from_text(
        """
        x: f32[1,2,4,4] = Parameter()
        y: f32[1,2,4,4] = ReLU(x)
        z: f32[1,2,4,4] = Sigmoid(y)
        r = Result(z)
        """
    )
    tensors = [Request(node, 0, Reduction.QUANTILE, 1, level) for node in range(3) for level in (0.001, 0.999)]
    found = tuple(blocks(graph, [*tensors, Request(1, 0, Reduction.MEAN)], {}))
    assert AttachStatistics(found).run(graph, cpu()) == 1
    counts = [len(list(graph.nodes(each))) for each in ("TopK", "Multiply", "ReduceSum")]
    assert counts == [6, 1, 1]
    assert graph.in_file_order("Result")[0].source().shape == (1, 6 * 2 + 1)


def test_attach_statistics_adds_nothing_if_nothing_is_wanted() -> None:
    check_pass(AttachStatistics(()), before=LAYER, after=LAYER)


# ---------------------------------------------------------------------------------------------------- the check itself


class Broken(Pass):
    """A pass that does one thing wrong."""

    name: ClassVar[str] = "broken"

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def run(self, graph: Graph, context: Context) -> int:
        node = graph.node("y")
        if self.fault == "never idle":
            node.set_attribute("a", "!")
            return 1
        if self.fault in ("lies", "idle"):
            return int(self.fault == "lies")
        if self.fault == "renames an output":
            node.output()._port.element.set("names", "z")
            return 1
        node.set_attribute("seed", "1")
        return 1


SIGMOID = 'x: f32[1] = Parameter()\ny: f32[1]<"y"> = Sigmoid(x)\nr = Result(y)\n'


def test_check_pass_says_which_text_is_no_graph() -> None:
    wrong = SIGMOID.replace("y: f32[1]", "y: f32[2]")
    for texts, name in (((wrong, SIGMOID), "before"), ((SIGMOID, wrong), "after")):
        with pytest.raises(AssertionError, match=rf"^the graph of `{name}` is invalid: Sigmoid 'y' \(id 1\): "):
            check_pass(Broken("edits"), before=texts[0], after=texts[1])


def test_check_pass_compares_the_values_of_long_constants() -> None:
    """More of them than the text form spells out."""

    def added(value: int) -> str:
        values = ", ".join(map(str, [1] * 19 + [value]))
        return f"x: f32[20] = Parameter()\nc: f32[20] = Const() [{values}]\ny: f32[20] = Add(x, c)\nr = Result(y)\n"

    with pytest.raises(AssertionError, match="gave another graph"):
        check_pass(Broken("idle"), before=added(1), after=added(2))


@pytest.mark.parametrize(
    ("fault", "after", "complaint"),
    [
        ("edits", SIGMOID, r"'broken' gave another graph:\n--- expected"),
        ("lies", SIGMOID, "'broken' says 1 changes, but the graph did not change"),
        ("renames an output", SIGMOID.replace('<"y">', '<"z">'), "'broken' changed an input or output of the model"),
        ("never idle", SIGMOID.replace("(x)", '(x) a="!"'), "'broken' made 1 changes in a second run"),
    ],
)
def test_check_pass_fails_when_it_should(fault: str, after: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_pass(Broken(fault), before=SIGMOID, after=after)
