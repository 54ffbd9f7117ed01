"""A model with compressed weights: the other layers are quantized, if the user says so."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant import UserError, compress, quantize_model
from irquant.passes import QuantizationConfig, explain, load_model
from irquant.targets import load_target
from irquant.tools.cli import run
from tests.passes.weight_only_models import Array, weights

KEPT = "its weights are compressed (nf4) and stay as they are"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, whose weights stay floats, in front of products with weights of 4 bits."""
    folder = tmp_path_factory.mktemp("mixed")
    image = op.parameter([1, 8, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    hidden = op.relu(op.convolution(image, weights(0, 16, 8, 3, 3), *[[1, 1]] * 4, name="conv"))
    hidden = op.reshape(hidden, np.array([1, 64, 16]), False)
    for index in range(2):
        hidden = op.relu(op.matmul(hidden, 4 * weights(index + 1, 16, 16), False, True, name=f"product{index}"))
    ov.serialize(ov.Model([op.result(hidden)], [image], "mixed"), folder / "m.xml", folder / "m.bin")
    return compress(folder / "m.xml", weights="nf4", group=16, all_layers=True, output=folder / "compressed.xml")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, image=np.concatenate(pictures()))
    return path


def pictures() -> list[Array]:
    return [weights(seed, 1, 8, 8, 8) * np.float32(10) for seed in range(20)]


def test_it_is_refused_in_one_line(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^the weights of 2 layers are compressed already, .*keep_compressed=True"):
        quantize_model(mixed, pictures(), output=tmp_path / "out.xml")
    assert not (tmp_path / "out.xml").exists()


def test_the_other_layers_are_quantized(mixed: Path, tmp_path: Path) -> None:
    report = quantize_model(mixed, pictures(), output=tmp_path / "out.xml", keep_compressed=True).report
    decisions = {each.name: (each.decision.int8, each.decision.reason) for each in report.layers}
    assert decisions["conv"][0]
    assert decisions["product0"] == decisions["product1"] == (False, KEPT)
    assert report.check.execution is not None
    assert report.check.execution.int8 == 1
    graph = load_model(tmp_path / "out.xml")
    assert sum(node.output().element_type.name == "nf4" for node in graph.nodes("Const")) == 2


def test_the_command_says_so(mixed: Path, images: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["quantize", str(mixed), "--data", str(images), "-o", str(tmp_path / "out.xml")]
    assert run(command) == 2
    assert "add --keep-compressed to leave" in capfd.readouterr().err
    assert run([*command, "--keep-compressed"]) == 0
    assert f"planned in float: 2 x MatMul: {KEPT}" in capfd.readouterr().out.splitlines()


def test_explain_names_such_layers(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = explain(load_model(mixed), load_target("cpu"), QuantizationConfig())
    assert {each.name: each.reason for each in found.layers if not each.int8} == {"product0": KEPT, "product1": KEPT}
    assert run(["explain", str(mixed)]) == 0
    assert f"float MatMul 'product0': {KEPT}" in capfd.readouterr().out.splitlines()


def test_analyze_ranks_the_other_layers(mixed: Path, images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(mixed), "--data", str(images), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [each["name"] for each in found["layers"]] == ["conv"]
    assert {each["name"]: each["reason"] for each in found["float"]} == {"product0": KEPT, "product1": KEPT}


def test_inspect_counts_such_layers(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(mixed)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "quantized: weights only" in lines
    counts = [int(each.split()[2]) for each in lines if each.startswith("compressed weights: ")]
    assert sum(counts) == 2


def test_compare_counts_such_layers(mixed: Path, images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["compare", str(mixed.with_name("m.xml")), str(mixed), "--data", str(images), "--no-latency"]
    assert run(command) in (0, 1)
    assert "layers with compressed weights: 0 -> 2" in capfd.readouterr().out.splitlines()


def test_a_model_without_other_layers_has_nothing_to_quantize(tmp_path: Path) -> None:
    x = op.parameter([4, 16], np.float32, name="x")
    model = ov.Model([op.result(op.matmul(x, weights(0, 16, 16), False, True, name="only"))], [x])
    small = compress(model, weights="int4", group=16, all_layers=True)
    said = r"can run no layer of the model in int8 \(MatMul 'only': its weights are compressed \(u4\) and stay as they are\)"
    with pytest.raises(UserError, match=rf"^nothing to quantize: target 'cpu' {said}$"):
        quantize_model(small, [weights(seed, 4, 16) for seed in range(10)], keep_compressed=True)


@pytest.mark.slow
def test_a_batch_file_has_a_key_for_it(mixed: Path, images: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.yaml"
    entry = f"{{name: m, model: {mixed}, data: {images}, guard: false"
    for more, code in (("", 1), (", keep_compressed: true", 0)):
        batch.write_text(f"models: [{entry}{more}}}]\n")
        assert run(["zoo", str(batch), "--output-dir", str(tmp_path / "results")]) == code
    graph = load_model(tmp_path / "results" / "m.xml")
    assert sum(node.output().element_type.name == "nf4" for node in graph.nodes("Const")) == 2
