"""`irquant compare`: what a user sees of two models."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from irquant.ir import read_model, write_model
from irquant.passes.analysis.agreement import Agreement
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.evaluation.compare_models import Comparison, compare_models
from irquant.passes.evaluation.latency import Latencies, Latency, Mode
from irquant.passes.runtime.core import own_precision
from irquant.passes.runtime.samples import Sample
from irquant.tools.cli import run
from irquant.tools.terminal.comparison import comparison_next, comparison_verdict
from irquant.tools.terminal.typed_command import TypedCommand


@pytest.fixture(scope="module")
def quantized(model: Path, arrays: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "int8.xml"
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(path), "--quiet"]) == 0
    return path


@pytest.mark.slow
def test_two_models_are_compared_by_one_command(model: Path, quantized: Path, arrays: Path) -> None:
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()", "compare"]
    done = subprocess.run(
        [*command, model, quantized, "--data", arrays, "--per-layer"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    verdict, to_do, *lines = done.stdout.splitlines()
    assert verdict.startswith(f"{quantized}: good (no loss of accuracy was seen at this level; output 'logits': ")
    assert to_do.startswith("next: ")
    assert lines[0] == (
        f"{quantized} against {model}, on the first 20 samples, which calibration may have seen (--held-out takes others):"
    )
    assert re.fullmatch(
        r"  logits: \d+\.\d dB, cosine [\d.]+: good \(no loss of accuracy was seen at this level\)", lines[1]
    )
    assert lines[2] == "layers: 2 of 2 of the first are in the second"
    assert lines[3] == "      SQNR  layer"
    assert [re.sub(r"^ +-?\d+\.\d dB", "x dB", line.partition(";")[0]) for line in lines[4:6]] == [
        "x dB  Convolution 'first'",
        "x dB  Convolution 'second'",
    ]
    assert lines[6] == "ran in int8: 0 of 2 -> 2 of 2 executed layers"
    assert re.fullmatch(r"weights: 0\.00 MB -> 0\.00 MB \(\d\.\dx smaller\)", lines[7])
    spread = r"[\d.e-]+ ms \(p10 [\d.e-]+, p90 [\d.e-]+\)"
    own = own_precision()
    assert re.fullmatch(
        rf"latency in {own}, the default here: {spread} -> {spread}: [\d.]+x as fast( by the .+)?", lines[8]
    )
    assert re.fullmatch(
        r"throughput in f32: [\d,]+ -> [\d,]+ inferences a second: [\d.]+x as fast( by the .+)?", lines[-2]
    )
    counted = rf"one inference at a time, \d+ in {own}(, \d+ in f32)?; throughput: \d+ at a time"
    assert re.fullmatch(rf"  \d+ threads, models in turn; latency: {counted}", lines[-1])


def test_the_samples_of_a_quantization_are_named(
    model: Path, quantized: Path, arrays: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--held-out", "--no-latency"]
    assert run(["compare", str(model), str(quantized), "--data", str(arrays), *options]) == 0
    assert capfd.readouterr().out.splitlines()[2] == (
        f"{quantized} against {model}, on 1 sample (few: others may say otherwise) that calibration with these data "
        "does not see:"
    )


def test_scripts_get_one_object(model: Path, quantized: Path, arrays: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--json", "--no-latency", "--samples", "5", "--per-layer"]
    assert run(["compare", str(model), str(quantized), "--data", str(arrays), *options]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["samples"] == 5
    assert found["first"] == {
        "model": str(model),
        "int8_layers": 0,
        "executed_layers": 2,
        "unseen_layers": 0,
        "compressed_layers": 0,
        "weights_bytes": model.with_suffix(".bin").stat().st_size,
        "median_ms": None,
        "p10_ms": None,
        "p90_ms": None,
        "p99_ms": None,
    }
    assert (found["second"]["int8_layers"], found["matched_layers"]) == (2, 2)
    assert [(each["name"], each["verdict"], each["equal"]) for each in found["outputs"]] == [("logits", "good", False)]
    assert [each["name"] for each in found["layers"]] == ["first", "second"]
    assert (found["speedup"], found["latency"]) == (None, None)
    assert (found["verdict"], found["next"], found["data_mistakes"]) == ("good", "nothing to do", [])


def test_data_that_look_wrong_make_the_verdict_unknown(
    model: Path, quantized: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(3).normal(size=(1, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "equal.npz", np.repeat(image, 9, axis=0))
    command = ["compare", str(model), str(quantized), "--data", str(tmp_path / "equal.npz"), "--no-latency"]
    page = tmp_path / "page.html"
    assert run([*command, "--report", str(page)]) == 0
    lines = capfd.readouterr().out.splitlines()
    doubt = "unknown, since the data look wrong: all 9 samples are equal"
    assert lines[0].startswith(f"{quantized}: {doubt}; with these data: ")
    assert lines[1] == "next: mend the data first: check how they are read"
    assert "warning: all 9 samples are equal: check how they are read" in lines
    assert "<strong>Unknown, since the data look wrong:</strong> all 9 samples are equal." in page.read_text("utf-8")
    assert run([*command, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["verdict"], found["data_mistakes"]) == ("unknown", ["all 9 samples are equal"])
    assert run([*command, "--strict", "--quiet"]) == 1
    assert doubt in capfd.readouterr().err


@pytest.fixture(scope="module")
def comparison(model: Path, quantized: Path) -> Comparison:
    samples = [Sample(f"s{seed}", each) for seed, each in enumerate(np.random.default_rng(0).random((9, 1, 3, 8, 8)))]
    return compare_models(read_model(model), read_model(quantized), samples, latency=False)


@pytest.mark.parametrize(
    ("ratio", "speed", "verdict", "to_do"),
    [
        (30.0, 1.5, "good (no loss of accuracy was seen at this level; output 'logits': 30.0 dB)", "nothing to do"),
        (
            30.0,
            0.86,
            "good (no loss of accuracy was seen at this level; output 'logits': 30.0 dB); not faster: 0.86x as fast",
            "find the layers that are faster in float: irquant tune m.xml, with the same data",
        ),
        (15.0, None, "fair (", "measure the loss with a metric of your own (docs/accuracy.md)"),
        (5.0, 0.5, "poor (", "irquant compare m.xml q.xml --data d --per-layer"),
    ],
)
def test_the_verdict_and_what_to_do(
    ratio: float, speed: float | None, verdict: str, to_do: str, comparison: Comparison
) -> None:
    before, after = (Latency(each, each, each, each) for each in (1e-2, 1e-2 / (speed or 1.0)))
    latencies = Latencies(before, after, 9, 1, Mode("f32", "latency")) if speed else None
    outputs = (Agreement("logits", OutputKind.VALUES, ratio, 0.9, samples=9),)
    found = dataclasses.replace(comparison, outputs=outputs, latencies=latencies)
    assert comparison_verdict(found).startswith(verdict)
    assert comparison_next(found, "m.xml", TypedCommand(["compare", "m.xml", "q.xml", "--data", "d"])) == to_do


def test_how_long_to_measure_is_checked(model: Path, arrays: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["compare", str(model), str(model), "--data", str(arrays), "--latency-seconds"]
    assert run([*command, "0"]) == 2
    assert capfd.readouterr().err == "error: --latency-seconds is 0, expected a number above 0\n"
    assert run([*command, "3", "--no-latency"]) == 2
    contradiction = "error: --latency-seconds and --no-latency contradict each other: give one of them\n"
    assert capfd.readouterr().err == contradiction


def test_a_page_says_the_same(model: Path, quantized: Path, arrays: Path, tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    options = ["--no-latency", "--per-layer", "--report", str(page)]
    assert run(["compare", str(model), str(quantized), "--data", str(arrays), *options]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<h1>int8.xml against model.xml</h1>" in text
    assert "2 of 2 layers of model.xml are in int8.xml" in text
    assert len(re.findall(r"<circle class=\"own\" cx", text)) == 3, "two layers and the legend"
    assert "http" not in text.replace("http-equiv", "")
    assert 'id="latency"' not in text


@pytest.mark.slow
def test_a_page_without_layers_says_how_to_get_them(model: Path, quantized: Path, arrays: Path, tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    assert run(["compare", str(model), str(quantized), "--data", str(arrays), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Their outputs were not compared (--per-layer)." in text
    assert 'id="latency"' in text


def test_a_page_that_cannot_be_is_refused_before_the_work(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "c.txt"
    assert run(["compare", str(model), str(model), "--data", str(arrays), "--report", str(page)]) == 2
    assert capfd.readouterr() == ("", f"error: {page}: the report must end in .html\n")


def test_a_model_is_equal_to_itself(model: Path, arrays: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(model), str(model), "--data", str(arrays), "--no-latency"]) == 0
    assert "  logits: equal, cosine 1.0000: good" in capfd.readouterr().out


def test_a_poor_output_is_exit_code_1(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = read_model(model)
    weights = graph.node("second").source(1).node
    weights.set_array(-weights.array)
    write_model(graph, tmp_path / "worse.xml")
    assert run(["compare", str(model), str(tmp_path / "worse.xml"), "--data", str(arrays), "--no-latency"]) == 1
    assert ": poor (a loss of accuracy is likely)" in capfd.readouterr().out
    assert run(["compare", str(model), str(tmp_path / "worse.xml"), "--data", str(arrays), "--no-latency", "-q"]) == 1
    out, said = capfd.readouterr()
    assert (out, said.startswith(f"{tmp_path / 'worse.xml'}: logits: "), said.count("\n")) == ("", True, 1)


def test_a_renamed_layer_is_not_compared(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = read_model(model)
    graph.rename(graph.node("first"), "other")
    write_model(graph, tmp_path / "renamed.xml")
    assert run(["compare", str(model), str(tmp_path / "renamed.xml"), "--data", str(arrays), "--no-latency"]) == 0
    assert (
        "layers: 1 of 2 of the first are in the second; the second has 1 more\n"
        "  only in the first: 'first'\n"
        "  only in the second: 'other'\n"
    ) in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing option '--data'."),
        (["--data", "gone.npz"], "gone.npz: no such file or folder (nor module:function)"),
        (["--data", "{arrays}", "--samples", "0"], "Invalid value for '--samples': 0 is not in the range x>=1."),
    ],
)
def test_a_wrong_option_is_explained(
    model: Path, arrays: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["compare", str(model), str(model), *(each.format(arrays=arrays) for each in arguments)]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {said}\n"


def test_models_of_different_inputs_are_refused_in_one_line(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    larger = ov.Core().read_model(model)
    larger.reshape([1, 3, 9, 9])
    ov.save_model(larger, tmp_path / "m.xml")
    assert run(["compare", str(model), str(tmp_path / "m.xml"), "--data", str(arrays)]) == 2
    assert capfd.readouterr().err == (
        "error: the models take different inputs: the first 'image' f32[1,3,8,8]; the second 'image' f32[1,3,9,9]\n"
    )


def test_a_sample_that_does_not_fit_is_named(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "s.npz", image=np.zeros((2, 3, 9, 8), np.float32))
    assert run(["compare", str(model), str(model), "--data", str(tmp_path / "s.npz")]) == 2
    assert "input 'image' f32[1,3,8,8]: got float32[" in capfd.readouterr().err


def test_options_for_images_that_arrays_do_not_heed_are_told(
    model: Path, quantized: Path, arrays: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--mean", "1", "--no-latency"]
    assert run(["compare", str(model), str(quantized), "--data", str(arrays), *options]) == 0
    said = f"warning: --mean: for images only; what {arrays} gives is fed as it is"
    assert said in capfd.readouterr().out.splitlines()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_batches_are_split_as_in_a_quantization(
    suffix: str, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, result = tmp_path / f"batches{suffix}", tmp_path / "o.xml"
    batches = np.random.default_rng(3).normal(size=(5, 8, 3, 8, 8)).astype(np.float32)
    if suffix == ".npy":
        np.save(data, batches)
    else:
        np.savez(data, image=batches)
    assert run(["quantize", str(model), "--data", str(data), "-o", str(result), "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    for options, count in (((), 32), (("--samples", "20"), 20), (("--held-out",), made["held_out"])):
        command = ["compare", str(model), str(result), "--data", str(data), "--no-latency", "--json", *options]
        assert run(command) == 0
        found = json.loads(capfd.readouterr().out)
        assert found["samples"] == count
    assert found["outputs"][0]["sqnr"] == pytest.approx(made["outputs"][0]["sqnr"])
