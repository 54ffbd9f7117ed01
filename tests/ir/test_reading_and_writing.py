"""Reading, editing and writing: what nobody touched keeps its bytes; what is wrong is refused, or nothing is written."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from irquant.ir import IRError, element_type, from_text, read_model, write_model

X = np.random.default_rng(1).normal(size=(1, 3, 6, 6)).astype(np.float32)


def run(path: Path, *inputs: Any) -> list[np.ndarray[Any, np.dtype[Any]]]:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(value) for value in compiled(list(inputs)).values()]


def pair(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.with_suffix(".bin").read_bytes()


# ------------------------------------------------------------------------------------------------------------ lossless


@pytest.mark.parametrize("name", ["conv", "branches", "loop", "old"])
def test_an_unedited_model_is_written_byte_for_byte(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path: Path = request.getfixturevalue(name)
    output = tmp_path / "copy.xml"
    write_model(read_model(path), output)
    assert pair(output) == pair(path)
    write_model(read_model(path).copy(), output)
    assert pair(output) == pair(path)


def insert_identity(path: Path, output: Path) -> None:
    """One in the model and one in each body of it."""
    model = read_model(path)
    for graph in model.walk():
        node = next(node for node in graph.nodes("ReLU", "Convolution", "Multiply", "Loop"))
        source = node.output()
        identity = graph.add(
            "Reshape",
            "same",
            [source, graph.add_constant("shape", np.array(source.shape, np.int64), near=node).output()],
            [(source.element_type, source.shape)],
            attributes={"special_zero": "false"},
            near=source.consumers[0].node,
        )
        source.redirect(identity.output(), only=[port for port in source.consumers if port.node != identity])
    write_model(model, output)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("conv", [X]),
        ("branches", [np.ones((2, 2), np.float32), np.array(True)]),
        ("loop", [np.ones((5, 3), np.float32)]),
    ],
)
def test_an_edit_leaves_everything_else_as_it_was(
    name: str, inputs: list[Any], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path: Path = request.getfixturevalue(name)
    output = tmp_path / "edited.xml"
    insert_identity(path, output)
    old, new = path.read_text().splitlines(), output.read_text().splitlines()
    gone = [line for line in old if line not in new]
    # Moved edges and tensor names are the only lines that change.
    assert all("<edge " in line or "names=" in line for line in gone)
    assert output.with_suffix(".bin").read_bytes().startswith(path.with_suffix(".bin").read_bytes())
    for one, other in zip(run(path, *inputs), run(output, *inputs), strict=True):
        np.testing.assert_array_equal(one, other)
    models = [ov.Core().read_model(each) for each in (path, output)]
    assert [port.get_names() for port in models[0].outputs] == [port.get_names() for port in models[1].outputs]


def test_a_v10_output_keeps_its_name(old: Path, tmp_path: Path) -> None:
    insert_identity(old, tmp_path / "edited.xml")
    model = ov.Core().read_model(tmp_path / "edited.xml")
    assert "conv" in model.outputs[0].get_names()
    data = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    np.testing.assert_array_equal(run(old, data)[0], run(tmp_path / "edited.xml", data)[0])


def test_compact_writing_drops_only_what_nobody_uses(branches: Path, tmp_path: Path) -> None:
    graph = read_model(branches)
    old = next(node for node in graph.nodes("Const"))
    node = old.output().consumers[0].node
    new = graph.add_constant("new", np.full((1, 1), 7.0, np.float32), near=node)
    old.output().redirect(new.output())
    graph.prune(old)
    write_model(graph, tmp_path / "long.xml")
    write_model(graph, tmp_path / "short.xml", compact=True)
    assert (tmp_path / "short.bin").stat().st_size < (tmp_path / "long.bin").stat().st_size
    data = (np.ones((2, 2), np.float32), np.array(False))
    for name in ("long", "short"):
        np.testing.assert_array_equal(run(tmp_path / f"{name}.xml", *data)[0], np.full((2, 2), 21.0))


def test_equal_new_constants_share_their_bytes(conv: Path, tmp_path: Path) -> None:
    graph = read_model(conv)
    near = graph.node("relu")
    for index in range(2):
        graph.add_constant(f"c{index}", np.arange(100, dtype=np.int64), near=near)
    write_model(graph, tmp_path / "o.xml")
    assert (tmp_path / "o.bin").stat().st_size == conv.with_suffix(".bin").stat().st_size + 800


def test_constants_are_views_of_the_file(conv: Path) -> None:
    graph = read_model(conv)
    array = graph.node("w").array
    assert not array.flags.writeable
    assert np.shares_memory(array, graph.weights.data)
    np.testing.assert_array_equal(array, ov.Core().read_model(conv).get_ordered_ops()[1].get_data())


# ------------------------------------------------------------------------------------------------------- what is wrong

Change = Callable[[str], str]


def swap(old: str, new: str, count: int = 1) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, count)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: "", "not an OpenVINO IR: not well-formed XML: no element found: line 1, column 0"),
        (lambda text: text[:500], "not an OpenVINO IR: not well-formed XML: "),
        (swap("<net ", "<!DOCTYPE net><net "), "not an OpenVINO IR: DOCTYPE 'net' is not allowed in an IR"),
        (
            lambda text: text.replace("<net", "<graph").replace("</net", "</graph"),
            "not an OpenVINO IR: the root element is <graph>, expected <net>",
        ),
        (swap('version="11"', 'version="7"'), "IR version 7; versions 10 and 11 are supported. Convert the model again with 'ovc'"),
        (swap('type="ReLU" version="opset1"', 'type="ReLU"'), "layer 'relu' has no 'version'"),
        (swap('<layer id="1"', '<layer id="0"'), "two layers have id 0: 'x' and 'w'"),
        (swap('<layer id="1"', '<layer id="-1"'), "id of layer 'w' is '-1', expected a decimal number"),
        (swap('size="432"', 'size="431"'), "constant 'w' of shape [4, 3, 3, 3] f32 needs 432 bytes but has 431"),
        (swap('size="432"', 'size="-432"'), "size of constant 'w' is '-432', expected a decimal number"),
        (
            swap('offset="0"', 'offset="99999"'),
            "constant 'w' takes bytes 99999..100431, but the weights file has only 448 bytes: is it the .bin of this .xml?",
        ),
        (
            swap('shape="4, 3, 3, 3"', 'shape="4611686018427387904, 4"'),
            "constant 'w' of shape [4611686018427387904, 4] f32 needs 73786976294838206464 bytes but has 432",
        ),
        (swap('element_type="f32" shape="4', 'element_type="f31" shape="4'), "unknown element type 'f31'; known: "),
        (swap('offset="0"', 'offset="0" value="abcd"'), "constant 'w' has an inline 'value'; the format keeps values in the .bin file only"),
        (swap(' offset="0"', ""), "constant 'w' has no 'offset'"),
        (swap('precision="FP32"', 'precision="FP33"', 1), "unknown port precision 'FP33'; known: "),
        (swap("<dim>6</dim>", "<dim>six</dim>"), "layer 'x': port {"),
        (swap('to-layer="2" to-port="0"', 'to-layer="99" to-port="0"'), "edge 0 names layer 99, which does not exist"),
        (swap('to-layer="2" to-port="0"', 'to-layer="2" to-port="9"'), "edge 0 ends at input port 9 of Convolution "),
        (swap('from-layer="0" from-port="0"', 'from-layer="0" from-port="9"'), "edge 0 starts at output port 9 of Parameter 'x' (id 0), which has [0]"),
        (swap('to-layer="2" to-port="1"', 'to-layer="2" to-port="0"'), "two edges end at input 0 of Convolution "),
        (swap('from-layer="0" from-port="0" to-layer="2"', 'from-layer="2" from-port="2" to-layer="2"'), "the graph has a cycle: Convolution "),
        (lambda text: re.sub(r'\t\t<edge from-layer="0".*\n', "", text), "input 0 of Convolution "),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_format_is_refused(conv: Path, change: Change, said: str | None) -> None:
    conv.write_text(change(conv.read_text()))
    with pytest.raises(IRError) as caught:
        read_model(conv)
    message = str(caught.value)
    assert message.startswith(f"{conv}: {said or ''}")
    assert "\n" not in message


def test_deep_nesting_is_refused(conv: Path) -> None:
    conv.write_text(conv.read_text().replace("</net>", "<a>" * 100 + "</a>" * 100 + "</net>"))
    with pytest.raises(IRError, match=r"elements nest deeper than 64 levels$"):
        read_model(conv)


def test_missing_files_are_named(conv: Path, tmp_path: Path) -> None:
    with pytest.raises(IRError, match=r"gone\.xml: no such file$"):
        read_model(tmp_path / "gone.xml")
    conv.with_suffix(".bin").unlink()
    with pytest.raises(IRError, match=r"conv\.xml: its weights are missing: there is no conv\.bin next to it$"):
        read_model(conv)


@pytest.mark.slow
def test_any_truncation_is_refused_or_read(conv: Path) -> None:
    """Every byte count: an error of ours, never another exception."""
    text = conv.read_bytes()
    for length in range(0, len(text), 37):
        conv.write_bytes(text[:length])
        with pytest.raises(IRError):
            read_model(conv)


# ------------------------------------------------------------------------------------------------------------- writing


def test_the_model_that_is_read_is_never_written(conv: Path, tmp_path: Path) -> None:
    before, graph = pair(conv), read_model(conv)
    (tmp_path / "hard.xml").hardlink_to(conv)
    for path in (conv, tmp_path / "hard.xml"):
        with pytest.raises(IRError, match=r"is the model that is being read; give another output path$"):
            write_model(graph, path)
    assert pair(conv) == before


def test_places_that_cannot_hold_a_model_are_refused(conv: Path, tmp_path: Path) -> None:
    graph = read_model(conv)
    (tmp_path / "link.xml").symlink_to(tmp_path / "elsewhere.xml")
    (tmp_path / "folder.xml").mkdir()
    for path, said in (
        (tmp_path / "model.onnx", f"the output must end in .xml; did you mean '{tmp_path / 'model.xml'}'?"),
        (tmp_path, f"the output must end in .xml; did you mean '{tmp_path / 'model_int8.xml'}'?"),
        (tmp_path / "no" / "model.xml", f"there is no folder {tmp_path / 'no'}"),
        (tmp_path / "link.xml", "is a symbolic link; give the real path of a file to write"),
        (tmp_path / "folder.xml", "is a folder; give the path of a file to write"),
    ):
        with pytest.raises(IRError) as caught:
            write_model(graph, path)
        assert str(caught.value) == f"{path}: {said}"


def test_a_failure_midway_leaves_the_old_pair(conv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = read_model(conv)
    (tmp_path / "o").mkdir()
    output = tmp_path / "o" / "o.xml"
    output.write_text("old xml")
    output.with_suffix(".bin").write_text("old bin")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IRError) as caught:
        write_model(graph, output)
    assert str(caught.value) == f"{output}: cannot be written: No space left on device"
    assert pair(output) == (b"old xml", b"old bin")
    assert len(list((tmp_path / "o").iterdir())) == 2


def test_files_get_ordinary_permissions(conv: Path, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_model(read_model(conv), tmp_path / "o.xml")
    finally:
        os.umask(mask)
    assert [(tmp_path / f"o{suffix}").stat().st_mode & 0o777 for suffix in (".xml", ".bin")] == [0o640, 0o640]


def test_a_fake_quantize_without_ranges_cannot_be_written(tmp_path: Path) -> None:
    graph = from_text('x: f32[1] = Parameter()\nfq: f32[1] = FakeQuantize(x) levels="256"\nr = Result(fq)\n')
    with pytest.raises(IRError) as caught:
        write_model(graph, tmp_path / "o.xml")
    assert str(caught.value) == (
        "FakeQuantize 'fq' (id 1) has no ranges yet: 'set-ranges' must run before the model can be written"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_graph_made_from_text_runs(tmp_path: Path) -> None:
    graph = from_text(
        "x: f32[2] = Parameter()\nc: f32[2] = Const() [1.5, -2.0]\ny: f32[2] = Add(x, c)\nr = Result(y)\n"
    )
    write_model(graph, tmp_path / "o.xml")
    np.testing.assert_array_equal(run(tmp_path / "o.xml", np.ones(2, np.float32))[0], [2.5, -1.0])
    assert element_type("f32").bits == 32
