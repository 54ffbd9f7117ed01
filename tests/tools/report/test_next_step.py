"""The next step on a page: a command or a call that can be pasted."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from irquant.ir import read_model
from irquant.passes import QuantizationConfig, Report
from irquant.passes.analysis.agreement import Agreement
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.infra.execution import Check
from irquant.passes.quantize_graph import quantize_graph
from irquant.targets import load_target
from irquant.tools.cli import run
from irquant.tools.report.next_step import next_step

COMMAND = ("quantize", "my model.xml", "--data", "photos/", "--no-guard")


@pytest.fixture(scope="module")
def report(model: Path) -> Report:
    samples = list(np.random.default_rng(2).normal(size=(20, 1, 3, 8, 8)).astype(np.float32))
    return quantize_graph(read_model(model), samples, load_target("cpu"), QuantizationConfig())[1]


def told(report: Report, guard: Any, sqnr: float, *effects: Effect, command: tuple[str, ...] = COMMAND) -> str | None:
    """The command for an output with that ratio."""
    check = Check(None, (Agreement("y", OutputKind.VALUES, sqnr, 0.9),))
    changed = dataclasses.replace(report, check=check, effects=effects)
    config = QuantizationConfig.checked(guard=guard)
    step = next_step(changed, config, Path("my model.xml"), command)
    return step.command if step else None


def effect(name: str, share: float) -> Effect:
    return Effect((), 1, name, "Convolution", 10.0, (), share)


def test_a_good_output_needs_none(report: Report) -> None:
    assert told(report, "knee", 40.0) is None
    assert next_step(dataclasses.replace(report, check=Check()), QuantizationConfig(), Path("m"), ()) is None


def test_metrics_decide_alone(report: Report) -> None:
    assert told(dataclasses.replace(report, accuracy=cast(Any, object())), "knee", 5.0) is None


def test_the_guard_comes_first_then_goes_farther_then_the_layers_then_the_preset(report: Report) -> None:
    plain = "irquant quantize 'my model.xml' --data photos/"
    assert told(report, False, 5.0) == plain
    assert told(report, "knee", 12.0, command=COMMAND[:-1]) == f"{plain} --guard good"
    most = effect("a conv", 0.95), effect("other", 0.05)
    good = (*COMMAND[:-1], "--guard", "good")
    assert told(report, "good", 12.0, *most, command=good) == f"{plain} --guard good --ignored 'a conv'"
    assert told(report, "good", 12.0, command=good) == f"{plain} --guard good --preset mixed"


def test_python_gets_a_call(report: Report) -> None:
    assert told(report, "knee", 12.0, command=()) == "quantize('my model.xml', samples, guard=\"good\")"
    assert (
        told(report, "good", 12.0, effect("a", 0.95), command=()) == "quantize('my model.xml', samples, ignored=['a'])"
    )


def test_detail_without_a_page_is_refused(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", str(model), "--data", "x.npz", "--report-detail", "full"]) == 2
    assert capfd.readouterr().err == "error: --report-detail says what a report holds: add --report FILE.html\n"
