"""Models with one thing changed: each command works on them, or refuses them in one line.

`python tests/programs/mutated_models.py 3000 SEED MODEL.xml ...` runs a campaign.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

PROGRAM = Path(__file__).parents[1] / "programs" / "mutated_models.py"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Layers of several kinds, an index, and a branch."""
    rng = np.random.default_rng(0)
    ids, image = op.parameter([1, 4], np.int64, name="ids"), op.parameter([1, 3, 8, 8], np.float32, name="image")
    rows = op.gather(rng.normal(size=(9, 8)).astype(np.float32), ids, np.int64(0))
    layer = op.convolution(image, rng.normal(size=(4, 3, 3, 3)).astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    pooled = op.max_pool(op.clamp(layer, 0.0, 6.0), [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], "floor").output(0)
    flat = op.reshape(op.pad(pooled, [0, 0, 0, 0], [0, 0, 0, 0], "constant"), [1, 8, 8], special_zero=False)
    joined = op.concat([op.matmul(rows, rng.normal(size=(8, 8)).astype(np.float32), False, True), flat], 1)
    inside, other = op.parameter([1, 12, 8], np.float32), op.parameter([1, 12, 8], np.float32)
    branch = op.if_op(op.reduce_logical_or(op.greater(ids, np.int64(3)), np.array([0, 1]), False).output(0))
    branch.set_then_body(then := ov.Model([op.result(op.relu(inside))], [inside], "then"))
    branch.set_else_body(otherwise := ov.Model([op.result(op.sigmoid(other))], [other], "otherwise"))
    branch.set_input(joined.output(0), inside, other)
    taken = branch.set_output(then.results[0], otherwise.results[0])
    ov.save_model(ov.Model([op.result(op.softmax(taken, 2))], [ids, image], "net"), tmp_path / "net.xml", False)
    return tmp_path / "net.xml"


@pytest.mark.slow
def test_each_command_works_or_refuses_in_one_line(net: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "60", "0", str(net)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(found.values()) == 4 * 60
    assert min(found["quantize: result"], found["quantize: one line"]) > 15
