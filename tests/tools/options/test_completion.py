"""What a shell completes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irquant.targets import target_names
from irquant.tools.cli import run
from irquant.tools.sources.image_options import FILTERS

DOCUMENT = Path(__file__).parents[3] / "docs" / "quick_start.md"


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> "Completed":
    return Completed(monkeypatch, capfd)


class Completed:
    """Asks as bash does: gives kind and value of what would be completed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, words: str) -> list[str]:
        self._monkeypatch.setenv("_IRQUANT_COMPLETE", "bash_complete")
        self._monkeypatch.setenv("COMP_WORDS", words)
        self._monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        with pytest.raises(SystemExit) as ended:
            run([])
        assert ended.value.code == 0
        return self._capfd.readouterr().out.split()


def test_values_are_completed(completed: Completed) -> None:
    assert completed("irquant quantize --preset m") == ["plain,mixed"]
    assert completed("irquant quantize --resize-filter ") == [f"plain,{each}" for each in FILTERS]
    names = [each.removeprefix("plain,") for each in completed("irquant explain m.xml --target ")]
    assert names[: len(target_names())] == target_names()
    assert "any" in names
    assert completed("irquant targets show gp") == ["plain,gpu"]
    assert completed("irquant quantize --layout nc") == ["plain,NCHW"]
    assert completed("irquant quantize m.xml --cluster ") == ["plain,local"]


@pytest.mark.parametrize(
    "words",
    [
        "quantize m",
        "quantize m.xml --data photos/",
        "quantize m.xml --target mine",
        "quantize m.xml --metric met",
        "quantize m.xml -o o",
        "quantize m.xml --config c",
        "zoo batch",
        "zoo batch.yaml --report r",
        "targets check mine",
        "opt m.xml --pipeline mine",
    ],
)
def test_files_are_completed_by_the_shell(completed: Completed, words: str) -> None:
    assert completed(f"irquant {words}") == [f"file,{words.rpartition(' ')[2]}"]


def test_folders_are_completed_by_the_shell(completed: Completed) -> None:
    assert completed("irquant opt m.xml --dump-dir d") == ["dir,d"]


def test_the_default_pipeline_is_completed(completed: Completed) -> None:
    assert completed("irquant opt m.xml --pipeline d") == ["plain,default-quantization"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_line_of_the_documents_switches_completion_on_in_bash(tmp_path: Path) -> None:
    if not DOCUMENT.is_file():
        pytest.skip("the documents are not part of the wheel")
    (line,) = re.findall(r"^eval .*bash_source.*$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    program = tmp_path / "irquant"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m irquant "$@"\n')
    program.chmod(0o755)
    script = f"{line}\nCOMP_WORDS=(irquant targets show gp); COMP_CWORD=3; _irquant_completion irquant; echo ${{COMPREPLY[@]}}"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("gpu\n", "")
