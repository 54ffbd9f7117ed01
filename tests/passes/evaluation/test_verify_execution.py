"""The proof: the signal-to-noise ratio on known arrays, and what counts as int8."""

import math
import re
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.runtime.executed import Executed
from irquant.targets import parse_target
from irquant.tools.terminal.summary import report_lines
from tests.passes.beside_data import beside_data


def test_the_ratio_is_that_of_the_powers_over_all_samples() -> None:
    references = [np.array([3.0, 4.0]), np.array([0.0])]
    outputs = [np.array([3.0, 4.5]), np.array([0.0])]
    assert sqnr(references, outputs) == pytest.approx(10 * math.log10(25 / 0.25))


def test_equal_outputs_have_no_noise_and_silent_ones_no_signal() -> None:
    assert sqnr([np.ones(2)], [np.ones(2)]) == math.inf
    assert sqnr([np.zeros(2)], [np.ones(2)]) == -math.inf


def test_outputs_of_other_axes_cannot_be_compared() -> None:
    assert math.isnan(sqnr([np.ones(2)], [np.ones((2, 1))]))


@pytest.mark.parametrize(
    ("primitive", "int8"),
    [
        ("brgconv_avx512_I8", True),
        ("brgemm_avx512_i8", True),
        ("brgconv_avx512_f32", False),
        ("brgemm_avx512_bf16", False),
        ("", False),
        ("brgemm_i8_f32", False),  # int8 weights, float arithmetic
    ],
)
def test_only_the_end_of_the_primitives_name_tells(primitive: str, *, int8: bool) -> None:
    assert Executed("layer", "FullyConnected", primitive).is_int8 is int8


def behind_tiles(count: int) -> tuple[ov.Model, list[np.ndarray[Any, Any]]]:
    """Convolutions behind a Tile, each with one in front of it."""
    x = op.parameter([1, 8, 6, 6], np.float32)
    kernel = np.random.default_rng(0).normal(size=(8, 8, 3, 3)).astype(np.float32)
    ones = [1, 1]
    found = []
    for number in range(count):
        first = op.relu(op.convolution(x, kernel * (number + 1), ones, ones, ones, ones))
        tiled = op.tile(first, op.constant([1, 1, 2, 1])) if number else first
        second = op.convolution(tiled, kernel, ones, ones, ones, ones)
        second.set_friendly_name(f"behind, {number}")  # the runtime joins names by commas
        found.append(op.result(op.relu(second)))
    data = [np.random.default_rng(1).normal(size=(1, 8, 6, 6)).astype(np.float32)] * 10
    return ov.Model(found, [x], "m"), data


#: A target that promises too much: this plugin does not carry a scale through Tile.
LIAR = parse_target("name: liar\nextends: cpu\ntransparent:\n  - {op: Tile}\n", "liar.yaml")


def test_what_falls_to_float_against_the_plan_is_left_float_and_told() -> None:
    model, data = behind_tiles(2)
    reports: list[Report] = []
    quantize(model, data, target=LIAR, report=reports.append)
    execution = reports[0].check.execution
    assert execution is not None
    assert (execution.int8, execution.total, execution.fallen) == (3, 4, ())
    decisions = {each.name: each.decision for each in reports[0].layers}
    assert decisions["behind, 0"].int8
    assert not decisions["behind, 1"].int8
    (told,) = beside_data(reports[0])
    start = "Convolution 'behind, 1' is left float: the device runs it in float with any ranges: "
    assert re.match(re.escape(start) + r"the runtime chose \w+_f32, reading f32 from \w+ '", told)


def test_of_layers_with_one_name_those_that_are_planned_in_float_run_in_float() -> None:
    """The executed graph knows layers by their names only."""
    model, data = behind_tiles(2)
    for each in model.get_ops():
        if each.get_friendly_name() == "behind, 1":  # the one that falls to float
            each.set_friendly_name("behind, 0")
    reports: list[Report] = []
    quantize(model, data, target=LIAR, report=reports.append)
    execution = reports[0].check.execution
    assert execution is not None
    assert (execution.int8, execution.total, execution.fallen) == (3, 4, ())
    assert [each.decision.int8 for each in reports[0].layers].count(False) == 1


