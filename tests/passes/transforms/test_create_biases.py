"""Layers get a bias that adds nothing where the device computes them wrongly, or does not compile them, without."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset1 as op1
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.transforms.create_biases import CreateBiases
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.targets import load_target
from tests.passes.beside_data import beside_data

RNG = np.random.default_rng(1)
STATIC, DYNAMIC = [2, 6, 8], [-1, 6, 8]
Tensor = Any


def parameter(shape: list[int]) -> Tensor:
    x = op.parameter(shape, np.float32, name="x")
    x.output(0).set_names({"x"})
    return x


def dense(x: Tensor) -> Tensor:
    """From 8 channels to 8 of unlike loudness, without bias."""
    weights, loudness = RNG.normal(size=(8, 8)), np.exp(RNG.normal(size=(8, 1)))
    return op.matmul(x, (weights * loudness / 3).astype(np.float32), False, True)


def ratios(outputs: Callable[[Tensor], list[Tensor]], shape: list[int]) -> tuple[list[float], Report]:
    """The ratio of each output in dB, as executed, on samples that calibration did not see."""
    x = parameter(shape)
    model = ov.Model([op.result(each) for each in outputs(x)], [x], "m")
    samples = [RNG.normal(size=(abs(shape[0]), *shape[1:])).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    compiled = [
        ov.Core().compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, quantized)
    ]
    float_, int8 = ([np.array(each) for each in one(samples[0]).values()] for one in compiled)
    noise = [np.square(a - b).mean() / np.square(a).mean() for a, b in zip(float_, int8, strict=True)]
    return [-10 * np.log10(each) for each in noise], reports[0]


def scores(x: Tensor) -> list[Tensor]:
    """Attention whose scores are an output, too."""
    q, k, v = dense(x), dense(x), dense(x)
    product = op.matmul(q, k, False, True)
    return [product, op.matmul(op.softmax(op.multiply(product, np.float32(0.1)), -1), v, False, False)]


def causal_heads(x: Tensor) -> list[Tensor]:
    """Two heads with a causal mask, whose size is read off the scores: the runtime compiles them as one kernel."""

    def heads() -> Tensor:
        return op.transpose(op.reshape(dense(x), op.constant([0, 0, 2, 4]), True), op.constant([0, 2, 1, 3]))

    product = op.matmul(heads(), heads(), False, True)
    places = op.range(op.constant(0), op.gather(op.shape_of(product, "i32"), op.constant(3), op.constant(0)), 1, "i32")
    mask = op.less_equal(op.unsqueeze(places, op.constant([0])), op.unsqueeze(places, op.constant([1])))
    return [op.matmul(op.softmax(op.select(mask, product, np.float32(-1e4)), -1), heads(), False, False)]


def test_a_bias_of_scores_is_not_read_along_the_wrong_axis() -> None:
    found, report = ratios(causal_heads, STATIC)
    assert min(found) > 20
    assert all(layer.is_int8 for layer in report.layers)
    assert not beside_data(report)


def test_readers_of_the_shape_make_no_bias() -> None:
    graph = from_text(
        """
        x: f32[2,4] = Parameter()
        y: f32[3,4] = Parameter()
        z: f32[2,3] = MatMul(x, y) transpose_a="false" transpose_b="true"
        s: i64[2] = ShapeOf.opset3(z) output_type="i64"
        out = Result(z)
        size = Result(s)
        """
    )
    context = Context(target=load_target("cpu"))
    PlanPlacement().run(graph, context)
    assert context.plan.decisions[graph.node("z")].int8
    assert CreateBiases().run(graph, context) == 0


@pytest.mark.parametrize("shape", [STATIC, DYNAMIC], ids=["static", "dynamic"])
def test_a_product_of_activations_that_several_operations_read_is_right(shape: list[int]) -> None:
    found, report = ratios(scores, shape)
    assert min(found) > 20
    assert [each.decision.int8 for each in report.layers] == [True] * 5


def test_a_transposed_convolution_that_several_operations_read_is_right() -> None:
    def grown(x: Tensor) -> list[Tensor]:
        kernel = op.constant((RNG.normal(size=(2, 4, 4, 4)) / 3).astype(np.float32))
        layer = op.convolution_backprop_data(x, kernel, [2, 2])
        return [op.relu(layer), op.sigmoid(layer)]

    found, report = ratios(grown, [-1, 2, 6, 8])
    assert min(found) > 25
    assert [each.decision.int8 for each in report.layers] == [True]


def widened(shape: list[int], pad: int) -> Callable[[Tensor], list[Tensor]]:
    """A transposed convolution with one place of `output_padding` along each axis."""
    axes = len(shape) - 2
    kernel = op.constant((RNG.normal(size=(shape[1], 4, *[4] * axes)) / 3).astype(np.float32))
    pads = {"pads_begin": [pad] * axes, "pads_end": [pad] * axes, "output_padding": [1] * axes}
    return lambda x: [op.convolution_backprop_data(x, kernel, [2] * axes, **pads)]


@pytest.mark.parametrize("shape", [[1, 16, 5, 6], [1, 3, 4, 5, 6]], ids=["2D", "3D"])
def test_a_transposed_convolution_that_cuts_off_less_is_right(shape: list[int]) -> None:
    found, report = ratios(widened(shape, 1), shape)
    assert min(found) > 25
    assert [each.decision.int8 for each in report.layers] == [True]


def test_one_that_puts_something_behind_its_result_stays_float() -> None:
    with pytest.raises(NothingToQuantizeError):
        ratios(widened([1, 16, 5, 6], 0), [1, 16, 5, 6])


ONE, NONE = [1, 1], [0, 0]
#: Operations whose windows run over the last axis.
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "average": lambda x: op.avg_pool(x, ONE, NONE, NONE, [2, 2], True),
    "maximum": lambda x: op1.max_pool(x, ONE, NONE, NONE, [2, 2], "floor"),
    "resized": lambda x: op.interpolate(x, op.constant([12, 16]), "nearest", "sizes", axes=op.constant([2, 3])),
    "behind another": lambda x: op.avg_pool(op.transpose(x, op.constant([0, 2, 1, 3])), ONE, NONE, NONE, [2, 2], True),
}


@pytest.mark.parametrize("kind", POOLS)
def test_a_fully_connected_layer_in_front_of_a_pool_over_its_channels_compiles_and_is_right(kind: str) -> None:
    found, report = ratios(lambda x: [POOLS[kind](dense(x))], [2, 3, 6, 8])
    assert min(found) > 25
    assert [each.decision.int8 for each in report.layers] == [True]


@pytest.mark.parametrize("has_bias", [False, True], ids=["without bias", "with bias"])
def test_a_depthwise_convolution_behind_a_matrix_product_has_one_range_for_all_channels(has_bias: bool) -> None:
    def filtered(x: Tensor) -> list[Tensor]:
        y = op.add(dense(x), RNG.normal(size=8).astype(np.float32)) if has_bias else dense(x)
        filters = (RNG.normal(size=(6, 1, 1, 3)) / 2).astype(np.float32)
        return [op.group_convolution(op.relu(y), filters, [1], [1], [1], [1])]

    found, report = ratios(filtered, STATIC)
    assert min(found) > 20
    assert [each.decision.int8 for each in report.layers] == [True, True]


def test_the_bias_of_a_layer_that_computes_in_f16_adds_nothing_either() -> None:
    """Its smallest normal number is a number like others: 6e-5."""
    graph = from_text("""
        x: f16[1,4,8,8] = Parameter()
        w: f16[2,4,1,1] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        y: f16[1,2,8,8] = Convolution(x, w) strides="1,1" dilations="1,1" pads_begin="0,0" pads_end="0,0"
        a: f16[1,2,8,8] = ReLU(y)
        b: f16[1,2,8,8] = Sigmoid(y)
        r = Result(a)
        s = Result(b)
    """)
    context = Context(load_target("cpu"))
    PlanPlacement().run(graph, context)
    assert CreateBiases().run(graph, context) == 1
    (bias,) = (port.source.node.array for port in graph.node("y").output().consumers[0].node.inputs[1:])
    assert 0 < float(bias.min()) < float(bias.max()) < 1e-6


def small_product(x: Tensor) -> Tensor:
    """Of two activations: one scale, and squares beside which an epsilon counts."""
    return op.matmul(op.multiply(x, np.float32(0.02)), op.transpose(op.relu(x), op.constant([0, 2, 1])), False, False)


def small_convolution(x: Tensor) -> Tensor:
    """Without a bias: a scale a channel."""
    kernel = op.constant((RNG.normal(size=(8, 8, 3, 3)) / 400).astype(np.float32))
    return op.convolution(op.reshape(x, op.constant([4, 8, 6, 8]), False), kernel, [1, 1], [1, 1], [1, 1], [1, 1])


def normalized(x: Tensor, axes: list[int]) -> Tensor:
    return op.mvn(x, op.constant(axes), True, 1e-3, "inside_sqrt")


NORMALIZED: dict[str, Callable[[Tensor], Tensor]] = {
    "product, length": lambda x: op.normalize_l2(small_product(x), op.constant([1]), 1e-3, "add"),
    "product, variance": lambda x: normalized(small_product(x), [1, 2]),
    "product, scaled": lambda x: normalized(op.multiply(small_product(x), np.float32(1.5)), [1, 2]),
    "product, moved": lambda x: normalized(op.reshape(small_product(x), op.constant([4, 1, 48, 48]), False), [3]),
    "product, of an activation": lambda x: op.normalize_l2(op.relu(small_product(x)), op.constant([1]), 1e-3, "add"),
    "convolution": lambda x: normalized(small_convolution(x), [2, 3]),
    "convolution, divided": lambda x: normalized(op.divide(small_convolution(x), np.float32(3)), [2, 3]),
    "convolution, negated": lambda x: normalized(op.negative(small_convolution(x)), [2, 3]),
    "convolution, averaged": lambda x: normalized(
        op.avg_pool(small_convolution(x), [1, 1], [0, 0], [0, 0], [2, 2], True), [2, 3]
    ),
    "convolution, scaled by f16": lambda x: normalized(
        op.multiply(small_convolution(x), op.convert(op.constant(np.float16(1.5)), "f32")), [2, 3]
    ),
    "convolution, with a bias of zeros": lambda x: normalized(
        op.add(small_convolution(x), np.zeros((1, 8, 1, 1), np.float32)), [2, 3]
    ),
    "convolution, of an activation": lambda x: normalized(op.relu(small_convolution(x)), [2, 3]),
}


@pytest.mark.parametrize("kind", NORMALIZED)
def test_an_epsilon_behind_a_layer_keeps_its_unit(kind: str) -> None:
    found, report = ratios(lambda x: [NORMALIZED[kind](x)], [4, 48, 8])
    assert min(found) > 36
    assert [each.decision.int8 for each in report.layers] == [True]
