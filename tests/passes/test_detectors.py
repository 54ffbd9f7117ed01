"""Detectors with default options: int8 up to the heads, boxes and scores each as close as they must be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import openvino as ov
import pytest

from irquant.passes import Report, quantize
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.analysis.detector_heads import MEAN
from irquant.passes.analysis.outputs import OutputKind
from tests.passes.detectors import detr, end_to_end, pictures, yolo


@dataclass(frozen=True)
class Found:
    """What quantizing a detector gave."""

    report: Report
    model: ov.Model

    @property
    def outputs(self) -> Sequence[Agreement]:
        return self.report.check.outputs or ()

    @property
    def floats(self) -> list[tuple[str, str]]:
        return [(each.type, each.reason) for each in self.report.layers if not each.is_int8]


@cache
def quantized(build: Callable[[], ov.Model]) -> Found:
    reports = list[Report]()
    model = quantize(build(), pictures(80), report=reports.append)
    return Found(reports[0], model)


@pytest.mark.parametrize("build", [pytest.param(yolo, marks=pytest.mark.slow), end_to_end])
def test_only_the_mean_of_distances_stays_float(build: Callable[[], ov.Model]) -> None:
    found = quantized(build)
    assert found.floats == [("Convolution", MEAN)]
    execution = found.report.check.execution
    assert execution is not None
    assert (execution.int8, execution.total, execution.fallen) == (14, 15, ())
    assert returned_layers(found.report) == []


def test_scores_beside_pixels_are_judged_on_their_own() -> None:
    (output,) = quantized(yolo).outputs
    assert output.part == "columns 4 to 9"
    assert 20 <= output.sqnr < output.whole - 3
    assert (output.verdict, output.kind) == (Verdict.GOOD, OutputKind.VALUES)
    assert output.top1 is not None
    assert output.top1 > 0.95
    assert output.decisions > 100


def returned_layers(report: Report) -> list[str]:
    return [step.what for step in report.guard]


def test_nothing_rounds_the_joined_boxes_and_scores() -> None:
    (joined,) = (node for node in quantized(yolo).model.get_ops() if node.get_friendly_name() == "joined")
    sources = {value.get_node().get_type_name() for value in joined.input_values()}
    assert sources == {"Multiply", "Sigmoid"}
    assert {port.get_node().get_type_name() for port in joined.output(0).get_target_inputs()} == {"Result"}


def test_of_selected_boxes_those_that_are_picked_from_count() -> None:
    """Scores that are selected by would be close whatever became of the boxes."""
    (output,) = quantized(end_to_end).outputs
    assert (output.kind, output.verdict) == (OutputKind.DETECTIONS, Verdict.GOOD)
    assert output.sqnr >= 20


@pytest.mark.slow
def test_a_decoder_with_learned_queries_runs_int8() -> None:
    found = quantized(detr)
    assert {reason for _, reason in found.floats} == {"its data are constant"}, "of what only the queries go into"
    execution = found.report.check.execution
    assert execution is not None
    assert (execution.int8, execution.fallen) == (30, ())
    assert [each.verdict for each in found.outputs] == [Verdict.GOOD] * 2
    assert returned_layers(found.report) == []
