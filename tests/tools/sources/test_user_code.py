"""Tests of the loading of the user's Python code."""

import sys
from pathlib import Path

import pytest

from irquant.tools.sources.user_code import load_function


def test_a_script_gets_no_compiled_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's folder may be read by other programs, and `python file.py` leaves nothing there either."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    script = tmp_path / "mine.py"
    script.write_text("def samples(): return [1]\n")
    assert load_function(f"{script}:samples")() == [1]
    assert list(tmp_path.iterdir()) == [script]
