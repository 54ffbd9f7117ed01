"""The graph for Model Explorer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant import quantize_model
from irquant.passes.runtime.convert import from_runtime
from irquant.tools.cli import run
from irquant.tools.report.model_graph import COLOURS, model_graph
from tests.passes.doubled_by_if import doubled_by_if


def quantized(model: Path, arrays: Path, path: Path, *more: str) -> dict[str, Any]:
    command = ["quantize", str(model), "--data", str(arrays), "-o", str(path.with_suffix(".xml")), "--quiet"]
    assert run([*command, "--graph", str(path), *more]) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def by_name(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    facts = {each["id"]: {fact["key"]: fact["value"] for fact in each["attrs"]} for each in nodes}
    return {facts[each["id"]]["name"]: {**each, "facts": facts[each["id"]]} for each in nodes}


def test_layers_have_the_colour_and_the_word_of_their_precision(model: Path, arrays: Path, tmp_path: Path) -> None:
    found = quantized(model, arrays, tmp_path / "g.json", "--ignored", "first")
    assert found["label"] == "irquant: small"
    (graph,) = found["graphs"]
    nodes = by_name(graph["nodes"])
    for name, precision in {"first": "float", "second": "int8"}.items():
        assert nodes[name]["label"] == f"Convolution ({precision})"
        assert tuple(nodes[name]["style"].values()) == COLOURS[precision]
    assert nodes["first"]["facts"]["reason"] == "you ignore 'first'"
    assert "style" not in nodes["image"]
    assert nodes["first"]["outputsMetadata"][0]["attrs"] == [{"key": "shape", "value": "f32[1,8,8,8]"}]


def test_edges_join_nodes_of_the_graph_and_constants_are_left_out(model: Path, arrays: Path, tmp_path: Path) -> None:
    (graph,) = quantized(model, arrays, tmp_path / "g.json")["graphs"]
    ids = [each["id"] for each in graph["nodes"]]
    assert len(set(ids)) == len(ids)
    edges = [edge for each in graph["nodes"] for edge in each["incomingEdges"]]
    assert edges
    assert {edge["sourceNodeId"] for edge in edges} <= set(ids)
    assert not any(each["label"] == "Const" for each in graph["nodes"])


def test_a_layer_is_no_group_of_its_fake_quantizes(model: Path, arrays: Path, tmp_path: Path) -> None:
    (graph,) = quantized(model, arrays, tmp_path / "g.json")["graphs"]
    assert {each["namespace"] for each in graph["nodes"]} == {""}


def test_a_body_is_a_graph_of_its_own() -> None:
    image, flag = op.parameter([1, 3, 8, 8], np.float32, name="image"), op.parameter([], np.bool_, name="flag")
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    layer = op.convolution(doubled_by_if(image, flag), weights, [1, 1], [1, 1], [1, 1], [1, 1], name="block/first")
    model = ov.Model([op.result(layer)], [image, flag], "m")
    samples = [(np.random.default_rng(seed).random((1, 3, 8, 8), np.float32), True) for seed in range(20)]
    result = quantize_model(model, samples)
    graphs = model_graph(from_runtime(result.model), result.report)["graphs"]
    bodies = [name for each in graphs[0]["nodes"] for name in each["subgraphIds"]]
    assert len(bodies) == 2
    assert [each["id"] for each in graphs] == ["model", *bodies]
    assert by_name(graphs[0]["nodes"])["block/first"]["namespace"] == "block"


def test_layers_in_branches_have_the_colours_of_their_own() -> None:
    rng = np.random.default_rng(0)
    image, flag = op.parameter([1, 8, 8, 8], np.float32, name="image"), op.parameter([], np.bool_, name="flag")

    def branch(bend: Any) -> tuple[ov.Model, Any]:
        x = op.parameter([1, 8, 8, 8], np.float32)
        kernel = rng.normal(size=(8, 8, 3, 3)).astype(np.float32)
        return ov.Model([op.result(bend(op.convolution(x, kernel, *[[1, 1]] * 4, name="inner")))], [x]), x

    choice = op.if_op(flag)
    (yes, of_yes), (no, of_no) = branch(op.relu), branch(op.tanh)
    choice.set_then_body(yes)
    choice.set_else_body(no)
    choice.set_input(image.output(0), of_yes, of_no)
    model = ov.Model([op.result(choice.set_output(yes.results[0], no.results[0]))], [image, flag], "m")
    samples = [(rng.random((1, 8, 8, 8), np.float32), bool(seed % 2)) for seed in range(20)]
    result = quantize_model(model, samples, guard=False)
    graphs = model_graph(from_runtime(result.model), result.report)["graphs"]
    inside = [node for each in graphs[1:] for node in each["nodes"] if node["label"].startswith("Convolution")]
    assert [node["label"] for node in inside] == ["Convolution (int8)"] * 2


def test_its_own_file_is_replaced_and_others_are_not(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quantized(model, arrays, tmp_path / "g.json")
    quantized(model, arrays, tmp_path / "g.json")
    (tmp_path / "mine.json").write_text("{}")
    given = ["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "g.xml")]
    assert run([*given, "--graph", str(tmp_path / "mine.json")]) == 2
    assert "mine.json" in capfd.readouterr().err
    assert run([*given, "--graph", str(tmp_path / "g.txt")]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'g.txt'}: the graph must end in .json\n"
    assert run([*given, "--graph", str(tmp_path / "none" / "g.json")]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'none' / 'g.json'}: there is no folder {tmp_path / 'none'}\n"
    assert run([*given, "--graph", str(tmp_path / "new.json"), "--dry-run"]) == 2
    assert capfd.readouterr().err == "error: a dry run has nothing to report: leave out --graph or --dry-run\n"
    assert not (tmp_path / "new.json").exists()
