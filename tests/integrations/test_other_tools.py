"""irquant in Olive and with Optimum Intel, as docs/other_tools.md shows it; `make integrations` installs both."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from irquant.ir import UserError, read_model
from tests.documents import ROOT
from tests.recipes.vision import classifier

PAGE = ROOT / "docs" / "other_tools.md"
if not PAGE.is_file():
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)

#: A small encoder with random weights, as Transformers saves it.
BERT = """
from transformers import BertConfig, BertForSequenceClassification
sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
BertForSequenceClassification(BertConfig(vocab_size=200, max_position_embeddings=64, **sizes)).save_pretrained("bert")
"""


def files_of_page() -> Mapping[str, str]:
    """The blocks of the page that name a file, by that name."""
    found = re.findall(r"^```\w+\n(# (\w+\.\w+):.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return {name: text for text, name in found}


def test_the_package_configuration_names_the_pass() -> None:
    """Olive would say so only when the workflow runs."""
    (given,) = yaml.safe_load(files_of_page()["package.yaml"])["passes"].values()
    module, _, name = given["module_path"].rpartition(".")
    spec = find_spec(module)
    assert spec
    assert spec.origin
    assert f"class {name}(" in Path(spec.origin).read_text(encoding="utf-8")


def _openvino_model(folder: Path) -> None:
    ov.serialize(classifier(), folder / "m.xml", folder / "m.bin")


def _onnx_model(folder: Path) -> None:
    """A convolution over the images of the page."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 62, 62])
    weights = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "w"], ["y"])]
    graph = helper.make_graph(nodes, "m", [image], [result], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "m.onnx")


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("olive"), reason="needs Olive")
@pytest.mark.parametrize(
    ("write", "input_model"),
    [
        (_openvino_model, "OpenVINOModel, model_path: float_model"),
        (_onnx_model, "ONNXModel, model_path: float_model/m.onnx"),
    ],
)
def test_the_workflow_of_olive_gives_an_int8_model(
    tmp_path: Path, write: Callable[[Path], None], input_model: str
) -> None:
    for name, text in files_of_page().items():
        given = text.replace("OpenVINOModel, model_path: float_model", input_model)
        (tmp_path / name).write_text(given, encoding="utf-8")
    (tmp_path / "float_model").mkdir()
    write(tmp_path / "float_model")
    program = [sys.executable, "-m", "olive", "run"]
    options = ["--config", "workflow.yaml", "--package-config", "package.yaml"]
    done = subprocess.run([*program, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "int8_model").rglob("*.xml")
    assert [*read_model(result).nodes("FakeQuantize")]


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("olive"), reason="needs Olive")
def test_the_pass_for_olive_refuses_other_models_by_kind() -> None:
    path_of = import_module("irquant.tools.olive_pass")._path_of
    message = "a model of object: expected an ONNX or OpenVINO model; convert it with a pass before"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        path_of(object())


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("optimum"), reason="needs Optimum Intel")
def test_the_code_for_optimum_gives_an_int8_model(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"^```python\n(import numpy as np\nimport torch.*?)^```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    done = subprocess.run(
        [sys.executable, "-c", BERT + code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [*read_model(tmp_path / "bert_int8" / "openvino_model.xml").nodes("FakeQuantize")]
