"""Metrics on the command line: what is shown, what is kept for the next run, what is refused."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.tools.cli import run
from irquant.tools.terminal.outlive import DIED

#: Runs the model on all samples; every model after the first loses. Dies in the call whose number is in a file.
METRIC = """
import os, signal
from pathlib import Path
import numpy as np

data = np.load("samples.npz")["image"]
reference = [np.load("reference.npy")]

def closeness(predict):
    found = np.concatenate([predict(each)["logits"] for each in data[:8, None]])
    with open("calls.txt", "a") as calls:
        calls.write(f"{float(np.square(found).sum()):.9g}\\n")
    if Path("die.txt").exists() and len(Path("calls.txt").read_text().splitlines()) == int(Path("die.txt").read_text()):
        os.kill(os.getpid(), signal.SIGKILL)
    return 1 - np.square(found - reference[0]).sum() / np.square(reference[0]).sum()

def failing(predict):
    raise RuntimeError("no labels\\nat all")

def nothing(predict):
    return float("nan")

def of_data(predict, samples):
    labels = [each.label for each in samples]
    assert [predict(each)["logits"].shape for each in samples] == [(1, 4, 8, 8)] * len(labels), labels
    print(len(labels), labels[0])
    return len(labels)

def worse(predict, values=[1.0]):
    values.append(0.0)
    return values[len(values) - 2]

