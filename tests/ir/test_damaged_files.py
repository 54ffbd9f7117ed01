"""Thousands of damaged files: `IRQUANT_DAMAGED_FILES` says how many; CI takes 20,000."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "programs" / "damaged_files.py"


def test_each_is_read_or_refused_with_a_reason(conv: Path, branches: Path, old: Path) -> None:
    cases = int(os.environ.get("IRQUANT_DAMAGED_FILES", "500"))
    seed = int.from_bytes(os.urandom(4), "little")
    command = [sys.executable, str(PROGRAM), str(cases), str(seed), str(conv), str(branches), str(old)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    found = json.loads(done.stdout)
    print(found)  # noqa: T201 - the seed and the counts, where CI shows them
    assert found.pop("seed") == seed
    assert sum(found.values()) == cases
    assert found["read"] > cases / 10
    assert found["refused"] > cases / 10
