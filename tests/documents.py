"""Runs what a document shows, as a reader would."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import json5
import pytest
import yaml

from irquant.tools.cli import run

ROOT = Path(__file__).parents[1]
#: A fence with its language; the first line of what it holds may name a file, in a comment.
_FENCE = re.compile(r"^```(\w*)\n((?:(?:#|//) (\w+\.\w+)(?::.*?)?\n)?.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    file: str

    def run(self, names: dict[str, object]) -> None:
        """Does with a block what a reader would, in the current folder, which holds the files that blocks name."""
        match self.language:
            case "sh":
                for line in commands(self.text):
                    _run_line(line)
            case "python":
                exec(compile(self.text, self.file or "block", "exec"), names if not self.file else {})
            case "json":
                json5.loads(self.text)
            case "yaml":
                yaml.safe_load(self.text)
            case "text":
                pass  # what a command shows
            case other:
                pytest.fail(f"a block of '{other}', which nobody here can run:\n{self.text}")


def commands(text: str) -> list[str]:
    """The commands of a shell, with continued lines joined."""
    return re.sub(r" \\\n\s*", " ", text).splitlines()


def _run_line(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True) or [""]
    if program == "irquant":
        assert run(arguments) == (1 if arguments[0] == "diff" else 0), line
    elif program == "python":
        if arguments[0].startswith("tests/"):
            arguments[0] = str(ROOT / arguments[0])
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert not program, f"only irquant and python can be run here: {line}"


def run_document(text: str, folder: Path) -> None:
    """Writes the files that a document shows, and runs its blocks in order in the current folder."""
    found = [Block(*groups) for groups in _FENCE.findall(text)]
    assert text.count("```") == 2 * len(found), "each fence is closed"
    for block in found:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    names: dict[str, object] = {}
    for block in found:
        block.run(names)