number = 3
"""
COMMAND = [sys.executable, "-c", "from irquant.tools.start import main; main()", "quantize", "model.xml"]
KEEP = ["--data", "samples.npz", "--metric", "metric.py:closeness", "--max-drop", "1e-7", "--no-guard", "-o", "out.xml"]


@pytest.fixture
def folder(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds model.xml, samples.npz and metric.py."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"model{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    samples = np.random.default_rng(2).normal(size=(20, 3, 8, 8)).astype(np.float32)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.savez(tmp_path / "samples.npz", image=samples)
    np.save(tmp_path / "reference.npy", np.concatenate([compiled(each)[0] for each in samples[:8, None]]))
    (tmp_path / "metric.py").write_text(METRIC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chain(folder: Path) -> None:
    """A model of which several layers must return to float for a strict metric."""
    rng = np.random.default_rng(3)
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    tensor, ones, channels = image, [1, 1], [3, 8, 8, 8, 8, 8, 4]
    for number, (before, after) in enumerate(itertools.pairwise(channels)):
        weights = rng.normal(size=(after, before, 3, 3)).astype(np.float32) / 5
        tensor = op.relu(op.convolution(tensor, weights, ones, ones, ones, ones, name=f"conv {number}"))
    tensor.output(0).set_names({"logits"})
    chained = ov.Model([op.result(tensor)], [image], "chain")
    ov.serialize(chained, folder / "model.xml", folder / "model.bin")
    samples = np.load(folder / "samples.npz")["image"]
    compiled = ov.Core().compile_model(chained, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.save(folder / "reference.npy", np.concatenate([compiled(each)[0] for each in samples[:8, None]]))


def quantized(*more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *KEEP, *more], capture_output=True, text=True, check=False)


def test_each_model_is_a_row_and_the_report_says_what_came_of_it(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", "model.xml", *KEEP, "--max-drop", "0.5"]) == 0
    shown = capfd.readouterr()
    rows = shown.err.splitlines()
    assert rows[0].split() == ["model", "closeness", "drop", "int8", "seconds"]
    assert re.fullmatch(r"FP32 +1\.0000 +- +- +\d+\.\d  the float model", rows[1])
    assert re.fullmatch(r"1 +0\.99\d\d +\+0\.00\d\d +2/2 +\d+\.\d  kept: as the options say", rows[2])
    assert len(rows) == 3
    assert re.search(
        r"^metric closeness: FP32 1, INT8 0\.9999\d*, drop \d\.\d+e-05 \(0\.01%\): within 0\.5$", shown.out, re.M
    )


def test_what_returned_to_float_is_listed_with_its_reason(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chain(folder)
    assert run(["quantize", "model.xml", *KEEP, "--max-drop", "5e-5"]) == 0
    shown = capfd.readouterr().out
    listed = re.findall(
        r"^reverted to float: Convolution '(conv \d)': rounding it causes \d+% of the outputs' error", shown, re.M
    )
    more = re.search(r"^reverted to float: (\d) more \(\d Convolution; \1 of them layers\)", shown, re.M)
    count = len(listed) + (int(more[1]) if more else 0)
    assert 0 < count < 6
    assert len(listed) == min(count, 3)
    assert f"ran in int8: {6 - count} of 6 executed layers" in shown


@pytest.mark.slow
def test_a_drop_that_cannot_be_kept_ends_with_one_and_the_best_model(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--metric", "metric.py:worse"]
    assert run(arguments) == 1
    (line,) = [each for each in capfd.readouterr().out.splitlines() if each.startswith("NOT REACHED: ")]
    said = "the metrics lose more than they may: with 2 operations left float the drop is still too large"
    assert re.fullmatch(rf"NOT REACHED: {said}; this is the best of \d models", line)
    assert run([*arguments, "-q"]) == 1
    assert capfd.readouterr() == ("", "out.xml: worse than the limits of your metrics (worse)\n")
    ov.Core().compile_model(folder / "out.xml", "CPU")


def test_samples_may_come_from_a_source(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--metric", "metric.py:of_data"]
    assert run([*arguments, "--metric-data", "samples.npz", "--metric-samples", "7"]) == 0
    shown = capfd.readouterr()
    assert shown.err.splitlines().count("7 sample 0 (samples.npz, row 0)") == 2
    assert "row 0" not in shown.out


def test_what_a_metric_prints_is_not_part_of_the_report(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "prints.py").write_text("def prints(predict):\n    print('hello')\n    return 1.0\n")
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--metric", "prints.py:prints"]
    assert run([*arguments, "--json"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["accuracy"]["values"] == {"prints": 1.0}
    assert shown.err.splitlines().count("hello") == 2


def test_each_metric_may_have_a_drop_of_its_own(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "more.py").write_text(
        "from metric import closeness\ndef other(predict):\n    return closeness(predict)\n"
    )
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--max-drop", "0.3"]
    assert run([*arguments, "--metric", "metric.py:closeness=0.2", "--metric", "more:other"]) == 0
    shown = capfd.readouterr().out
    assert re.search("^metric closeness: .*: within 0.2$", shown, re.M)
    assert re.search("^metric other: .*: within 0.3$", shown, re.M)


@pytest.mark.slow
# -------------------------------------------------------------------------------------------------------- resumption
@pytest.mark.parametrize("death", [1, 5])
def test_a_killed_run_goes_on_where_it_was(folder: Path, death: int) -> None:
    chain(folder)
    whole = quantized("--max-drop", "5e-5")
    assert whole.returncode == 0, whole.stderr
    calls, result = (folder / "calls.txt").read_text().splitlines(), (folder / "out.bin").read_bytes()
    assert len(calls) >= 6
    for name in ("calls.txt", "out.xml", "out.bin"):
        (folder / name).unlink()
    (folder / "die.txt").write_text(str(death))
    killed = quantized("--max-drop", "5e-5", "--resume", "trials.jsonl")
    assert killed.returncode == (DIED if sys.platform.startswith("linux") else -signal.SIGKILL)
    assert not (folder / "out.xml").exists()
    done = (folder / "calls.txt").read_text().splitlines()
    assert len(done) == death
    (folder / "die.txt").unlink()
    resumed = quantized("--max-drop", "5e-5", "--resume", "trials.jsonl")
    assert resumed.returncode == 0, resumed.stderr
    assert (folder / "out.bin").read_bytes() == result
    again = (folder / "calls.txt").read_text().splitlines()[death:]
    assert [*done[:-1], *again] == calls  # the one that it died in is measured again, no other
    rows = [re.sub(r" +\d+\.\d ", " ", line) for line in resumed.stderr.splitlines()]
    assert rows == [re.sub(r" +\d+\.\d ", " ", line) for line in whole.stderr.splitlines()]


def test_a_damaged_line_is_measured_again_with_a_warning(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", "model.xml", *KEEP, "--max-drop", "0.5", "--resume", "t.jsonl"]
    assert run(arguments) == 0
    content = (folder / "t.jsonl").read_bytes()
    os.truncate(folder / "t.jsonl", len(content) - 20)
    capfd.readouterr()
    assert run(arguments) == 0
    warned = "warning: t.jsonl: line 2 is damaged and was skipped: that model is measured again\n"
    assert warned in capfd.readouterr().out
    assert len((folder / "calls.txt").read_text().splitlines()) == 3
    assert (folder / "t.jsonl").read_bytes().endswith(content.splitlines(keepends=True)[-1])


@pytest.mark.slow
def test_a_changed_function_and_other_data_are_measured_anew(folder: Path) -> None:
    arguments = ["quantize", "model.xml", *KEEP, "--max-drop", "0.5", "--resume", "t.jsonl"]
    assert [run(arguments) for _ in range(2)] == [0, 0]
    assert len((folder / "calls.txt").read_text().splitlines()) == 2
    (folder / "metric.py").write_text(f"{METRIC}# changed\n")
    assert run(arguments) == 0
    assert len((folder / "calls.txt").read_text().splitlines()) == 4
    of_data = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--metric", "metric.py:of_data"]
    lines = []
    for count in ("7", "7", "8"):
        assert run([*of_data, "--metric-data", "samples.npz", "--metric-samples", count, "--resume", "d.jsonl"]) == 0
        lines.append(len((folder / "d.jsonl").read_text().splitlines()))
    assert lines == [2, 2, 4]


def test_labels_in_the_names_of_metric_data_count(folder: Path) -> None:
    from PIL import Image

    (folder / "pictures").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}_cat.png")
    (folder / "named.py").write_text(
        "def cats(predict, samples):\n    return sum('cat' in each.label for each in samples)\n"
    )
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", "--metric", "named.py:cats"]
    arguments += ["--metric-data", "pictures", "--resume", "t.jsonl"]
    assert run(arguments) == 0
    (folder / "pictures" / "3_cat.png").rename(folder / "pictures" / "3_dog.png")
    assert run(arguments) == 0
    lines = (folder / "t.jsonl").read_text().splitlines()
    assert [json.loads(line)["values"]["cats"] for line in lines] == [4, 4, 3, 3]


# ----------------------------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-drop", "0.1"], "--max-drop needs a metric: add --metric module:function"),
        (["--drop-type", "relative"], "--drop-type needs a metric: add --metric module:function"),
        (["--metric-data", "x"], "--metric-data needs a metric: add --metric module:function"),
        (
            ["--metric-seconds", "9"],
            "--metric-seconds needs a metric: add --metric module:function",
        ),
        (["--resume", "t"], "--resume needs a metric: add --metric module:function"),
        (["--metric", "accuracy"], "--metric accuracy: no such function; write module:function or file.py:function"),
        (["--metric", "gone.py:accuracy"], "gone.py: no such file"),
        (["--metric", "gone_module:accuracy"], "no module 'gone_module'"),
        (
            ["--metric", "metric.py:closenes"],
            "metric.py:closenes: 'metric.py' has no 'closenes'; did you mean 'closeness'?",
        ),
        (["--metric", "metric.py:number"], "metric.py:number: is int, expected a function"),
        (
            ["--metric", "metric.py:closeness=much"],
            "--metric metric.py:closeness=much: 'much' is not a drop; write a number from 0 on, or a share of "
            "the float model's value, e.g. 1%",
        ),
        (
            ["--metric", "metric.py:closeness=-1"],
            "--metric metric.py:closeness=-1: '-1' is not a drop; write a number from 0 on, or a share of "
            "the float model's value, e.g. 1%",
        ),
        (
            ["--metric", "metric.py:closeness", "--max-drop", "-1"],
            "Invalid value for '--max-drop': '-1' is not a drop; write a number from 0 on, or a share of the float "
            "model's value, e.g. 1%",
        ),
        (
            ["--metric", "metric.py:closeness", "--metric-seconds", "0"],
            "Invalid value for '--metric-seconds': 0.0 is not in the range x>0.",
        ),
        (
            ["--metric", "metric.py:closeness", "--metric-samples", "5"],
            "--metric-samples needs samples: add --metric-data SOURCE",
        ),
        (
            ["--metric", "metric.py:closeness", "--resume", "out.xml"],
            "out.xml: the result and the measurements would both be written there; give one another path",
        ),
        (
            ["--metric", "metric.py:closeness", "--resume", "./out.bin"],
            "out.bin: the weights of the result and the measurements would both be written there; give one another path",
        ),
        (
            ["--metric", "metric.py:closeness", "--resume", "r.html", "--report", "r.html"],
            "r.html: the report and the measurements would both be written there; give one another path",
        ),
        (
            ["--metric", "metric.py:nothing"],
            "metric nothing: gave nan, expected a finite number: is there a division by zero?",
        ),
        (
            ["--metric", "metric.py:closeness", "--resume", "samples.npz"],
            "samples.npz: is the data that is being read; give another path for the measurements",
        ),
        (
            ["--metric", "metric.py:of_data"],
            "metric of_data takes (predict, samples), but gets (predict): write a function of these, where "
            "predict(sample) gives the outputs by name; --metric-data SOURCE adds the samples",
        ),
    ],
)
def test_a_mistake_is_one_line(options: list[str], said: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    assert run(["quantize", "model.xml", "--data", "samples.npz", "-o", "out.xml", *options]) == 2
    captured = capfd.readouterr()
    assert captured.err == f"error: {said}\n"
    assert captured.out == ""
    assert [each for each in sorted(folder.iterdir()) if each.name != "__pycache__"] == before


def test_what_the_function_raises_is_told_with_file_and_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = METRIC.splitlines().index("def failing(predict):") + 2
    arguments = ["--data", "samples.npz", "-o", "out.xml", "--metric", "metric.py:failing"]
    assert run(["quantize", "model.xml", *arguments]) == 2
    said = f"error: metric failing: raised RuntimeError: no labels at all ({folder / 'metric.py'}:{line}), after 0 predictions\n"
    assert capfd.readouterr().err == said