def test_where_most_falls_to_float_the_plan_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then this machine is not what the target file describes."""
    model, data = behind_tiles(2)
    monkeypatch.setattr(Executed, "is_int8", property(lambda self: False))
    reports: list[Report] = []
    quantize(model, data, report=reports.append)
    execution = reports[0].check.execution
    assert execution is not None
    assert (execution.int8, len(execution.fallen)) == (0, 4)
    assert not beside_data(reports[0])
    said = list(report_lines(reports[0], "out.xml"))
    assert any(line.startswith("planned for int8, but fell back to FP32: Convolution 'behind, 0': ") for line in said)


def test_a_device_that_is_not_here_is_not_claimed_to_run_int8() -> None:
    x = op.parameter([1, 8], np.float32)
    model = ov.Model([op.result(op.matmul(x, np.eye(8, dtype=np.float32), False, True))], [x], "m")
    reports: list[Report] = []
    quantize(model, [np.ones((1, 8), np.float32)] * 10, target="npu", report=reports.append)
    assert reports[0].check.execution is None
    assert reports[0].check.outputs is not None
    assert any(line.startswith("not verified: this machine has no NPU; ") for line in report_lines(reports[0], "o"))


# ---------------------------------------------------------------- outputs whose length, or whose whole content, is decided


def reported(model: ov.Model, *shape: int, **options: object) -> Report:
    reports: list[Report] = []
    data = [np.random.default_rng(k).normal(size=shape).astype(np.float32) for k in range(12)]
    quantize(model, data, config=QuantizationConfig.checked(**options), report=reports.append)
    return reports[0]


def layer(x: ov.Node, outputs: int, seed: int = 0) -> ov.Node:
    matrix = np.random.default_rng(seed).normal(size=(outputs, 8)).astype(np.float32)
    return op.matmul(x, matrix / 3, False, True)


def test_a_sound_of_another_length_is_compared_and_told_of() -> None:
    """Durations of 12 to 20 steps each: rounding moves a few of them over the next whole number."""
    x = op.parameter([1, 40, 8], np.float32, name="x")
    states = op.relu(layer(x, 8))
    durations = op.ceiling(op.add(op.multiply(layer(states, 1, 1), np.float32(4)), np.float32(16)))
    length = op.convert(op.reduce_sum(op.relu(durations), np.array([0, 1, 2]), False), "i64")
    steps = op.convert(op.range(np.array(0, np.int64), length, np.array(1, np.int64), "i64"), "f32")
    sound = op.multiply(op.sin(steps), op.reduce_max(states, np.array([0, 1, 2]), False))
    sound.output(0).set_names({"sound"})
    model = ov.Model([op.result(sound)], [x], "m")
    report = reported(model, 1, 40, 8, range_estimator={"preset": "default"}, correct_biases="fast")
    assert report.check.outputs is not None
    (found,) = report.check.outputs
    assert (found.resized, found.verdict.value) == (1, "fair")
    assert 10 < found.sqnr < 60
    assert report.guard == ()
    assert beside_data(report) == (
        "output 'sound' has other sizes than the float model's on 1 of 1 samples: the values that decide them do not tolerate rounding",
    )
    assert report.check.asked is not None
    assert report.check.asked.wrong == ""


@pytest.mark.parametrize("kind", ["argmax", "mask", "whole numbers"])
def test_outputs_of_decisions_alone_are_judged_by_what_decides(kind: str) -> None:
    x = op.parameter([1, 4, 8], np.float32, name="x")
    scores = layer(op.relu(layer(x, 8)), 6, 1)
    decided = {
        "argmax": lambda: op.topk(scores, np.array(1), 2, "max", "none").output(1),
        "mask": lambda: op.greater(scores, np.float32(0)),
        "whole numbers": lambda: op.convert(op.round(scores, "half_to_even"), "i32"),
    }[kind]()
    report = reported(ov.Model([op.result(decided)], [x], "m"), 1, 4, 8)
    assert report.check.outputs is not None
    assert 20 < report.check.outputs[0].sqnr < 60
    assert report.check.asked is not None
    assert 20 < report.check.asked.meant < 60
