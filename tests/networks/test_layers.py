"""Single layers that nobody wrote: `IRQUANT_LAYERS` says how many, `IRQUANT_LAYERS_SEED` the first.

`python tests/programs/generated_layers.py --seed SEED --count 1` repeats a failure.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "programs" / "generated_layers.py"
COUNT, SEED = int(os.environ.get("IRQUANT_LAYERS", "60")), int(os.environ.get("IRQUANT_LAYERS_SEED", "1"))


@pytest.mark.slow
def test_each_is_quantized_right_at_sizes_of_real_models() -> None:
    command = [sys.executable, str(PROGRAM), "--seed", str(SEED), "--count", str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)  # counts, where CI shows them
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
