"""Models of other formats, through the runtime's converter."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper

from irquant.ir import UserError, read_model
from irquant.passes import Report, load_model, quantize
from irquant.passes.files.result_path import result_path
from irquant.tools.cli import run

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A convolution with batch normalization that is not folded yet."""
    arrays = {
        "w": RNG.normal(size=(4, 3, 3, 3)),
        "scale": RNG.uniform(0.5, 2, 4),
        "shift": RNG.normal(size=4),
        "mean": RNG.normal(size=4),
        "variance": RNG.uniform(0.5, 2, 4),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in arrays.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]),
        helper.make_node("Relu", ["n"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_an_onnx_file_is_converted_and_cleaned_up(net: Path) -> None:
    graph = load_model(net)
    types = [node.type for node in graph.nodes() if node.type != "Const"]
    assert types == ["Parameter", "Convolution", "Add", "ReLU", "Result"], "batch normalization is folded"
    assert graph.in_file_order("Parameter")[0].output().names == ("x",)


def test_an_onnx_file_is_quantized_in_one_step(net: Path) -> None:
    reports: list[Report] = []
    result = quantize(net, DATA, report=reports.append)
    assert result == net.with_name("net_int8.xml")
    assert reports[0].check.execution is not None
    assert reports[0].check.execution.int8_share == 1
    assert read_model(result).metadata("irquant")


def test_a_converted_model_is_quantized_in_one_line(net: Path) -> None:
    assert quantize(ov.convert_model(net), DATA).get_friendly_name()


@pytest.mark.slow
def test_the_command_line_takes_it_too(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(net.with_name("data.npz"), x=np.concatenate(DATA))
    code = run(["quantize", str(net), "--data", str(net.with_name("data.npz"))])
    assert (code, net.with_name("net_int8.xml").is_file()) == (0, True)
    assert "quantized: 1 of 1 layers" in capsys.readouterr().out
    assert run(["explain", str(net)]) == run(["inspect", str(net)]) == 0


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".pb"])
def test_what_the_converter_does_not_know_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(bytes(range(1, 200)))
    with pytest.raises(UserError) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path}: the runtime cannot convert it: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"hello world", bytes(range(1, 200))])
@pytest.mark.parametrize(("suffix", "name"), [(".onnx", "ONNX"), (".tflite", "TensorFlow Lite")])
def test_a_file_of_another_format_is_told_without_words_of_other_converters(
    tmp_path: Path, content: bytes, suffix: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    said = rf"broken\{suffix}: the runtime cannot convert it: it is no {name} model, or a damaged one$"
    with pytest.raises(UserError, match=said):
        load_model(path)
    assert capfd.readouterr() == ("", "")


def test_missing_weights_of_an_onnx_are_told(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "net", [x], [y], [weight])
    path = tmp_path / "net.onnx"
    kept_apart: dict[str, Any] = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
    onnx.save(helper.make_model(graph, ir_version=8), path, **kept_apart)
    (tmp_path / "net.data").unlink()
    with pytest.raises(UserError) as error:
        load_model(path)
    assert str(error.value) == f"{path}: its weights are missing: there is no file {tmp_path / 'net.data'}"


def test_the_file_of_a_saved_model_is_told_to_be_a_part_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    path = tmp_path / "saved_model.pb"
    path.touch()
    with pytest.raises(UserError) as error:
        load_model(path)
    assert str(error.value) == f"{path}: holds no weights: give the folder of the SavedModel, {tmp_path}"


def test_the_operations_that_the_converter_does_not_know_are_named(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("NoSuchOperation", ["x"], ["y"])], "net", [x], [y])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, ir_version=8), path)
    with pytest.raises(UserError) as error:
        load_model(path)
    said = str(error.value)  # the runtime's words differ from version to version
    assert said.startswith(f"{path}: the runtime cannot convert it: ")
    assert re.search(
        r"(No conversion rule found for|does not support the following ONNX) operations: NoSuchOperation", said
    )


