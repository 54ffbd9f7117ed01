"""How long reading and writing take, next to the runtime's own read + save in the same run.

    python tests/benchmarks/ir_io.py [LAYERS ...]

Makes models of that many layers (default: 1000 5000 20000 50000; those of 5000 have 200 MB of weights, the others
small ones) in a temporary folder. Each figure is the best of five runs, in a process of its own, imports excluded;
memory is the process's peak less what it had after importing.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_RUNS = 5


def make(path: Path, layers: int, channels: int) -> None:
    """A chain of (Const, Convolution, Const, Add, ReLU), as the runtime saves it."""
    import numpy as np
    import openvino as ov
    import openvino.opset13 as op

    rng = np.random.default_rng(0)
    data = tensor = op.parameter([1, channels, 16, 16], np.float32, name="x")
    for _ in range(layers // 5):
        kernel = rng.normal(size=(channels, channels, 3, 3)).astype(np.float32)
        bias = rng.normal(size=(1, channels, 1, 1)).astype(np.float32)
        tensor = op.relu(op.add(op.convolution(tensor, op.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1]), bias))
    ov.save_model(ov.Model([tensor], [data], "chain"), path, compress_to_fp16=False)


def _irquant() -> tuple[Callable[[Path], Any], Callable[[Any, Path], None]]:
    from irquant.ir import read_model, write_model

    return read_model, write_model


def _openvino() -> tuple[Callable[[Path], Any], Callable[[Any, Path], None]]:
    import openvino as ov

    core: Any = ov.Core()
    return core.read_model, lambda model, path: ov.save_model(model, path, compress_to_fp16=False)


def _peak() -> float:
    """Megabytes; of this process alone, which `ru_maxrss` would not be: it begins with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(tool: str, path: Path) -> None:
    """In a process of its own: prints seconds to read and to write, and the peak memory, as JSON."""
    read, write = {"irquant": _irquant, "openvino": _openvino}[tool]()
    before = _peak()
    start = time.perf_counter()
    model = read(path)
    middle = time.perf_counter()
    write(model, path.with_name("out.xml"))
    print(json.dumps({"read": middle - start, "write": time.perf_counter() - middle, "mb": _peak() - before}))


def _best(tool: str, path: Path) -> dict[str, float]:
    runs: list[dict[str, float]] = []
    for _ in range(_RUNS):
        command = [sys.executable, __file__, "--measure", tool, str(path)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {key: min(run[key] for run in runs) for key in runs[0]}


def main(sizes: list[int]) -> None:
    """Prints the table."""
    print("layers   xml MB  bin MB | irquant read  write  peak MB | openvino read  save  peak MB | ratio  us/layer")
    for layers in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xml"
            make(path, layers, 72 if layers == 5000 else 2)
            xml, weights = (path.with_suffix(suffix).stat().st_size / 1e6 for suffix in (".xml", ".bin"))
            ours, theirs = _best("irquant", path), _best("openvino", path)
            total = ours["read"] + ours["write"]
            print(
                f"{layers:6} {xml:8.2f} {weights:7.1f} | {ours['read']:12.3f} {ours['write']:6.3f} {ours['mb']:8.0f} | "
                f"{theirs['read']:13.3f} {theirs['write']:5.3f} {theirs['mb']:8.0f} | "
                f"{total / (theirs['read'] + theirs['write']):5.2f} {total / layers * 1e6:9.1f}"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main([int(size) for size in sys.argv[1:]] or [1000, 5000, 20000, 50000])
