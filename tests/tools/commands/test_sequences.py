"""`--sequences`: the samples of a source as the steps of sequences."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from irquant.tools.cli import run
from tests.passes.step_networks import step_network, steps_for


@pytest.fixture(autouse=True)
def _with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ov.serialize(step_network(), "m.xml", "m.bin")
    steps = steps_for(step_network(), 100, seed=0)
    named: dict[str, Any] = {f"{number:05}|x": each["x"] for number, each in enumerate(steps)}
    np.savez("steps.npz", **named)


def report(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(("option", "count"), [("--sequences", "1 sequence"), ("--sequences=25", "4 sequences")])
def test_samples_are_the_steps_of_sequences(capfd: pytest.CaptureFixture[str], option: str, count: str) -> None:
    found = report(capfd, "quantize", "m.xml", "--data", "steps.npz", option, "-o", "o.xml")
    assert found["data"].startswith(f"100 steps of {count}; ")
    assert found["data_mistakes"] == []
    assert [each["planned"] for each in found["layers"]] == ["int8"] * 3
    compared = report(capfd, "compare", "m.xml", "o.xml", "--data", "steps.npz", option, "--held-out", "--no-latency")
    assert compared["outputs"][0]["sqnr"] == pytest.approx(found["outputs"][0]["sqnr"], abs=0.1)
    assert compared["warnings"] == []


def test_without_it_the_verdict_begins_with_what_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "m.xml", "--data", "steps.npz", "-o", "o.xml"]) == 0
    verdict, next_ = capfd.readouterr().out.splitlines()[:2]
    assert verdict.startswith(
        "o.xml: unknown, since the data look wrong: each sample is a single step, and states kept their "
        "first values: 2 layers behind them stay float, and the outputs were compared on first steps only; with these "
    )
    assert next_ == (
        "next: mend the data first: give sequences (docs/recipes/step_by_step.md); --sequences if the samples in "
        "their order are the steps of one"
    )


@pytest.mark.parametrize("value", ["m.xml", "0", "many"])
def test_a_value_that_is_no_number_of_steps_is_refused(capfd: pytest.CaptureFixture[str], value: str) -> None:
    assert run(["quantize", "m.xml", "--data", "steps.npz", f"--sequences={value}", "-o", "o.xml"]) == 2
    assert capfd.readouterr().err == (
        f"error: Invalid value for '--sequences': '{value}' is not a number of steps: write --sequences behind the "
        "paths, or --sequences=all\n"
    )


def test_a_model_without_states_takes_none(model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", str(model), "--data", str(pictures), "--sequences", "-o", "o.xml"]) == 2
    assert capfd.readouterr().err == (
        "error: sequence 0: it is a sequence of 12 steps, but the model has no states that carry over: give each step "
        "as a sample\n"
    )


def test_a_batch_file_has_a_key_for_it(capfd: pytest.CaptureFixture[str]) -> None:
    Path("batch.yaml").write_text("models: [{model: m.xml, data: steps.npz, sequences: 50}]\n", encoding="utf-8")
    (row,) = report(capfd, "zoo", "batch.yaml", "--output-dir", "results")
    assert row["verdict"] == "good"
    assert row["warnings"] == []