def test_an_operation_that_the_converter_cannot_convert_is_named_with_its_reason(tmp_path: Path) -> None:
    """The converter lists each failed operation with a message of several lines; the last one says why."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")  # of unknown rank
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "net", [x], [y], [weights])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    with pytest.raises(UserError, match=r"the runtime cannot convert it: Conv-13: .*rank has to be known"):
        load_model(path)


def test_dynamic_sizes_are_named_if_the_converter_fails_on_a_model_that_the_runtime_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("dimensions do not divide")

    monkeypatch.setattr(ov, "convert_model", fail)
    for size, hint in ((None, "; it may work with fixed sizes of 'x' (docs/troubleshooting.md)"), (8, "")):
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name in "xy")
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x], [y])
        path = tmp_path / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        with pytest.raises(UserError) as error:
            load_model(path)
        assert str(error.value) == f"{path}: the runtime cannot convert it: dimensions do not divide{hint}"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.onnx: no such file$"):
        load_model(tmp_path / "none.onnx")


@pytest.mark.parametrize("name", ["m.gguf", "m"])
def test_a_file_of_an_unknown_format_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF\0")
    said = r": no model of a known format; there are: \.xml, \.onnx, .*, \.pdmodel, and folders of SavedModels$"
    with pytest.raises(UserError, match=said):
        load_model(tmp_path / name)
    (tmp_path / name).write_text("<html/>")
    with pytest.raises(UserError, match="the root element is <html>"):
        load_model(tmp_path / name)
    with pytest.raises(UserError, match="no such file"):
        load_model(tmp_path / "none.gguf")


@pytest.mark.parametrize("given", [{"model": "m.xml"}, None])
def test_what_is_no_path_is_told(given: Any) -> None:
    with pytest.raises(UserError, match=f"^the model is {type(given).__name__}, expected the path of a model$"):
        load_model(given)


def test_the_weights_of_a_model_name_the_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"m\.bin: holds weights only: give the model that reads them, .*m\.xml$"):
        load_model(tmp_path / "m.bin")


def test_a_folder_must_be_a_saved_model(tmp_path: Path) -> None:
    said = r": a folder without saved_model\.pb or saved_model\.pbtxt: no TensorFlow SavedModel$"
    with pytest.raises(UserError, match=said):
        load_model(tmp_path)


def test_results_lie_beside_their_models() -> None:
    assert result_path(Path("a/net.onnx")) == Path("a/net_int8.xml")
    assert result_path(Path("a/saved")) == Path("a/saved_int8.xml")
    assert result_path(Path("..")) == Path.cwd().parent.with_name(f"{Path.cwd().parent.stem}_int8.xml")
    assert result_path(Path()) == Path.cwd().with_name(f"{Path.cwd().stem}_int8.xml")
    assert result_path(Path("/")) == Path("/_int8.xml")
    assert result_path(Path("a/net.xml"), "other") == Path("a/other_int8.xml")


@pytest.mark.parametrize("command", ["inspect", "explain", "quantize"])
def test_an_ir_that_cannot_be_meant_is_refused_where_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    x = ov.opset13.parameter([1, 3, 8, 8], np.float32, name="x")
    path = tmp_path / "m.xml"
    ov.save_model(ov.Model([ov.opset13.result(ov.opset13.clamp(x, 0.0, 6.0, name="six"))], [x], "m"), path)
    path.write_text(path.read_text().replace('max="6"', 'max="six"'))
    read_model(path)
    assert run([command, str(path), *(["--data", "random:"] if command == "quantize" else [])]) == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"{path}: Clamp 'six' (id 1): its attribute 'max' is 'six', expected a number")
    )


def test_the_models_of_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    (tmp_path / "net.xml").touch()
    with pytest.raises(UserError, match=r"no TensorFlow SavedModel; did you mean '.*net\.xml'\?$"):
        load_model(tmp_path)
    (tmp_path / "net_int8.xml").touch()
    with pytest.raises(UserError, match=r"no TensorFlow SavedModel; it holds net\.xml, net_int8\.xml$"):
        load_model(tmp_path)
