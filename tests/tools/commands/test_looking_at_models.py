"""`irquant inspect`, `diff` and `explain` as users type them."""

import json
import re
from pathlib import Path

import pytest

from irquant.ir import from_text, read_model, write_model
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
    assert "\nquantized: yes: it contains FakeQuantize '" in capfd.readouterr().out
    assert run(["diff", str(model), str(tmp_path / "int8.xml")]) == 1
    assert "\nadded " in capfd.readouterr().out


def test_models_that_do_not_differ_end_with_zero(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(model), str(model)]) == 0
    assert capfd.readouterr().out == ""


def test_diff_for_scripts(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = read_model(model)
    name = next(graph.nodes("Convolution")).name
    next(graph.nodes("Convolution")).set_attribute("auto_pad", "same_upper")
    write_model(graph, tmp_path / "other.xml")
    assert run(["diff", str(model), str(tmp_path / "other.xml"), "--json"]) == 1
    (change,) = json.loads(capfd.readouterr().out)
    assert (change["kind"], change["layer"]) == ("attribute", name)


@pytest.mark.parametrize("command", [["inspect", "gone.xml"], ["diff", "gone.xml", "gone.xml"]])
def test_a_missing_model_is_one_line(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert capfd.readouterr().err == "error: gone.xml: no such file\n"


def test_explain_needs_no_data(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(model)]) == 0
    said = capfd.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ of \d+ layers would run in int8", said[-1])
    assert said[-2] == "preset: performance"
    assert all(line.startswith(("int8  ", "float ")) for line in said[:-2])
    name = re.search(r"'(.*?)'", said[0])
    assert name is not None
    assert run(["explain", str(model), "--node", name[1]]) == 0
    story = capfd.readouterr().out
    assert "would run in int8: a8" in story
    assert "\nweights: " in story


def test_explain_tells_of_one_layer_what_nearly_matched(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(model), "--json"]) == 0
    layer = next(each for each in json.loads(capfd.readouterr().out)["layers"] if each["nearly"])
    assert run(["explain", str(model), "--node", layer["name"]]) == 0
    assert capfd.readouterr().out.splitlines()[-len(layer["nearly"]) :] == [
        f"nearly: {each}" for each in layer["nearly"]
    ]


CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
SUMS = f"""
x: f32[1,2,4,4] = Parameter()
w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
first: f32[1,2,4,4] = Convolution(x, w) {CONV}
second: f32[1,2,4,4] = Convolution(x, w) {CONV}
clamp: f32[1,2,4,4] = Clamp(first) min="0" max="6"
sum: f32[1,2,4,4] = Add(clamp, second)
third: f32[1,2,4,4] = Convolution(sum, w) {CONV}
square: f32[1,2,4,4] = MatMul(third, third)
r = Result(square)
"""


def test_explain_counts_what_else_is_rounded_and_what_the_preset_does_not_decide(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sums.xml"
    write_model(from_text(SUMS), path)
    assert run(["explain", str(path), "--preset", "mixed"]) == 0
    assert capfd.readouterr().out.splitlines()[-3:] == [
        "preset: mixed; 1 of 3 FakeQuantizes of data: symmetric instead of asymmetric, by target or options",
        "also on rounded numbers: 1 Add (--node NAME shows one)",
        "4 of 4 layers would run in int8",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clamp", "reads floats: target 'cpu' has no rule that fits it; 'sum/fq_input_0' rounds its result, "),
        ("sum", "reads rounded numbers: target 'cpu' computes it on rounded numbers\n"),
        ("square", "(not as the preset asks: by target or options), 256 levels"),
    ],
)
def test_explain_tells_of_one_operation_what_it_reads(
    name: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sums.xml"
    write_model(from_text(SUMS), path)
    assert run(["explain", str(path), "--preset", "mixed", "--node", name]) == 0
    assert said in capfd.readouterr().out


def test_explain_names_the_sums_that_stay_float(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sums.xml"
    write_model(from_text(f"{SUMS}s = Result(sum)\n"), path)
    assert run(["explain", str(path)]) == 0
    reason = (
        "output 's' of the model takes its result as floats, so no FakeQuantize in front of it would serve all readers"
    )
    assert f"float Add 'sum': {reason}\n" in capfd.readouterr().out
    assert run(["explain", str(path), "--json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert plan["float_sums"] == [{"name": "sum", "reason": reason}]


def test_explain_for_scripts_has_the_operations_that_are_no_layers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sums.xml"
    write_model(from_text(SUMS), path)
    assert run(["explain", str(path), "--json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert [(each["name"], each["type"], each["int8"]) for each in plan["others"]] == [
        ("clamp", "Clamp", False),
        ("sum", "Add", True),
    ]
    assert [each["tensor"] for each in plan["others"][1]["data"]] == ["clamp", "second"]
    assert plan["float_sums"] == []
    assert run(["explain", str(path), "--json", "--node", "sum"]) == 0
    assert [each["name"] for each in json.loads(capfd.readouterr().out)["layers"]] == ["sum"]


def test_explain_for_scripts(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(model), "--json", "--preset", "mixed"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert (plan["preset"], plan["warnings"]) == ("mixed", [])
    assert plan["layers"]
    assert {each["mode"] for layer in plan["layers"] for each in layer["data"]} == {"asymmetric"}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--target", "cpv"], "no target 'cpv'; did you mean 'cpu'? "),
        (["--preset", "mixd"], "preset is 'mixd'; did you mean 'mixed'? "),
        (["--node", "nothing"], "no operation is named 'nothing'"),
    ],
)
def test_explain_refuses_what_does_not_exist(
    model: Path, option: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(model), *option]) == 2
    assert capfd.readouterr().err.startswith(f"error: {said}")
