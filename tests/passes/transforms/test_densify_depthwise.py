"""Depthwise convolutions in which the device would never end."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, PassManager, QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.options.ignored import Ignored
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.testing import check_pass
from irquant.passes.transforms.densify_depthwise import DensifyDepthwise
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
BEFORE = """
    x: f32[?,2,1,40] = Parameter()
    w: f32[2,1,1,1,11] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0, -10.0, -11.0]
    y: f32[?,2,1,40] = GroupConvolution(x, w) auto_pad="explicit" dilations="1,1" pads_begin="0,5" pads_end="0,5" strides="1,1"
    r = Result(y)
"""
AFTER = """
    x: f32[?,2,1,40] = Parameter()
    w/dense: f32[2,2,1,11] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0, -10.0, -11.0]
    y: f32[?,2,1,40] = Convolution(x, w/dense) auto_pad="explicit" dilations="1,1" pads_begin="0,5" pads_end="0,5" strides="1,1"
    r = Result(y)
"""


def test_it_becomes_a_dense_convolution() -> None:
    check_pass(DensifyDepthwise(), before=BEFORE, after=AFTER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1,11]", "11,1]"),
        ("[2,1,1,1,11]", "[1,2,1,1,11]"),
        ("[2,1,1,1,11]", "[1,1,2,1,11]"),
        ('strides="1,1"', 'strides="1,2"'),
        ('dilations="1,1"', 'dilations="1,2"'),
    ],
    ids=["a short last axis", "more results than groups", "more data than groups", "a stride", "a dilation"],
)
def test_others_stay(old: str, new: str) -> None:
    graph = from_text(BEFORE.replace(old, new))
    assert DensifyDepthwise().run(graph, Context(load_target("cpu"), QuantizationConfig())) == 0


def test_it_stays_for_devices_that_finish_it() -> None:
    assert DensifyDepthwise().run(from_text(BEFORE), Context(load_target("gpu"), QuantizationConfig())) == 0


def depthwise(channels: int, kernel: int, padding: str = "explicit") -> ov.Model:
    rng = np.random.default_rng(channels + kernel)
    weights = rng.normal(0, 0.2, (channels, 1, 1, 1, kernel)).astype(np.float32)
    x = op.parameter([1, channels, 4, 64], np.float32)
    pads = [0, kernel // 2]
    layer = op.group_convolution(x, weights, [1, 1], pads, pads, [1, 1], auto_pad=padding, name="dw")
    return ov.Model([op.result(layer)], [x], "m")


@pytest.mark.parametrize("padding", ["explicit", "valid", "same_upper", "same_lower"])
@pytest.mark.parametrize(("channels", "kernel"), [(8, 16), (2, 32), (12, 24), (16, 16), (6, 15)])
def test_dense_layers_that_stay_float_are_right_in_any_precision(channels: int, kernel: int, padding: str) -> None:
    """In bf16, those that fill whole rows of the device's matrices are not, without a column of zeros."""
    model = depthwise(channels, kernel, padding)
    dense = from_runtime(model)
    assert DensifyDepthwise().run(dense, Context(load_target("cpu"), QuantizationConfig())) == 1
    sample = np.random.default_rng(1).normal(size=(1, channels, 4, 64)).astype(np.float32)
    exact, f32, own = (
        ov.compile_model(each, "CPU", config)(sample)[0].copy()
        for each, config in ((model, F32), (to_runtime(dense), F32), (to_runtime(dense), {}))
    )
    np.testing.assert_allclose(f32, exact, rtol=1e-4, atol=1e-4)
    assert sqnr([exact], [own]) > 35


@pytest.mark.parametrize(
    "operation",
    [
        {"type": "GroupConvolution"},
        {"type": "Convolution"},
        {"type": "Convolution", "attributes": {"group": 8}},
        {"type": "GroupConvolution", "attributes": {"group": 8}},
    ],
    ids=str,
)
def test_users_ignore_it_by_the_type_that_it_had(operation: dict[str, object]) -> None:
    samples = [np.random.default_rng(k).normal(size=(1, 8, 4, 64)).astype(np.float32) for k in range(16)]
    graph = from_runtime(depthwise(8, 16))
    PassManager([Normalize(), DensifyDepthwise()]).run(
        graph, Context(load_target("cpu"), QuantizationConfig(), samples)
    )
    ignored = Ignored.model_validate({"operations": [operation]})
    assert [node.type for node in ignored.hits(graph).reasons] == ["Convolution"]
    assert not Ignored.model_validate({"operations": [{"type": "MatMul"}]}).hits(graph).reasons


@pytest.mark.parametrize("channels", [16, 8])
def test_a_separable_convolution_of_eegnet_ends(channels: int) -> None:
    """The whole network: a temporal convolution, one over electrodes, and the separable one of 16 channels."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[-3:])), shape).astype(np.float32)

    x = op.parameter([1, 1, 22, 128], np.float32)
    found = op.convolution(x, weights(channels // 2, 1, 1, 33), [1, 1], [0, 16], [0, 16], [1, 1])
    found = op.elu(
        op.group_convolution(found, weights(channels // 2, 2, 1, 22, 1), [1, 1], [0, 0], [0, 0], [1, 1]), 1.0
    )
    found = op.group_convolution(found, weights(channels, 1, 1, 1, 16), [1, 1], [0, 8], [0, 7], [1, 1])
    found = op.elu(op.convolution(found, weights(16, channels, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1]), 1.0)
    model = ov.Model([op.result(found)], [x], "eegnet")
    samples = [rng.normal(size=(1, 1, 22, 128)).astype(np.float32) for _ in range(24)]
    reports: list[Report] = []
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    assert reports[0].check.execution
    assert not reports[0].check.execution.fallen
    wanted = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    executed = ov.compile_model(quantized, "CPU")
    outputs = [[compiled(each)[0].copy() for each in samples[:4]] for compiled in (wanted, executed)]
    assert sqnr(*outputs) > 25
