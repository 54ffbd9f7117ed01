"""Zero points of activations move into biases: the layers compute the same, from numbers that begin at zero."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, PassManager, QuantizationConfig, Report, default_quantization, quantize
from irquant.passes.infra.execution import Execution
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.modes import EMULATION
from irquant.passes.statistics.request import Reduction, Request, Statistics
from irquant.passes.testing import check_pass
from irquant.passes.transforms.absorb_zero_points import AbsorbZeroPoints
from irquant.passes.transforms.insert_fake_quantize import InsertFakeQuantize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.targets import load_target
from tests.passes.runs_int8.nets import some_slow

RNG = np.random.default_rng(0)
ONES, NONE = [1, 1], [0, 0]
Array = np.ndarray[Any, np.dtype[Any]]
CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
LAYER = f"""
    x: f32[1,2,4,4] = Parameter()
    w: f32[1,2,1,1] = Const() [127.0, -64.0]
    conv: f32[1,1,4,4] = Convolution(x, w) {CONV}
    bias: f32[1,1,1,1] = Const() [5.0]
    y: f32[1,1,4,4]<"y"> = Add(conv, bias) auto_broadcast="numpy"
    r = Result(y)
"""
#: LAYER between -1 and 1.55, with these ends of the output of its FakeQuantize, and with this bias.
ROUNDED = f"""
    x: f32[1,2,4,4] = Parameter()
    w: f32[1,2,1,1] = Const() [127.0, -64.0]
    conv/fq_input_0/low: f32[] = Const() [-1.0]
    conv/fq_input_0/high: f32[] = Const() [1.55]
    conv/fq_weights_1/low: f32[1,1,1,1] = Const() [-127.0]
    conv/fq_weights_1/high: f32[1,1,1,1] = Const() [127.0]
    {{ends}}
    conv/fq_input_0: f32[1,2,4,4] = FakeQuantize(x, conv/fq_input_0/low, conv/fq_input_0/high, {{names}}) levels="256" auto_broadcast="numpy"
    conv/fq_weights_1: f32[1,2,1,1] = FakeQuantize(w, conv/fq_weights_1/low, conv/fq_weights_1/high, conv/fq_weights_1/low, conv/fq_weights_1/high) levels="255" auto_broadcast="numpy"
    conv: f32[1,1,4,4] = Convolution(conv/fq_input_0, conv/fq_weights_1) {CONV}
    {{bias}}: f32[1,1,1,1] = Const() [{{value}}]
    y: f32[1,1,4,4]<"y"> = Add(conv, {{bias}}) auto_broadcast="numpy"
    r = Result(y)
