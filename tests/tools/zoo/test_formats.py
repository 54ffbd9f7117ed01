"""Models of other formats than an IR in batch files, and in folders that become batch files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from irquant.tools.cli import run
from tests.tools.zoo.networks import save_frozen_graph, save_onnx, save_saved_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds a network in four formats, the weights of one of them in a file of their own, and samples."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "calib.npz", x=rng.normal(size=(20, 3, 8, 8)).astype(np.float32))
    (tmp_path / "tf").mkdir()
    np.savez(tmp_path / "tf" / "calib.npz", x=rng.normal(size=(20, 8, 8, 3)).astype(np.float32))
    save_onnx(tmp_path / "one.onnx")
    save_onnx(tmp_path / "two.onnx", tensors="weights.pb")
    save_frozen_graph(tmp_path / "tf" / "frozen.pb")
    save_saved_model(tmp_path / "tf" / "saved")
    return tmp_path


def plan(capture: Capture) -> dict[str, str]:
    capture.readouterr()
    assert run(["zoo", "batch.yaml", "--dry-run", "--json"]) == 0
    return {each["name"]: each["why"] for each in json.loads(capture.readouterr().out)}


@pytest.mark.slow
def test_all_formats_are_quantized_and_a_change_redoes_its_model(folder: Path, capfd: Capture) -> None:
    assert run(["zoo", "init", "."]) == 0
    listed = yaml.safe_load((folder / "batch.yaml").read_text())["models"]
    assert listed == [
        {"name": "one", "model": "one.onnx", "data": "calib.npz"},
        {"name": "frozen", "model": "tf/frozen.pb", "data": "tf/calib.npz"},
        {"name": "saved", "model": "tf/saved", "data": "tf/calib.npz"},
        {"name": "two", "model": "two.onnx", "data": "calib.npz"},
    ]
    assert plan(capfd) == {"one": "new", "frozen": "new", "saved": "new", "two": "new"}
    assert run(["zoo", "batch.yaml"]) == 0
    rows = [json.loads(line) for line in (folder / "zoo_results" / "results.jsonl").read_text().splitlines()]
    assert {(row["state"], row["int8_share"], row["verdict"]) for row in rows} == {("done", 1, "good")}
    assert all(3 < row["size_ratio"] < 4 for row in rows)
    assert run(["quantize", "two.onnx", "--data", "calib.npz", "-o", "single.xml"]) == 0
    assert (folder / "single.bin").read_bytes() == (folder / "zoo_results" / "two.bin").read_bytes()
    assert set(plan(capfd).values()) == {"up to date"}
    weights = bytearray((folder / "weights.pb").read_bytes())
    weights[3] ^= 1
    (folder / "weights.pb").write_bytes(weights)
    (folder / "tf" / "saved" / "variables").mkdir()
    (folder / "tf" / "saved" / "variables" / "variables.index").write_bytes(b"new")
    changed = {"one": "up to date", "frozen": "up to date", "saved": "changed: model", "two": "changed: model"}
    assert plan(capfd) == changed


def test_what_is_no_model_is_told_before_any_work(folder: Path, capfd: Capture) -> None:
    for name in ("p.pdmodel", "t.pt", "x.txt"):
        (folder / name).touch()
    names = ("gone.onnx", "p.pdmodel", "t.pt", "tf", "x.txt")
    (folder / "batch.yaml").write_text(
        "models:\n" + "".join(f"- {{model: {name}, data: calib.npz}}\n" for name in names)
    )
    assert run(["zoo", "batch.yaml"]) == 2
    said = [
        "gone.onnx: no such file",
        "p.pdmodel: its weights are missing: there is no p.pdiparams next to it",
        "t.pt: convert it first, by openvino.convert_model or to .onnx, with the code of the network",
        f"tf: a folder, but no TensorFlow SavedModel; `irquant zoo init {folder / 'tf'}` lists the models in a folder",
        "x.txt: a model is an .xml, .onnx, .pb, .pbtxt, .meta, .tflite, .pdmodel, or the folder of a TensorFlow SavedModel",
    ]
    lines = [f"batch.yaml:{line + 2}: models[{line}].model: {folder / each}" for line, each in enumerate(said)]
    assert capfd.readouterr().err.splitlines()[:-1] == lines


@pytest.mark.slow
def test_a_model_in_several_formats_is_listed_once_and_the_rest_is_named(folder: Path, capfd: Capture) -> None:
    assert run(["quantize", "one.onnx", "--data", "calib.npz", "-o", "two.xml"]) == 0
    (folder / "zoo_results").mkdir()
    shutil.copy(folder / "one.onnx", folder / "zoo_results")
    (folder / "zoo_results" / "results.jsonl").write_text('{"name":"one","state":"done"}\n')
    save_onnx(folder / "odd.onnx", operation="NoSuchOperation")
    save_frozen_graph(folder / "one.pb")
    capfd.readouterr()
    assert run(["zoo", "init", ".", "--json"]) == 0
    captured = capfd.readouterr()
    told = json.loads(captured.out)
    (broken,) = (each for each in told["left_out_models"] if each["broken"])
    assert captured.err.endswith(f"warning: odd.onnx: left out: {broken['reason']}\n")
    rest = [(each["model"], each["reason"].partition(" '")[0]) for each in told["left_out_models"] if each != broken]
    assert rest == [
        ("one.pb", "one.onnx is there"),
        ("two.xml", "already quantized: it contains FakeQuantize"),
        ("zoo_results", "results of irquant zoo"),
    ]
    assert (told["models"], told["left_out"], broken["model"]) == (4, 4, "odd.onnx")
    (folder / "batch.yaml").unlink()
    assert run(["zoo", "init", "."]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == ["batch.yaml: 4 models, 4 left out", "left out: one.pb: one.onnx is there"]
    assert len(lines) == 4


def test_a_saved_model_itself_may_be_the_folder(folder: Path) -> None:
    assert run(["zoo", "init", "tf/saved", "--data", "calib.npz"]) == 0
    listed = yaml.safe_load((folder / "batch.yaml").read_text())["models"]
    assert listed == [{"name": "saved", "model": "tf/saved", "data": "calib.npz"}]


@pytest.mark.slow
def test_an_ir_is_listed_instead_of_what_it_was_made_from(folder: Path, model: Path) -> None:
    (folder / "FP16").mkdir()
    for suffix in (".xml", ".bin"):
        shutil.copy(model.with_suffix(suffix), folder / "FP16" / f"one{suffix}")
    assert run(["zoo", "init", "."]) == 0
    text = (folder / "batch.yaml").read_text()
    assert next(each["model"] for each in yaml.safe_load(text)["models"]) == "FP16/one.xml"
    assert "\n# left out: one.onnx: FP16/one.xml is there\n" in text
