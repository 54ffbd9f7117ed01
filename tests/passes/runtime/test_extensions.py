"""Operations that OpenVINO has not, from an extension: written in Python here, in C++ in libraries."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import UserError
from irquant.passes import Report, quantize
from irquant.passes.runtime.core import ExtensionError, RuntimeRejectedError, check_extensions
from irquant.tools.cli import run

RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
PYTHON = """
import openvino as ov
class Twice(ov.Op):
    class_type_info = ov.DiscreteTypeInfo("Twice", "extension")
    def __init__(self, inputs=None):
        super().__init__(self)
        if inputs is not None:
            self.set_arguments(inputs)
            self.constructor_validate_and_infer_types()
    def get_type_info(self):
        return Twice.class_type_info
    def validate_and_infer_types(self):
        self.set_output_type(0, self.get_input_element_type(0), self.get_input_partial_shape(0))
    def clone_with_new_inputs(self, inputs):
        return Twice(inputs)
    def visit_attributes(self, visitor):
        return True
    def has_evaluate(self):
        return True
    def evaluate(self, outputs, inputs):
        inputs[0].copy_to(outputs[0])
        outputs[0].data[...] = 2 * inputs[0].data
        return True
"""


@pytest.fixture(scope="module")
def twice() -> Any:
    """The class of an operation that doubles."""
    names: dict[str, Any] = {}
    exec(PYTHON, names)
    return names["Twice"]


@pytest.fixture(scope="module")
def net(twice: Any) -> ov.Model:
    """The operation between two convolutions."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    x.output(0).set_names({"x"})
    last: Any = op.convolution(x, _weights(8, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="a")
    last = op.convolution(twice([last.output(0)]), _weights(4, 8, 1), [1, 1], [0, 0], [0, 0], [1, 1], name="b")
    last.output(0).set_names({"y"})
    return ov.Model([op.result(last)], [x], "net")


def _weights(*shape: int) -> Any:
    return RNG.normal(size=(*shape, shape[-1])).astype(np.float32)


@pytest.fixture
def place(net: ov.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model, samples and the code of the operation."""
    ov.serialize(net, tmp_path / "net.xml")
    np.savez(tmp_path / "data.npz", x=np.stack(DATA))
    (tmp_path / "mine.py").write_text(PYTHON)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_in_memory_is_quantized_if_its_extensions_are_given(net: ov.Model, twice: Any) -> None:
    reports: list[Report] = []
    result = quantize(net, DATA, extensions=[twice], report=reports.append)
    assert [layer.name for layer in reports[0].layers if layer.is_int8] == ["a", "b"]
    assert "Twice" in [each.get_type_name() for each in result.get_ops()]
    core = ov.Core()
    core.add_extension(twice)
    one, other = (core.compile_model(each, "CPU")(DATA[0])[0] for each in (net, result))
    assert 0 < np.abs(one - other).max() < 0.1 * np.abs(one).max()


def test_without_them_the_model_says_what_it_lacks(net: ov.Model, place: Path) -> None:
    with pytest.raises(RuntimeRejectedError) as caught:
        quantize("net.xml", DATA)
    assert str(caught.value).startswith("the runtime cannot compile the model: Cannot create Twice layer ")
    where = "(--extension FILE, key 'extension' of a batch file, extensions=[...])"
    said = rf"; Twice \(layer 'Twice_\d+'\) may need an extension: name its library {re.escape(where)}"
    assert re.search(f"{said}$", str(caught.value))
    assert not list(place.glob("*_int8*"))


def test_a_type_that_an_opset_of_the_runtime_lacks_is_named_with_its_layer(place: Path) -> None:
    text = (place / "net.xml").read_text()
    (place / "net.xml").write_text(re.sub(r'type="Twice" version="\w+"', 'type="Twice" version="opset1"', text))
    with pytest.raises(RuntimeRejectedError) as caught:
        quantize("net.xml", DATA)
    reason = "Opset opset1 doesn't contain the operation with type: Twice"
    said = rf"the runtime cannot compile the model: {reason}; Twice \(layer 'Twice_\d+'\) may need an extension: "
    assert re.match(said, str(caught.value))


@pytest.mark.parametrize(
    "command",
    [
        "quantize net.xml --data data.npz --quiet",
        "analyze net.xml --data data.npz",
        "compare net.xml net.xml --data data.npz --no-latency",
        "opt net.xml --pipeline default-quantization --data data.npz -o o.xml",
        "explain net.xml",
        "inspect net.xml",
    ],
)
def test_each_command_that_reads_models_takes_extensions(place: Path, command: str) -> None:
    assert run([*command.split(), "--extension", "mine.py:Twice"]) == 0


@pytest.mark.slow
def test_a_zoo_takes_them_and_notices_when_they_change(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "batch.yaml").write_text("models:\n- {model: net.xml, data: data.npz, extension: mine.py:Twice}\n")
    assert run(["zoo", "batch.yaml"]) == 0
    (place / "mine.py").write_text(PYTHON + "\n# changed\n")
    capfd.readouterr()
    assert run(["zoo", "batch.yaml", "--dry-run"]) == 0
    assert capfd.readouterr().out.startswith("net: changed: extension\n")
    (place / "batch.yaml").write_text("models:\n- {model: net.xml, data: data.npz, extension: gone.so}\n")
    assert run(["zoo", "batch.yaml"]) == 1
    assert f"extension: {place / 'gone.so'}: no such file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("extension", "said"),
    [
        ("gone.so", "gone.so: no such file: expected the library of an OpenVINO extension"),
        ("gone.py:Twice", "gone.py: no such file"),
        ("mine.py:Thrice", "mine.py:Thrice: 'mine.py' has no 'Thrice'; did you mean 'Twice'?"),
        ("mine.py:ov", "<module 'openvino"),
    ],
)
def test_an_extension_that_is_none_is_one_line(
    place: Path, extension: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", "net.xml", "--data", "data.npz", "--extension", extension]) == 2
    captured = capfd.readouterr().err
    assert captured.startswith(f"error: {said}")
    assert captured.count("\n") == 1


def test_a_broken_library_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.so").write_bytes(b"no library")
    with pytest.raises(ExtensionError) as caught:
        check_extensions([tmp_path / "bad.so"])
    assert str(caught.value).startswith(f"{tmp_path}/bad.so: cannot be loaded as an OpenVINO extension: ")
    assert "file too short" in str(caught.value)


def test_an_operation_in_python_cannot_be_sent_to_a_cluster(net: ov.Model, twice: Any) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UserError) as caught:
        quantize(net, DATA, extensions=[twice], cluster="local")
    said = "an extension that is not a file cannot be sent to a cluster; give the path of a library"
    assert str(caught.value) == f"{twice}: {said}"


SOURCE = """
#include <openvino/core/extension.hpp>
#include <openvino/core/op_extension.hpp>
#include <openvino/op/op.hpp>
struct Twice : ov::op::Op {
    OPENVINO_OP("Twice", "extension");
    Twice() = default;
    Twice(const ov::OutputVector& in) : Op(in) { constructor_validate_and_infer_types(); }
    void validate_and_infer_types() override {
        set_output_type(0, get_input_element_type(0), get_input_partial_shape(0));
    }
    std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& in) const override {
        return std::make_shared<Twice>(in);
    }
    bool visit_attributes(ov::AttributeVisitor&) override { return true; }
    bool has_evaluate() const override { return true; }
    bool evaluate(ov::TensorVector& out, const ov::TensorVector& in) const override {
        out[0].set_shape(in[0].get_shape());
        for (size_t i = 0; i < in[0].get_size(); ++i) out[0].data<float>()[i] = 2 * in[0].data<float>()[i];
        return true;
    }
};
OPENVINO_CREATE_EXTENSIONS(std::vector<ov::Extension::Ptr>({std::make_shared<ov::OpExtension<Twice>>()}));
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operation as a library, where there is a compiler for it."""
    folder = tmp_path_factory.mktemp("library")
    home = Path(ov.__file__).parent
    (folder / "twice.cpp").write_text(SOURCE)
    shared = next(iter((home / "libs").glob("libopenvino.so*")), None)
    if shared is None or not (home / "include").is_dir():
        pytest.skip("this OpenVINO has no headers")
    # some wheels have the old form of strings
    abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(b'NSt7__cxx11' in shared.read_bytes())}"
    flags = ["-std=c++17", "-shared", "-fPIC", abi, f"-I{home / 'include'}", str(shared), "-o", "libtwice.so"]
    try:
        subprocess.run(["g++", "twice.cpp", *flags], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no compiler")
    return folder / "libtwice.so"


@pytest.mark.slow
def test_a_library_is_loaded_and_not_written_over(place: Path, library: Path) -> None:
    command = ["quantize", "net.xml", "--data", "data.npz", "--extension", str(library), "--quiet"]
    assert run(command) == 0
    assert run([*command[:-1], "--save-statistics", str(library)]) == 2


@pytest.mark.slow
def test_a_library_is_loaded_on_a_cluster_too(place: Path, library: Path) -> None:
    command = ["quantize", "net.xml", "--data", "data.npz", "--extension", str(library), "--quiet"]
    assert run(command) == 0
    assert run([*command, "-o", "again.xml", "--cluster", "local"]) == 0
    assert (place / "again.bin").read_bytes() == (place / "net_int8.bin").read_bytes()