"""


def check(low: float, after: str) -> None:
    """Compares LAYER after the pass, with asymmetric data from `low` on, with a text."""
    context = Context(load_target("cpu"), QuantizationConfig.checked(preset="mixed"))
    ends = {Reduction.MIN: low, Reduction.MAX: 1.55}
    measured = {Request(0, 0, kind): np.full((1, 1), value, np.float32) for kind, value in ends.items()}
    context.statistics = Statistics(measured, samples=1)
    prepare = (PlanPlacement(), InsertFakeQuantize(), SetRanges())
    check_pass(AbsorbZeroPoints(), context=context, prepare=prepare, before=LAYER, after=after)


def test_data_begin_at_zero_and_the_bias_makes_up_for_it() -> None:
    check(
        -1.0,
        ROUNDED.format(
            ends="conv/fq_input_0/zero: f32[] = Const() [0.0]\n    conv/fq_input_0/width: f32[] = Const() [2.55]",
            names="conv/fq_input_0/zero, conv/fq_input_0/width",
            bias="bias/corrected",
            value="-58.0",  # 5 - 1 * (127 - 64)
        ),
    )


def test_data_that_begin_at_zero_anyway_are_left_alone() -> None:
    names = "conv/fq_input_0/low, conv/fq_input_0/high"
    after = ROUNDED.format(ends="", names=names, bias="bias", value="5.0").replace("[-1.0]", "[0.0]")
    check(0.0, after)


def weights(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def conv(x: Any, *shape: int, stride: int = 1, dilation: int = 1) -> Any:
    return op.convolution(x, weights(*shape), [stride] * 2, NONE, NONE, [dilation] * 2)


#: Layers that read data of shape [1, 8, 10, 10], and how many FakeQuantizes lose their zero points.
CASES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "pointwise": (lambda x: op.add(conv(x, 6, 8, 1, 1), weights(1, 6, 1, 1)), 1),
    "without a bias": (lambda x: conv(x, 6, 8, 1, 1), 1),
    "with a bias for each place": (lambda x: op.add(conv(x, 6, 8, 1, 1), weights(1, 6, 10, 10)), 0),
    "with a kernel, strides and dilation": (lambda x: conv(x, 6, 8, 3, 2, stride=2, dilation=2), 1),
    "with groups": (lambda x: op.group_convolution(x, weights(2, 4, 4, 3, 3), ONES, NONE, NONE, ONES), 1),
    "read by two": (lambda x: op.concat([conv(x, 6, 8, 1, 1), conv(x, 4, 8, 1, 1)], 1), 1),
    "behind a pool": (lambda x: conv(op.max_pool(x, [2, 2], ONES, NONE, NONE, [3, 3]).output(0), 6, 8, 1, 1), 1),
    "joined": (lambda x: conv(op.concat([x, op.sin(x)], 1), 6, 16, 1, 1), 2),
    "fully connected": (lambda x: op.matmul(x, weights(10, 7), False, False), 1),
    "fully connected, transposed": (lambda x: op.matmul(x, weights(7, 10), True, True), 1),
}


@pytest.mark.parametrize("case", some_slow(CASES, 2))
def test_the_function_stays_the_same(case: str) -> None:
    """The target lets all convolutions absorb. The FakeQuantizes are computed in float: only sums are rounded."""
    build, count = CASES[case]
    target = load_target("cpu")
    specs = {**target.specs, "a8_conv": target.specs["a8_pointwise"]}
    x = op.parameter([1, 8, 10, 10], np.float32)
    model = from_runtime(ov.Model([op.result(op.sigmoid(build(x)))], [x]))
    samples = [RNG.normal(0.3, size=(1, 8, 10, 10)).astype(np.float32) for _ in range(4)]
    found: list[Array] = []
    for left_out in ("", "absorb-zero-points"):
        graph = model.copy()
        passes = [each for each in default_quantization() if each.name != left_out]
        context = Context(target.model_copy(update={"specs": specs}), QuantizationConfig(), samples)
        results = PassManager(passes).run(graph, context)
        assert left_out or results["absorb-zero-points"].changes == count
        found.append(ov.compile_model(to_runtime(graph), "CPU", EMULATION)(samples[0])[0])
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize("size", [-1, 9])
def test_the_device_computes_it_in_int8(size: int) -> None:
    """If the data had a zero point, the runtime would die of a signal where there is AMX, if the size is dynamic."""
    x = op.parameter(ov.PartialShape([1, 16, size, size]), np.float32)
    y = op.gelu(op.add(conv(x, 32, 16, 1, 1), weights(1, 32, 1, 1)), "erf")
    y = op.group_convolution(y, weights(32, 1, 1, 3, 3), ONES, ONES, ONES, ONES)
    samples = [RNG.normal(0.3, size=(1, 16, 9, 9)).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    quantized = quantize(ov.Model([op.result(y)], [x], "m"), samples, report=reports.append)
    assert reports[0].check.execution == Execution(int8=2, total=2)
    assert reports[0].check.asked is not None
    assert not reports[0].check.asked.wrong
    (first,) = (
        each
        for each in quantized.get_ordered_ops()
        if each.get_friendly_name().endswith("fq_input_0")
        and each.input_value(0).get_node().get_type_name() == "Parameter"
    )
    ends = [float(each.get_node().get_vector()[0]) for each in first.input_values()[1:]]
    assert ends[0] < 0 == ends[2]
    assert ends[3] == pytest.approx(ends[1] - ends[0])


@pytest.mark.parametrize("shape", [(4, 16), (1, 4, 1)])
@pytest.mark.parametrize("scaled", [op.multiply, op.divide])
def test_a_product_that_is_scaled_by_place_keeps_its_zero_point(shape: tuple[int, ...], scaled: Any) -> None:
    """With the zero point in a bias, the CPU plugin computes it wrongly, and the check leaves the layer float."""
    x = op.parameter([1, 4, 16], np.float32)
    y = scaled(op.add(op.matmul(x, weights(16, 16), False, True), weights(1, 1, 16)), weights(*shape))
    samples = [RNG.normal(size=(1, 4, 16)).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    quantize(ov.Model([op.result(y)], [x], "m"), samples, report=reports.append)
    assert reports[0].check.execution == Execution(int8=1, total=1)


@pytest.mark.parametrize(("reach", "is_moved"), [(1e4, True), (5e4, False)], ids=["narrow", "too wide"])
def test_a_range_that_is_too_wide_for_halves_stays(reach: float, is_moved: bool) -> None:
    """Both ends are halves, their difference is none if it exceeds 65504."""
    context = Context(load_target("cpu"), QuantizationConfig.checked(preset="mixed"))
    ends = {Reduction.MIN: -reach, Reduction.MAX: reach / 2}
    measured = {Request(0, 0, kind): np.full((1, 1), value, np.float32) for kind, value in ends.items()}
    context.statistics = Statistics(measured, samples=1)
    graph = from_text(LAYER.replace("f32", "f16").replace("127.0, -64.0", "0.001, -0.0005"))
    for each in (PlanPlacement(), InsertFakeQuantize(), SetRanges()):
        each.run(graph, context)
    assert AbsorbZeroPoints().run(graph, context) == is_moved
    assert all(np.isfinite(node.array).all() for node in graph.nodes("Const"))
