"""ONNX's own test cases, a share of them that is always the same; all: `python -m tests.programs.onnx_cases`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
#: How many cases; each is tried in up to three ways.
CASES = os.environ.get("IRQUANT_ONNX_CASES", "36")


def test_each_is_quantized_or_says_in_a_line_why_not() -> None:
    command = [sys.executable, "-m", "tests.programs.onnx_cases", "--cases", CASES, "--seed", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
