"""Passes that the command line names: each file is read once, and the user's own classes are known."""

from pathlib import Path

import pytest

from irquant.ir.user_files import read_user_text
from irquant.passes import QuantizationConfig
from irquant.passes.infra.pass_spec import PassSpecError
from irquant.tools.sources.pass_source import passes_from

CODE = """
from irquant.passes import Pass

class Mine(Pass):
    name = "mine"

    def run(self, graph, context):
        return 0
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "p.yaml").write_text("- normalize\n- code.py:Mine\n")
    return tmp_path / "p.yaml"


def test_passes_of_files_come_before_those_of_texts(pipeline: Path) -> None:
    found = passes_from([str(pipeline)], ["plan-placement,code.py:Mine"], QuantizationConfig())
    assert [each.name for each in found.passes] == ["normalize", "mine", "plan-placement", "mine"]
    assert found.classes == ("code.py:Mine", "code.py:Mine")


def test_a_pipeline_file_is_read_once(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = read_user_text

    def reading(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr("irquant.passes.infra.pipeline_file.read_user_text", reading)
    passes_from([str(pipeline)], [], QuantizationConfig())
    assert read.count(pipeline) == 1


def test_the_default_pipeline_names_no_class() -> None:
    found = passes_from(["default-quantization"], [], QuantizationConfig())
    assert len(found.passes) == 28
    assert not found.classes


def test_nothing_gives_nothing() -> None:
    assert passes_from([], [], QuantizationConfig()).passes == ()


def test_what_is_no_pipeline_is_refused() -> None:
    with pytest.raises(PassSpecError) as caught:
        passes_from(["mine"], [], QuantizationConfig())
    assert str(caught.value) == "no pipeline 'mine'; there is default-quantization; or give the path of a .yaml file"
