"""`irquant inspect` and `irquant diff` as users type them."""

import json
import re
from pathlib import Path

import pytest

from irquant.ir import read_model, write_model
from irquant.tools.cli import run


def test_inspect_says_what_is_in_a_model(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model)]) == 0
    said = capfd.readouterr().out
    assert f"{len(read_model(model))} layers" in said.splitlines()[0]
    assert "\nquantized: no\n" in said
    assert re.search(r"^operation: \d+ x Convolution \(opset1\): \d+ parameters, \d+\.\d\d MB$", said, re.MULTILINE)


def test_inspect_for_scripts(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert content["version"] == 11
    assert content["quantized"] is False
    assert sum(operation["count"] for operation in content["operations"]) == len(read_model(model))


def test_inspect_names_what_shows_that_a_model_is_quantized(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "int8.xml")]) == 0
    assert run(["inspect", str(tmp_path / "int8.xml")]) == 0
    assert "\nquantized: yes: it holds FakeQuantize '" in capfd.readouterr().out
    assert run(["diff", str(model), str(tmp_path / "int8.xml")]) == 1
    assert "\nadded " in capfd.readouterr().out


def test_models_that_do_not_differ_end_with_zero(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(model), str(model)]) == 0
    assert capfd.readouterr().out == ""


def test_diff_for_scripts(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = read_model(model)
    name = next(graph.nodes("Convolution")).name
    next(graph.nodes("Convolution")).set_attribute("auto_pad", "valid")
    write_model(graph, tmp_path / "other.xml")
    assert run(["diff", str(model), str(tmp_path / "other.xml"), "--json"]) == 1
    (change,) = json.loads(capfd.readouterr().out)
    assert (change["kind"], change["layer"]) == ("attribute", name)


@pytest.mark.parametrize("command", [["inspect", "gone.xml"], ["diff", "gone.xml", "gone.xml"]])
def test_a_missing_model_is_one_line(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert capfd.readouterr().err == "error: gone.xml: no such file\n"
