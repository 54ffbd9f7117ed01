"""Sums of two activations stay float if 8 bits would spoil their operands."""

import re
from dataclasses import asdict

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array
from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.transforms import keep_sums_float
from irquant.targets import Target, load_target
from irquant.tools.report.values import report_values
from irquant.tools.terminal.summary import report_lines

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def network() -> ov.Model:
    """A residual block between two convolutions, all of 1x1; it keeps how its input is spread."""
    rng = np.random.default_rng(0)
    x = y = op.parameter([1, 8, 16, 16], np.float32, name="x")
    one, none = [1, 1], [0, 0]

    def mixed(data: ov.Node) -> ov.Node:
        kernel = np.eye(8, dtype=np.float32)[:, :, None, None]
        kernel += rng.normal(size=kernel.shape).astype(np.float32) / 50
        return op.convolution(data, kernel, one, none, none, one)

    for _ in range(2):
        first = op.prelu(mixed(y), np.float32(0.9))
        y = op.prelu(op.add(first, mixed(first)), np.float32(0.9))
    return ov.Model([op.result(mixed(y))], [x])


def even(count: int) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(1, 8, 16, 16)).astype(np.float32) for _ in range(count)]


def spread(count: int) -> list[Array]:
    """Small numbers, and a few that are a thousand times as large: 8 bits keep these alone."""
    rng = np.random.default_rng(1)
    found = [rng.normal(size=(1, 8, 16, 16)).astype(np.float32) for _ in range(count)]
    for each in found:
        each.reshape(-1)[rng.integers(0, each.size, 1)] *= 300
    return found


def rounded_sums(model: ov.Model) -> int:
    """The number of sums with a rounded operand."""
    sums = [each for each in model.get_ordered_ops() if each.get_type_name() == "Add"]
    above = [[value.get_node().get_type_name() for value in each.input_values()] for each in sums]
    return sum("FakeQuantize" in each for each in above)


def target(least: float) -> Target:
    return load_target("cpu").model_copy(update={"sum_sqnr": least})


@pytest.mark.parametrize(("least", "count"), [(0, 2), (60, 0), (28, 2)])
def test_the_target_says_how_many_decibels_a_sum_must_keep(least: float, count: int) -> None:
    model = quantize(network(), even(16), target=target(least), config=QuantizationConfig(guard=False))
    assert rounded_sums(model) == count


def test_sums_that_lose_more_are_not_rounded_and_the_outputs_gain() -> None:
    samples, ratios = spread(24), list[float]()
    for each in samples:  # not a few that are much larger than the others, which ranges would leave out
        np.clip(each, -300, 300, out=each)
    for least, count in ((0, 2), (28, 0)):
        config = QuantizationConfig(guard=False)
        model = quantize(network(), samples[:16], target=target(least), config=config, report=lambda _: None)
        assert rounded_sums(model) == count
        both = [ov.compile_model(each, "CPU", F32) for each in (network(), model)]
        floats, made = ([each(sample)[0].copy() for sample in samples[16:]] for each in both)
        ratios.append(sqnr(floats, made))
    assert ratios[1] > ratios[0]


def test_the_report_says_why_a_sum_stays_float() -> None:
    reports: list[Report] = []
    config = QuantizationConfig(guard=False)
    quantize(network(), even(16), target=target(60), config=config, report=reports.append)
    sums = reports[0].float_sums
    assert len(sums) == 2
    assert all(
        re.fullmatch(r"8 bits leave \d\d dB of its operands, and target 'cpu' asks for 60", it.reason) for it in sums
    )
    lines = list(report_lines(reports[0], "m.xml"))
    assert [line for line in lines if "Add" in line] == [f"sum in float: Add '{it.name}': {it.reason}" for it in sums]
    assert report_values(reports[0], "m.xml", "i.xml")["float_sums"] == [asdict(each) for each in sums]


def test_what_else_reads_an_operand_gets_ranges_per_channel_where_it_can() -> None:
    """A depthwise convolution that shares its data with a sum has one range for all channels; alone, one for each."""
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    eye, kernel = np.eye(8, dtype=np.float32)[:, :, None, None], np.ones((8, 1, 1, 3, 3), np.float32) / 9
    one, none = [1, 1], [0, 0]
    stream = op.relu(op.convolution(x, eye, one, none, none, one))
    layer = op.convolution(op.group_convolution(stream, kernel, one, one, one, one), eye, one, none, none, one)
    summed = op.relu(op.add(stream, layer))
    model = ov.Model([op.result(op.convolution(summed, eye, one, none, none, one))], [x])
    sizes: list[int] = []
    for least in (0, 28):
        config = QuantizationConfig(guard=False)
        made = quantize(model, spread(16), target=target(least), config=config, report=lambda _: None)
        (depthwise,) = (each for each in made.get_ordered_ops() if each.get_type_name() == "GroupConvolution")
        sizes.append(depthwise.input_value(0).get_node().input_value(2).get_node().data.size)
    assert sizes == [1, 8]


def test_the_default_target_asks_for_enough() -> None:
    assert (load_target("cpu").sum_sqnr, load_target("npu").sum_sqnr) == (28, 0)


def test_sums_in_front_of_one_that_is_spoilt_stay_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum of floats asks for no rounded operands; the plan that is made again would free all sums in front of it."""
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    rng, one, none = np.random.default_rng(0), [1, 1], [0, 0]

    def layer(data: ov.Node) -> ov.Node:
        return op.convolution(data, rng.normal(size=(8, 8, 1, 1)).astype(np.float32) / 3, one, none, none, one)

    y = layer(x)
    for _ in range(4):
        y = op.add(y, layer(op.relu(layer(y))))
    model = ov.Model([op.result(layer(y))], [x])
    config, ratios = QuantizationConfig(guard=False), [10.0, *[40.0] * 3]
    assert rounded_sums(quantize(model, even(16), config=config)) == 4
    monkeypatch.setattr(keep_sums_float, "_ratio", lambda *_: ratios.pop())
    assert rounded_sums(quantize(model, even(16), config=config)) == 3


def test_passes_behind_it_find_what_they_asked_for() -> None:
    """SmoothQuant finds other layers to scale if a sum does not read their data any more."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 16, 64], np.float32, name="x")

    def layer(data: ov.Node) -> ov.Node:
        return op.matmul(data, rng.normal(size=(64, 64)).astype(np.float32) / 8, False, False)

    y = layer(x)
    for _ in range(3):
        y = op.add(y, layer(op.relu(layer(y))))
    samples = [rng.normal(size=(1, 16, 64)).astype(np.float32) for _ in range(16)]
    for each in samples:
        each.reshape(-1)[rng.integers(0, each.size, 1)] *= 300
    config = QuantizationConfig(guard=False, model_type="transformer")
    for least in (28, 90):
        made = quantize(
            ov.Model([op.result(layer(y))], [x]), samples, target=target(least), config=config, report=lambda _: None
        )
        assert made.get_results()
