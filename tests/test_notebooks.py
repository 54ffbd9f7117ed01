"""The notebooks of the documentation run from top to bottom, and are stored without results."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.documents import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
if not NOTEBOOKS:
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)


def opened(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file."""
    notebook: nbformat.NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_holds_no_results(path: Path) -> None:
    notebook = opened(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


@pytest.mark.slow
def test_the_quick_start_runs(tmp_path: Path) -> None:
    notebook = opened(ROOT / "docs" / "notebooks" / "quick_start.ipynb")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.source.splitlines()[-1]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert shown["result.report"][-1]["data"]["text/html"].startswith("<iframe srcdoc=")
    before, after = ast.literal_eval(shown["before, after"][-1]["data"]["text/plain"])
    assert after >= before - 0.01
    (verdicts,) = (outputs[-1]["data"]["text/plain"] for line, outputs in shown.items() if "output.verdict" in line)
    assert ast.literal_eval(verdicts)[0][:2] == ("logits", "good")
    assert (tmp_path / "digits_int8.bin").is_file()
