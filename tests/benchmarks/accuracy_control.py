"""Keeping a metric within a drop: irquant next to NNCF's `quantize_with_accuracy_control`, one after the other.

    python tests/benchmarks/accuracy_control.py MODEL.xml DATA --metric module:function --max-drop D --nncf PYTHON

DATA is what `irquant quantize --data` takes; both get the same samples, from files. The metric is a function of
`predict` as `irquant quantize --metric` takes it; the Python that --nncf names (default: this one, if it has nncf) must
be able to import it, too. Options behind `--` go to `irquant quantize`. Printed for each: seconds of the whole process,
models that the metric was measured on (that of the float model included), the metric of the result and the share of its
executed layers that run in int8, both measured here in the same way.
"""

import argparse
import importlib
import importlib.util
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_COMPUTE = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_F32 = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
Feed = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--nncf", default=sys.executable if importlib.util.find_spec("nncf") else None)
    parser.add_argument("--nncf-preset", default="performance")
    parser.add_argument("--nncf-model-type", help="transformer, which NNCF must be told")
    own = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:own])
    options.more = sys.argv[own + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        _compare(options, Path(folder))


def _compare(options: Any, folder: Path) -> None:
    function, data = load(options.metric), folder / "data"
    _write_samples(options, data)
    print(f"{options.model.stem}, {options.metric}, max drop {options.max_drop:g}")
    _show("FP32", options.model, function)
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()", "quantize", str(options.model)]
    command += ["--data", str(data), "--metric", options.metric, "--max-drop", str(options.max_drop), *options.more]
    seconds, done = _timed([*command, "-o", str(folder / "irquant.xml"), "--resume", str(folder / "trials.jsonl")])
    sys.stderr.write(done.stderr)
    models = len((folder / "trials.jsonl").read_text().splitlines())
    _show("irquant", folder / "irquant.xml", function, seconds, models)
    if options.nncf:
        given = {**vars(options), "model": str(options.model), "data": str(data), "output": str(folder / "nncf.xml")}
        seconds, done = _timed([options.nncf, __file__, "--as-nncf", json.dumps(given)])
        models = json.loads(done.stdout.splitlines()[-1])["models"]
        _show("nncf", folder / "nncf.xml", function, seconds, models)


def _write_samples(options: Any, folder: Path) -> None:
    """One .npz file a sample."""
    from irquant.ir import read_model
    from irquant.passes.runtime.samples import checked_feed, model_inputs
    from irquant.tools.sources.data import open_source
    from irquant.tools.sources.image_options import ImageOptions

    folder.mkdir()
    inputs = model_inputs(read_model(options.model))
    source = open_source(options.data, inputs, ImageOptions())
    for index, sample in enumerate(itertools.islice(source, options.samples)):
        arrays: dict[str, Any] = checked_feed(sample, inputs)
        np.savez(folder / f"{index:05d}.npz", **arrays)


def _timed(command: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began, done


def _show(name: str, path: Path, function: Callable[..., float], seconds: float = 0.0, models: int = 0) -> None:
    import openvino as ov

    compiled = ov.Core().compile_model(path, "CPU", _F32)
    value = function(predicting(compiled))
    nodes = [op.get_rt_info() for op in compiled.get_runtime_model().get_ordered_ops()]
    kinds = [str(info["runtimePrecision"].astype(str)) for info in nodes if info["layerType"].astype(str) in _COMPUTE]
    int8 = sum(kind in ("i8", "u8") for kind in kinds)
    cost = f", {seconds:.1f} s, {models} models measured" if models else ""
    print(f"{name:8} metric {value:.5f}, int8 {int8}/{len(kinds)} = {int8 / max(len(kinds), 1):.0%}{cost}", flush=True)


def predicting(compiled: Any) -> Callable[[Mapping[str, Any]], Feed]:
    """What runs a compiled model on one sample and gives the outputs by name."""

    def predict(sample: Mapping[str, Any]) -> Feed:
        found = compiled(dict(sample))
        return {
            (port.names and port.any_name) or str(index): found[index] for index, port in enumerate(compiled.outputs)
        }

    return predict


def load(text: str) -> Callable[..., float]:
    """A function by `module:function` or `file.py:function`."""
    module, _, name = text.rpartition(":")
    if module.endswith(".py"):
        sys.path.insert(0, str(Path(module).parent))
        module = Path(module).stem
    sys.path.insert(0, "")
    found: Callable[..., float] = getattr(importlib.import_module(module), name)
    return found


def as_nncf(given: dict[str, Any]) -> None:
    """What runs in NNCF's Python."""
    import openvino as ov

    nncf: Any = importlib.import_module("nncf")
    function, calls = load(given["metric"]), itertools.count()
    feeds = [dict(np.load(path)) for path in sorted(Path(given["data"]).iterdir())]

    def validate(model: Any, _: Any) -> tuple[float, None]:
        next(calls)
        return float(function(predicting(model))), None

    kind = given["nncf_model_type"]
    result = nncf.quantize_with_accuracy_control(
        ov.Core().read_model(given["model"]),
        nncf.Dataset(feeds),
        nncf.Dataset([0]),
        validate,
        max_drop=given["max_drop"],
        subset_size=len(feeds),
        preset=nncf.QuantizationPreset(given["nncf_preset"]),
        model_type=nncf.ModelType(kind) if kind else None,
    )
    ov.save_model(result, given["output"], compress_to_fp16=False)
    print(json.dumps({"models": next(calls)}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-nncf"]:
        as_nncf(json.loads(sys.argv[2]))
    else:
        main()
