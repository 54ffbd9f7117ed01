"""The code of each recipe runs on a small network of its family, and no result is poor."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from irquant.tools.cli import run
from tests.documents import ROOT, commands, run_document
from tests.recipes.scenes import SCENES

RECIPES = ROOT / "docs" / "recipes"
if not RECIPES.is_dir():
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)

PAGES = sorted(path.stem for path in RECIPES.glob("*.md") if path.stem != "index")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_data", raising=False)  # of another recipe
    SCENES[name](tmp_path)
    text = (RECIPES / f"{name}.md").read_text(encoding="utf-8")
    run_document(text, tmp_path)
    compared = [line for line in commands(text) if line.startswith("irquant compare ")]
    results = [comparison(line, capfd) for line in compared]
    for result in results:
        assert {each["verdict"] for each in result["outputs"]} <= {"good", "fair"}
        assert result["second"]["int8_layers"] + result["second"]["compressed_layers"] > 0
    for shown in re.findall(r"small network that the tests run here[^.]* has (\d+) dB", text):
        worst = min(each["sqnr"] for result in results for each in result["outputs"])
        assert worst == pytest.approx(float(shown), abs=3)


def comparison(command: str, capfd: pytest.CaptureFixture[str]) -> Any:
    """What a command of a recipe finds, without latencies."""
    capfd.readouterr()
    assert run([*shlex.split(command)[1:], "--no-latency", "--json"]) == 0, command
    return json.loads(capfd.readouterr().out)


def test_the_index_names_each_recipe() -> None:
    index = (RECIPES / "index.md").read_text(encoding="utf-8")
    assert sorted(SCENES) == PAGES
    assert [name for name in PAGES if f"({name}.md)" not in index] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_recipe_answers_the_same_questions(name: str) -> None:
    text = (RECIPES / f"{name}.md").read_text(encoding="utf-8")
    assert {"## What to feed", "## What to expect"} <= {*text.splitlines()}
    assert "irquant compare " in text
