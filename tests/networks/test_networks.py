"""Networks that nobody wrote: `IRQUANT_NETWORKS` says how many, `IRQUANT_NETWORKS_SEED` the first ("any": drawn).

A failure prints the seed of its network, and a smaller network that fails alike. So does
`python tests/programs/generated_networks.py --seed SEED --count 1`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parents[1] / "programs" / "generated_networks.py"
COUNT = int(os.environ.get("IRQUANT_NETWORKS", "300"))
_FIRST = os.environ.get("IRQUANT_NETWORKS_SEED", "20000")
SEED = int.from_bytes(os.urandom(3), "little") if _FIRST == "any" else int(_FIRST)
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_each_is_quantized_right_or_not_at_all(part: int) -> None:
    first, last = (COUNT * each // PARTS for each in (part, part + 1))
    command = [sys.executable, str(PROGRAM), "--seed", str(SEED + first), "--count", str(last - first)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)  # seed and counts, where CI shows them
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
