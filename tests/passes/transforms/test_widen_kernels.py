"""Kernels that fill whole rows of the device's matrices get a column of zeros."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.transforms.widen_kernels import WidenKernels
from irquant.targets import load_target


def graph_of(kernel: str = "4,2", attributes: str = 'pads_end="7"', weights: str = "f: f32[1,{0},{1}]") -> str:
    channels, width = (int(each) for each in kernel.split(","))
    values = ", ".join(["1.0"] * channels * width)
    return f"""
        x: f32[1,{channels},200] = Parameter()
        w: f32[1,{channels},{width}] = Const() [{values}]
        low: f32[1,1,1] = Const() [-1.0]
        high: f32[1,1,1] = Const() [1.0]
        {weights.format(channels, width)} = FakeQuantize(w, low, high, low, high) levels="255" auto_broadcast="numpy"
        y: f32[1,1,?] = Convolution(x, f) {attributes}
        r = Result(y)
    """


def widened(text: str, target: str = "cpu") -> tuple[int, Any]:
    graph = from_text(text)
    return WidenKernels().run(graph, Context(load_target(target))), graph


@pytest.mark.parametrize(
    ("attributes", "begin", "end"),
    [
        ('pads_begin="3" pads_end="7"', "3", "8"),
        ('auto_pad="valid" pads_begin="3" pads_end="7"', "0", "1"),
        ("", "0", "1"),
    ],
)
def test_a_column_of_zeros_meets_a_column_of_padding(attributes: str, begin: str, end: str) -> None:
    count, graph = widened(graph_of("16,16", attributes))
    assert (count, graph.node("f").source().shape, graph.node("y").source(1).shape) == (1, (1, 16, 17), (1, 16, 17))
    assert not graph.node("f").source().node.array[..., -1].any()
    written = graph.node("y").attributes
    assert (written["pads_begin"], written["pads_end"], written["auto_pad"]) == (begin, end, "explicit")
    assert WidenKernels().run(graph, Context(load_target("cpu"))) == 0


@pytest.mark.parametrize(
    ("target", "count"), [("cpu", 1), ("cpu_spr", 1), ("cpu_avx2", 0), ("gpu", 0), ("npu", 0), ("gna", 0)]
)
def test_the_target_says_whether_it_misreads_them(target: str, count: int) -> None:
    assert widened(graph_of("16,16"), target)[0] == count


def test_other_rules_hold_for_a_dilated_layer_with_padding() -> None:
    assert widened(graph_of("16,16", 'dilations="2"'))[0] == 0


@pytest.mark.parametrize(("padding", "column"), [("same_upper", 0), ("same_lower", -1)])
def test_automatic_padding_grows_by_itself(padding: str, column: int) -> None:
    count, graph = widened(graph_of("16,16", f'auto_pad="{padding}" strides="1"'))
    assert count == 1
    assert np.flatnonzero(~graph.node("f").source().node.array[0, 0].astype(bool)).tolist() == [column % 17]
    assert widened(graph_of("16,16", f'auto_pad="{padding}" strides="2"'))[0] == 0


@pytest.mark.parametrize(
    ("kernel", "count"),
    [("4,32", 1), ("28,16", 1), ("24,8", 1), ("4,16", 0), ("16,4", 0), ("6,32", 0), ("32,8", 0), ("16,9", 0)],
)
def test_only_kernels_that_fill_several_rows_are_widened(kernel: str, count: int) -> None:
    assert widened(graph_of(kernel))[0] == count


def test_other_layers_are_left_alone() -> None:
    assert widened(graph_of("16,16", 'dilations="2"'))[0] == 0
    assert widened(graph_of("16,16").replace("Convolution(x, f)", "Convolution(x, w)"))[0] == 0
    assert widened(graph_of("16,16"), "gna")[0] == 0


@pytest.mark.parametrize("padding", ["explicit", "same_upper", "same_lower", "valid"])
def test_the_device_computes_them_right(padding: str) -> None:
    """With AMX, the second and third layer were left float."""
    rng, reports = np.random.default_rng(0), list[Report]()
    x = op.parameter([1, 1, 200], np.float32, name="x")
    y: Any = x
    for channels, width in ((1, 5), (16, 16), (16, 8)):
        weights = rng.normal(0, (channels * width) ** -0.5, (16, channels, width)).astype(np.float32)
        bias = rng.normal(0, 0.1, (1, 16, 1)).astype(np.float32)
        y = op.convolution(y, weights, [1], [2], [3], [1], padding)
        y = op.relu(op.add(y, bias))
    model = ov.Model([op.result(y)], [x])
    samples = [rng.normal(size=(1, 1, 200)).astype(np.float32) for _ in range(12)]
    quantized = quantize(model, samples, report=reports.append)
    assert [each.decision.int8 for each in reports[0].layers] == [True] * 3
    floats, rounded = (
        [compiled(sample)[0].copy() for sample in samples]
        for compiled in (
            ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, quantized)
        )
    )
    assert sqnr(floats, rounded) > 30
