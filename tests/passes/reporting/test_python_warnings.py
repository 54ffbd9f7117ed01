"""What the user should know of a result comes as Python warnings, from all entry points."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

import irquant
from irquant import AccuracyWarning, QuantizationWarning

RNG = np.random.default_rng(5)
ROWS = [RNG.normal(size=(1, 8)).astype(np.float32) for _ in range(20)]
OLD: Any = {"name": "DefaultQuantization", "params": {"use_layerwise_tuning": True}}
FEW = "only 3 samples: ranges and check depend on each of them; give 100 to 300 typical ones"


def model() -> ov.Model:
    x = op.parameter([-1, 8], np.float32, name="x")
    hidden = op.relu(op.matmul(x, RNG.normal(size=(8, 16)).astype(np.float32), False, False))
    return ov.Model([op.result(op.matmul(hidden, RNG.normal(size=(16, 4)).astype(np.float32), False, False))], [x])


def issued(called: Callable[[], object]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called()
    return caught


@pytest.mark.parametrize("function", ["quantize", "quantize_model"])
def test_both_functions_issue_the_same_warnings_at_the_line_of_the_call(function: str) -> None:
    caught = issued(lambda: getattr(irquant, function)(model(), ROWS[:3]))
    assert [(str(each.message), each.category) for each in caught] == [(FEW, QuantizationWarning)]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("function", ["compress", "compress_model"])
def test_both_functions_for_weights_issue_warnings_too(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("irquant.passes.compress")
    compress_graph = module.compress_graph

    def warning(*given: Any, **named: Any) -> tuple[Any, irquant.CompressionReport]:
        graph, report = compress_graph(*given, **named)
        return graph, replace(report, warnings=("mine",))

    monkeypatch.setattr(module, "compress_graph", warning)
    caught = issued(lambda: getattr(irquant, function)(model(), all_layers=True))
    assert [(str(each.message), each.filename) for each in caught] == [("mine", __file__)]
    told: Any = caught[0].message
    assert isinstance(told.result, ov.Model) == (function == "compress")


def test_a_report_function_gets_the_warnings_instead() -> None:
    reports: list[irquant.Report] = []
    assert issued(lambda: irquant.quantize(model(), ROWS[:3], report=reports.append)) == []
    assert reports[0].data.warnings == reports[0].warnings == (FEW,)


def test_a_result_is_not_lost_if_a_warning_is_an_error() -> None:
    warnings.simplefilter("error")
    with pytest.raises(QuantizationWarning) as caught:
        irquant.quantize_model(model(), ROWS[:3])
    result: irquant.QuantizationResult[ov.Model] = caught.value.result
    assert isinstance(result.model, ov.Model)
    assert result.report.samples == 3
    with pytest.raises(QuantizationWarning) as caught:
        irquant.quantize(model(), ROWS[:3])
    assert isinstance(caught.value.result, ov.Model), "what quantize returns"


@pytest.mark.slow
def test_a_result_with_a_metric_that_loses_too_much_is_not_lost_either() -> None:
    values = iter([1.0, *[0.0] * 99])
    warnings.simplefilter("ignore", QuantizationWarning)
    warnings.simplefilter("error", AccuracyWarning)
    with pytest.raises(AccuracyWarning) as caught:
        irquant.quantize_model(model(), ROWS, metric=lambda predict: predict(ROWS[0]) and next(values))
    assert isinstance(caught.value.result.model, ov.Model)
    again = iter([1.0, *[0.0] * 99])
    with pytest.raises(AccuracyWarning) as caught:
        irquant.quantize(model(), ROWS, metric=lambda predict: predict(ROWS[0]) and next(again))
    assert isinstance(caught.value.result, ov.Model)


def test_warnings_about_options_come_before_the_run_and_once(tmp_path: Path) -> None:
    def no_data() -> Any:
        yield from ()
        message = "the data were read"
        raise AssertionError(message)

    warnings.simplefilter("error")
    with pytest.raises(QuantizationWarning, match="use_layerwise_tuning") as caught:
        irquant.quantize(model(), no_data(), config=OLD, output=tmp_path / "m.xml")
    assert caught.value.result is None
    warnings.simplefilter("always")
    told = [str(each.message) for each in issued(lambda: irquant.quantize(model(), ROWS, config=OLD))]
    assert len([each for each in told if "use_layerwise_tuning" in each]) == 1
