"""`irquant analyze` as users type it and as scripts read it."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from irquant.ir import read_model
from irquant.passes import QuantizationConfig, Report, analyze_graph
from irquant.passes.analysis.agreement import Agreement
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.infra.execution import Check
from irquant.targets import load_target
from irquant.tools.cli import run
from irquant.tools.options.planned import planned_by
from irquant.tools.report.quantization import Subject, quantization_page
from irquant.tools.runs.analyze import analysis_lines, analysis_values
from irquant.tools.terminal.advice import advice, advice_line

FEW = "1 held-out sample (few: others may say otherwise)"


@pytest.fixture(scope="module")
def report(model: Path) -> Report:
    samples = list(np.random.default_rng(2).normal(size=(20, 1, 3, 8, 8)).astype(np.float32))
    return analyze_graph(read_model(model), samples, load_target("cpu"), QuantizationConfig()).report


def judged(report: Report, *ratios: float, kind: OutputKind = OutputKind.VALUES, shares: tuple[float, ...]) -> Report:
    """The report with outputs of these ratios, and layers that have these shares in the error."""
    outputs = tuple(Agreement(f"output {index}", kind, ratio, 0.9) for index, ratio in enumerate(ratios))
    effects = tuple(
        Effect((), index, f"layer {index}", "Convolution", 30.0, outputs, share) for index, share in enumerate(shares)
    )
    return dataclasses.replace(report, check=Check(None, outputs), effects=effects)


def test_it_lists_the_costliest_layers_and_says_what_to_do(model: Path, arrays: Path) -> None:
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()", "analyze"]
    done = subprocess.run([*command, model, "--data", arrays], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    why = "all are needed: fewer than 32 are not enough"
    assert lines[0] == f"calibrated on 19 samples ({why}); output SQNR before any guard on {FEW}:"
    assert lines[1].startswith("  logits: ")
    assert lines[2] == "rank   share  output alone         own  runs   layer"
    row = r" +{} +([\d.]+)% +[\d.]+ dB +[\d.]+ dB  int8   Convolution '(first|second)'"
    first, second = (re.fullmatch(row.format(rank), lines[2 + rank]) for rank in (1, 2))
    assert first
    assert second
    assert float(first[1]) >= float(second[1])
    assert {first[2], second[2]} == {"first", "second"}
    assert lines[5].startswith("next: ")
    assert len(lines) == 6


def test_no_more_than_the_top_is_listed(model: Path, arrays: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(model), "--data", str(arrays), "--top", "1"]) == 0
    said = capfd.readouterr().out
    assert len(re.findall(r"  Convolution '", said)) == 1
    assert "\nand 1 more (--top)\n" in said


def test_it_says_the_same_to_scripts(model: Path, arrays: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(model), "--data", str(arrays), "--ignored", "second", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found) == [
        "model", "device", "preset", "samples", "samples_left_out", "why_samples", "held_out", "bytes_before",
        "bytes_after", "outputs", "layers", "float", "advice", "warnings", "notes",
    ]  # fmt: skip
    assert (found["model"], found["device"], found["preset"]) == (str(model), "CPU", "performance")
    assert (found["samples"], found["held_out"]) == (19, 1)
    (output,) = found["outputs"]
    assert list(output) == [
        "name", "kind", "verdict", "good_from", "equal", "sqnr", "columns", "sqnr_whole", "cosine", "top1", "decisions",
        "resized", "ascending",
    ]  # fmt: skip
    assert (output["name"], output["kind"], output["verdict"]) == ("logits", "values", "good")
    assert output["sqnr"] == round(output["sqnr"], 2)
    (layer,) = found["layers"]
    assert list(layer) == ["rank", "name", "type", "share", "output_sqnr", "own_sqnr", "runs"]
    assert (layer["rank"], layer["name"], layer["share"], layer["runs"]) == (1, "first", 1.0, "int8")
    assert found["float"] == [{"name": "second", "type": "Convolution", "reason": "you ignore 'second'"}]
    assert found["advice"] == {"ignored": [], "predicted_sqnr": output["sqnr"]}
    assert found["warnings"] == []


def test_what_is_no_finite_number_is_null_for_scripts(report: Report) -> None:
    changed = judged(report, math.nan, math.inf, shares=(0.0,))
    found = analysis_values(
        dataclasses.replace(changed, effects=(dataclasses.replace(changed.effects[0], own=math.inf),)), "m.xml"
    )
    json.dumps(found, allow_nan=False)
    assert [(each["verdict"], each["sqnr"]) for each in found["outputs"]] == [("unknown", None), ("good", None)]
    assert found["layers"][0]["own_sqnr"] is None
    assert found["layers"][0]["runs"] is None, "no layer of the model"


def test_only_as_many_layers_are_named_as_it_takes(report: Report) -> None:
    given = advice(judged(report, 15.0, shares=(0.5, 0.3, 0.1, 0.1)))
    assert [each.name for each in given.layers] == ["layer 0", "layer 1"]
    assert given.predicted == pytest.approx(15 - 10 * math.log10(0.2))


def test_no_more_than_three_layers_are_named(report: Report) -> None:
    given = advice(judged(report, 5.0, shares=(0.2,) * 5))
    assert [each.name for each in given.layers] == ["layer 0", "layer 1", "layer 2"]


def test_the_output_that_is_farthest_from_good_decides(report: Report) -> None:
    given = advice(judged(report, 25.0, 19.0, shares=(1.0,)))
    assert given.worst is not None
    assert given.worst.name == "output 1"


@pytest.mark.parametrize(
    ("ratio", "shares", "said"),
    [
        (30.0, (1.0,), "next: nothing to do (no loss of accuracy was seen at this level)"),
        (math.nan, (1.0,), "next: no advice, since no output can be compared"),
        (15.0, (), "next: no single layer causes the error; try another --preset"),
        (
            15.0,
            (0.9, 0.1),
            "next: irquant quantize 'my model.xml' ... --ignored 'layer 0'  (about 25.0 dB instead of 15.0 dB)",
        ),
    ],
)
def test_the_advice_is_one_line(report: Report, ratio: float, shares: tuple[float, ...], said: str) -> None:
    assert advice_line(judged(report, ratio, shares=shares), Path("my model.xml")) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no model is given: give the path of an .xml, or a configuration with model.model"),
        (["gone.xml"], "gone.xml: no such file"),
        (
            ["MODEL"],
            "give calibration data (--data SOURCE; in Python, the second argument), or measured statistics (--statistics FILE)",
        ),
        (
            ["MODEL", "--data", "DATA", "--samples", "8"],
            "an analysis compares samples that calibration did not see: give nine samples or more",
        ),
        (["MODEL", "--data", "DATA", "--top", "0"], "Invalid value for '--top': 0 is not in the range x>=1."),
        (["MODEL", "--data", "DATA", "--report", "r.txt"], "r.txt: the report must end in .html"),
        (["MODEL", "--data", "DATA", "--report", "no/r.html"], "no/r.html: there is no folder no"),
    ],
)
def test_a_mistake_is_one_line(
    model: Path, arrays: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [{"MODEL": str(model), "DATA": str(arrays)}.get(each, each) for each in arguments]
    assert run(["analyze", *given]) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")


def test_what_was_not_measured_one_by_one_makes_the_rest_of_the_error(report: Report) -> None:
    judged_ = judged(report, 15.0, shares=(0.06, 0.04))
    unknown = Effect((), 9, "other", "Convolution", 40.0)
    some = dataclasses.replace(judged_, effects=(*judged_.effects, unknown))
    said = "the rest of the error, 90.0%, comes from operations that were not measured one by one"
    assert said in list(analysis_lines(some, Path("m.xml"), 9))
    assert not any("not measured" in line for line in analysis_lines(judged_, Path("m.xml"), 9))
    subject = Subject(Path("m.xml"), None, planned_by(None, None, None, ()))
    page = quantization_page(some, subject)
    assert "The others make 90.0% of the error together; they were not measured one by one." in page
