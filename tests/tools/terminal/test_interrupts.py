"""Ctrl-C: one line, whenever it comes, which says what the disk says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from irquant.tools.start import main; main()"]


def interrupted(process: "subprocess.Popen[str]") -> tuple[int, str]:
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return process.returncode, said.lstrip("\n")


def started(code: list[str], folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        code,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a shell
    )


def waited_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("module", "arguments"), [("click", []), ("numpy", ["quantize", "m.xml"])], ids=["start", "command"]
)
def test_an_interrupt_while_modules_are_imported_is_one_line(tmp_path: Path, module: str, arguments: list[str]) -> None:
    (tmp_path / f"{module}.py").write_text(
        "open('begun', 'w').close()\nimport time\n"
        "for _ in range(2):\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass\n"
    )
    code = "import sys; sys.path.insert(0, '.'); from irquant.tools.start import main; main()"
    process = started([sys.executable, "-c", code, *arguments], tmp_path)
    waited_for(tmp_path / "begun")
    assert interrupted(process) == (130, "error: interrupted; nothing was written\n")


@pytest.mark.parametrize("resume", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_an_interrupt_says_is_read_off_the_disk(model: Path, arrays: Path, tmp_path: Path, resume: bool) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\ncalls = []\ndef metric(predict):\n    calls.append(1)\n"
        "    if len(calls) > 1:\n        open('begun', 'w').close()\n        time.sleep(60)\n    return 1.0\n"
    )
    options = ["--data", str(arrays), "-o", "o.xml", "--save-statistics", "s.npz", "--metric", "slow.py:metric"]
    process = started(
        [*PROGRAM, "quantize", str(model), *options, *(["--resume", "t.jsonl"] if resume else [])], tmp_path
    )
    waited_for(tmp_path / "begun")
    code, said = interrupted(process)
    assert code == 130
    ending = "written: t.jsonl; the same command continues where it was" if resume else "nothing was written"
    assert said.splitlines()[-1] == f"error: interrupted; {ending}"
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__")
    assert left == ["begun", "slow.py", *(["t.jsonl"] if resume else [])]
