"""Options by the names that the original tool and the model converter have for them."""

import json
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openvino as ov
import pytest

from irquant.ir import IRError, read_model
from irquant.tools.cli import run

Quantize = Callable[..., int]


@pytest.fixture
def quantize(model: Path, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quantize:
    """Runs `irquant quantize` with data in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run(["quantize", *map(str, arguments), "--data-source", str(arrays), "--samples", "10"])


def models(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.xml"))


def test_a_command_of_the_original_tool_runs(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    weights = model.with_suffix(".bin")
    assert quantize("-q", "default", "-m", model, "-w", weights, "-n", "mine", "--preset", "mixed", "-d") == 0
    assert models(tmp_path) == ["results/optimized/mine.xml"]
    ov.Core().read_model(tmp_path / "results" / "optimized" / "mine.xml")


def test_the_layout_of_the_original_tool_has_a_time(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    assert quantize("--input_model", model, "--output_dir", tmp_path / "new" / "out", "--pot-layout") == 0
    (found,) = models(tmp_path)
    stamp = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
    assert re.fullmatch(rf"new/out/model_DefaultQuantization/{stamp}/optimized/model\.xml", found)


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        (["-q", "default"], True),
        (["--engine", "simplified"], True),
        ([], False),
        (["-q", "default", "--output-dir", "out"], False),
        (["-q", "default", "-o", "out.xml"], False),
        (["-q", "default", "--pot-layout"], False),
    ],
)
def test_the_place_of_a_result_is_told_where_pot_had_another(
    options: list[str],
    is_told: bool,
    model: Path,
    arrays: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for suffix in (".xml", ".bin"):
        shutil.copy(model.with_suffix(suffix), tmp_path / f"m{suffix}")
    monkeypatch.chdir(tmp_path)
    note = (
        "note: the result lies beside the model; pot wrote into results/: --pot-layout does so, too, and --output-dir "
    )
    assert run(["quantize", "m.xml", "--data", str(arrays), "--samples", "10", *options]) == 0
    assert (f"\n{note}chooses the folder\n" in capfd.readouterr().out) == is_told


def test_a_folder_alone_takes_the_usual_name(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    assert quantize(model, "--output-dir", tmp_path / "out", "--model_name", "net") == 0
    assert models(tmp_path) == ["out/net_int8.xml"]


def test_weights_may_be_elsewhere(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "m.xml")
    shutil.copy(model.with_suffix(".bin"), tmp_path / "other.weights")
    assert quantize(tmp_path / "m.xml", "-w", tmp_path / "other.weights", "-o", tmp_path / "a.xml") == 0
    assert quantize(model, "-o", tmp_path / "b.xml") == 0
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_weights_of_a_configuration_may_be_elsewhere(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "m.xml")
    shutil.copy(model.with_suffix(".bin"), tmp_path / "w.bin")
    (tmp_path / "c.json").write_text(
        json.dumps(
            {
                "model": {"model_name": "net", "model": "m.xml", "weights": "w.bin"},
                "compression": {"algorithms": [{"name": "DefaultQuantization", "params": {}}]},
            }
        )
    )
    assert quantize("-c", "c.json", "-d") == 0
    assert models(tmp_path) == ["m.xml", "results/optimized/net.xml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["-q", "accuracy_aware"],
            "-q accuracy_aware: give a metric of your own, --metric module:function",
        ),
        (
            ["-e"],
            "--evaluate: irquant has no metrics for data sets; check the result with `irquant compare`, or use your own "
            "metric: --metric module:function",
        ),
        (["-m", "other.xml"], "two models are given: {model}, and other.xml with --model; give one"),
        (["-o", "o.xml", "-d"], "-o already sets the path of the result: leave it out, or --direct-dump"),
        (
            ["-o", "o.xml", "--output-dir", "out", "--pot-layout"],
            "-o already sets the path of the result: leave it out, or --output-dir and --pot-layout",
        ),
        (["-o", "o.xml", "-n", "mine"], "-o already sets the path of the result: leave it out, or --name"),
        (["-n", "a/b"], "--name: 'a/b' is not a file name; choose the folder with --output-dir"),
        (["-w", "gone.bin"], "gone.bin: no such file"),
        (["--output-dir", "file/out"], "file/out: cannot be created: Not a directory"),
        (["-v", "--quiet"], "--quiet and --verbose exclude each other: leave one of them out"),
    ],
)
def test_what_cannot_be_is_refused(
    quantize: Quantize,
    model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "file").write_text("dear")
    assert quantize(model, *arguments) == 2
    assert capfd.readouterr() == ("", f"error: {said.format(model=model)}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_algorithm_is_refused(quantize: Quantize, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert quantize(model, "-q", "fast") == 2
    assert "'fast' is not one of 'default', 'accuracy" in capfd.readouterr().err


def test_folders_of_a_result_are_made(quantize: Quantize, model: Path, tmp_path: Path) -> None:
    assert quantize(model, "-o", "a/b/o.xml") == 0
    assert models(tmp_path) == ["a/b/o.xml"]
    assert quantize(model, "-o", "c/d/o.onnx") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_folders_that_were_made_for_nothing_are_taken_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def samples():\n    return []\n")
    data = f"{tmp_path / 'mine.py'}:samples"
    assert run(["quantize", str(model), "--data", data, "--output-dir", str(tmp_path / "a" / "b"), "-d"]) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]


def test_the_model_is_never_the_output_although_its_weights_are_elsewhere(
    quantize: Quantize, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w").mkdir()
    shutil.copy(model, tmp_path / "m.xml")
    shutil.copy(model.with_suffix(".bin"), tmp_path / "w" / "m.bin")
    assert quantize("m.xml", "-w", "w/m.bin", "-o", "m.xml") == 2
    assert capfd.readouterr().err == "error: m.xml: is the model that is being read; give another path for the result\n"
    assert (tmp_path / "m.xml").read_bytes() == model.read_bytes()


def test_a_model_reads_the_weights_that_it_is_given(model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "m.xml")
    graph = read_model(tmp_path / "m.xml", model.with_suffix(".bin"))
    assert graph.weights.path == model.with_suffix(".bin")
    with pytest.raises(IRError, match=r"gone\.bin: no such file$"):
        read_model(tmp_path / "m.xml", tmp_path / "gone.bin")


# ----------------------------------------------------------------------------------------------- how much is said


def test_verbose_says_what_each_pass_did(model: Path, arrays: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()", "quantize", str(model), "-v"]
    done = subprocess.run(
        [*command, "--data", arrays, "-o", tmp_path / "o.xml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"calibrate: samples: \d+, \d+\.\d{3} s", lines[0])
    assert not [line for line in lines if ": changes: 0," in line]
    assert re.fullmatch(r"verdict: good at output 'logits'", lines[-1])
    assert done.stdout.startswith(f"{tmp_path / 'o.xml'}: ")


def test_quiet_says_nothing(quantize: Quantize, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert quantize(model, "-o", "o.xml", "--quiet") == 0
    assert capfd.readouterr() == ("", "")
    assert quantize("gone.xml", "-o", "o.xml", "--quiet") == 2
    assert capfd.readouterr() == ("", "error: gone.xml: no such file\n")


def test_what_was_verbose_is_so_no_longer_afterwards(quantize: Quantize, model: Path) -> None:
    assert quantize(model, "-o", "o.xml", "-v") == 0
    assert logging.getLogger("irquant").handlers == []


def test_scripts_get_the_report_as_one_object(
    quantize: Quantize, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert quantize(model, "-o", "o.xml", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["model"], found["result"]) == (str(model), "o.xml")
    assert (found["samples"], found["held_out"], found["preset"]) == (9, 1, "performance")
    assert (found["int8_layers"], found["executed_layers"]) == (2, 2)
    assert [(each["name"], each["planned"]) for each in found["layers"]] == [("first", "int8"), ("second", "int8")]
    assert [each["name"] for each in found["outputs"]] == ["logits"]
    assert found["passes"]["normalize"]["changes"] == 0


def test_scripts_and_quiet_runs_get_metrics_without_rows(
    quantize: Quantize, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("def constant(predict):\n    return 0.5\n")
    assert quantize(model, "-o", "o.xml", "--json", "--quiet", "--metric", "mine.py:constant") == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["accuracy"] == {
        "reached": True,
        "stopped": None,
        "baselines": {"constant": 0.5},
        "not_measured": [],
        "values": {"constant": 0.5},
        "returned": [],
        "trials": 1,
    }


def test_scripts_get_a_dry_run_as_one_object(
    quantize: Quantize, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert quantize(model, "--dry-run", "--json") == 0
    assert json.loads(capfd.readouterr().out)["requests"] == 8
