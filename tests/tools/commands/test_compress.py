"""`irquant compress`: what it prints, and what it refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from irquant.ir import read_model
from irquant.tools.cli import run
from tests.passes.weight_only_models import language_model, of_convolutions, sentences


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("language") / "model.xml"
    ov.serialize(language_model(), path, path.with_suffix(".bin"))
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.npz"
    np.savez(path, rows=np.concatenate(sentences(30)))
    return path


def test_it_says_what_it_stored_and_what_the_device_reads(
    language: Path, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.xml"
    command = ["compress", str(language), "-o", str(out), "--weights", "int4", "--group", "32", "--data", str(texts)]
    assert run(command) == 0, capfd.readouterr().err
    lines = capfd.readouterr().out.splitlines()
    assert re.fullmatch(rf"{re.escape(str(out))}: 0\.29 MB -> 0\.04 MB \(\d\.\dx smaller\)", lines[0])
    assert "stored in i4: 4 x MatMul, a scale for 32 weights" in lines
    assert any(re.fullmatch(r"in [iu]8: 1 x Gather: it is one of the first or last layers, .*", each) for each in lines)
    assert "the execution graph shows compressed weights in 6 of 6 layers" in lines
    shown = lines.index("output SQNR on 3 held-out samples (few: others may say otherwise), activations in float:")
    assert re.match(r"  logits: \d+\.\d dB, cosine 0\.\d+", lines[shown + 1])
    assert re.match(r"time: \d+\.\d\d s in all, measure-outputs ", lines[-1])


def test_it_needs_no_data(language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", str(language), "-o", str(tmp_path / "small.xml")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "the outputs were not compared: give --data SOURCE (9 samples or more)" in lines
    assert not any("dB" in each for each in lines)


def test_it_says_the_same_to_scripts(
    language: Path, texts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.xml"
    assert run(["compress", str(language), "-o", str(out), "--data", str(texts), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["result"], found["device"], found["weights"]) == (str(out), "CPU", "int8")
    assert (found["samples"], found["held_out"], found["compressed_layers"], found["folded_layers"]) == (27, 3, 6, [])
    assert found["bytes_after"] == out.with_suffix(".bin").stat().st_size < found["bytes_before"] / 3
    assert found["outputs"][0]["sqnr"] > 30
    assert {each["kind"] for each in found["layers"]} <= {"i8", "u8"}
    assert all(each["error"] > 35 for each in found["layers"])


def test_the_origin_is_in_the_result(language: Path, tmp_path: Path) -> None:
    assert run(["compress", str(language), "-o", str(tmp_path / "small.xml"), "--quiet"]) == 0
    found = read_model(tmp_path / "small.xml").metadata("irquant")
    assert json.loads(found["compression"]) == {"weights": "int8", "group": 128, "all_layers": False, "samples": 128}
    assert (found["target"], found["data"], found["samples"]) == ("cpu", "", "0")


def test_two_runs_give_the_same_bytes(language: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert run(["compress", str(language), "-o", str(tmp_path / f"{name}.xml"), "--weights", "nf4", "--quiet"]) == 0
    for end in (".xml", ".bin"):
        assert (tmp_path / f"one{end}").read_bytes() == (tmp_path / f"other{end}").read_bytes()


def test_the_result_is_beside_the_model_by_default(language: Path, tmp_path: Path) -> None:
    for end in (".xml", ".bin"):
        (tmp_path / f"m{end}").write_bytes(language.with_suffix(end).read_bytes())
    assert run(["compress", str(tmp_path / "m.xml"), "--quiet"]) == 0
    assert (tmp_path / "m_weights_int8.xml").is_file()


def refused(command: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    assert run(["compress", *command]) == 2
    return capfd.readouterr().err.removeprefix("error: ").strip()


def test_a_format_that_the_target_makes_floats_of_is_refused(
    language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [str(language), "-o", str(tmp_path / "small.xml"), "--weights", "nf4", "--target", "gpu"]
    first = "it is one of the first or last layers, which have 8 bits (--all-layers)"
    assert refused(command, capfd) == (
        f"no weights to store in nf4 on target 'gpu': Gather, MatMul: {first}; "
        "MatMul: the plugin has no kernels for weights of nf4; irquant quantize makes an INT8 model, activations included"
    )
    assert not (tmp_path / "small.xml").exists()


def test_a_target_without_an_entry_is_refused(
    language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert refused([str(language), "-o", str(tmp_path / "small.xml"), "--target", "npu"], capfd) == (
        "no weights to store in int8 on target 'npu': Gather, MatMul: target 'npu' says nothing of compressed weights "
        "of such a layer (keeps_compressed); irquant quantize makes an INT8 model, activations included"
    )


def test_a_model_of_convolutions_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ov.serialize(of_convolutions(), tmp_path / "m.xml", tmp_path / "m.bin")
    assert refused([str(tmp_path / "m.xml")], capfd) == (
        "no weights to store in int8 on target 'cpu': Convolution: the plugin makes floats of the weights of a "
        "convolution whose data are floats; irquant quantize makes an INT8 model, activations included"
    )


def test_a_compressed_model_is_refused(language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", str(language), "-o", str(tmp_path / "small.xml"), "--quiet"]) == 0
    said = refused([str(tmp_path / "small.xml")], capfd)
    assert "the model is quantized already: it holds integer weights, Const '" in said


def test_the_model_itself_is_not_overwritten(language: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert refused([str(language), "-o", str(language), "--force"], capfd) == (
        f"{language}: is the model that is being read; give another path for the result"
    )


def test_files_of_others_are_kept(language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.xml").write_text("mine")
    said = refused([str(language), "-o", str(tmp_path / "mine.xml")], capfd)
    assert said.startswith(f"{tmp_path / 'mine.xml'}: exists, and irquant did not make it; ")
    assert (tmp_path / "mine.xml").read_text() == "mine"


def test_some_layers_keep_8_bits(language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["compress", str(language), "-o", str(tmp_path / "small.xml"), "--weights", "int4", "--ratio", "0.5"]
    assert run(command) == 0
    said = capfd.readouterr().out
    assert re.search(
        r"^in [iu]8: 2 x MatMul: 4 bits would cost it more than other layers \(--ratio, ", said, re.MULTILINE
    )


def test_two_aims_are_refused(language: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = [str(language), "--weights", "int4", "--ratio", "0.5", "--max-mb", "1"]
    assert refused(command, capfd) == "ratio and max_mb exclude each other: give one of them"


@pytest.mark.parametrize("options", [["--weights", "int3"], ["--group", "-1"], ["--samples", "0"]])
def test_wrong_options_are_refused(language: Path, options: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert refused([str(language), *options], capfd).startswith(f"Invalid value for '{options[0]}': ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--mode int4_sym", "--mode: write --weights int8, int4 or nf4"),
        (
            "--weight-format int4 --sym",
            "--weight-format: write --weights int8, int4 or nf4; --sym: leave it out: a group gets a "
            "zero point only if that fits much better",
        ),
        ("--group_size 64", "--group-size: write --group N; 0 for one scale in each row"),
        ("--dataset d.npz --num-samples 3", "--dataset: write --data d.npz; --num-samples: write --samples 3"),
        (
            "--awq --gptq",
            "--awq, --gptq: leave it out: with data, weights are rounded by GPTQ, with scales of least error",
        ),
    ],
)
def test_options_of_nncf_say_what_to_write(line: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", "m.xml", *line.split()]) == 2
    assert capfd.readouterr().err == f"error: {said}\n"


def test_it_runs_as_a_command(language: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "irquant", "compress", str(language), "-o", str(tmp_path / "small.xml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "compressed weights in 6 of 6 layers" in done.stdout


def test_the_page_shows_each_layer_and_the_figures_of_the_report(language: Path, texts: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = ["compress", str(language), "-o", str(tmp_path / "o.xml"), "--weights", "int4", "--group", "32"]
    assert run([*command, "--data", str(texts), "--report", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert '<meta name="generator" content="irquant">' in text
    assert "<title>o.xml " in text
    assert text.count('<tr data-place="') == 6
    assert text.count("i4, a scale for 32 weights") == 4
    assert "<dt>read compressed</dt><dd><strong>6 of 6</strong>" in text
    assert "with the runtime&#39;s default" in text or "with the runtime's default" in text


def test_the_page_of_a_run_without_data_says_that_nothing_was_compared(language: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(["compress", str(language), "-o", str(tmp_path / "o.xml"), "--report", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "The outputs were not compared: give data (9 samples or more)." in text
    assert "<th scope" in text
    assert "without data" in text


def test_a_page_that_cannot_be_written_is_refused_before_any_work(
    language: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ["compress", str(language), "-o", str(tmp_path / "o.xml"), "--report"]
    assert run([*given, str(tmp_path / "page.txt")]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'page.txt'}: the report must end in .html\n"
    (tmp_path / "mine.html").write_text("dear")
    assert run([*given, str(tmp_path / "mine.html")]) == 2
    assert (tmp_path / "mine.html").read_text() == "dear"
    assert not (tmp_path / "o.xml").exists()
