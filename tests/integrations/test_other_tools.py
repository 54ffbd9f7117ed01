"""irquant in Olive and with Optimum Intel, as docs/other_tools.md shows it; `make integrations` installs both."""

import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import openvino as ov
import pytest
import yaml

from irquant.ir import read_model
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


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("olive"), reason="needs Olive")
def test_the_workflow_of_olive_gives_an_int8_model(tmp_path: Path) -> None:
    for name, text in files_of_page().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "float_model").mkdir()
    ov.serialize(classifier(), tmp_path / "float_model" / "m.xml", tmp_path / "float_model" / "m.bin")
    program = [sys.executable, "-m", "olive", "run"]
    options = ["--config", "workflow.yaml", "--package-config", "package.yaml"]
    done = subprocess.run([*program, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "int8_model").rglob("*.xml")
    assert [*read_model(result).nodes("FakeQuantize")]


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
