"""What calibration costs, next to plain inference over the same samples and to NNCF, interleaved in one run.

    python tests/benchmarks/calibration.py [MODEL.xml DATA] [--samples N] [--rounds N] [--nncf PYTHON]

Default: the network of `irquant demo`. DATA is what `irquant quantize --data` takes; samples are repeated until there
are N (default: 300). Each round runs, in processes of their own: the float model over all samples, read from the same
files, with throughput settings; `irquant quantize`; and NNCF's `quantize` with the Python that --nncf names (default: this one, if it has
nncf). Printed: the best time of each, the median of the rounds' ratios, inferences and compilations counted in the
process, peak memory.

    python tests/benchmarks/calibration.py MODEL.xml DATA --memory

prints time and peak memory of `irquant quantize` for 100 to 3,000 samples instead.
"""

import argparse
import gc
import importlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

_MEMORY = (100, 300, 1000, 3000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nncf", default=sys.executable if importlib.util.find_spec("nncf") else None)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.model is None:
            options.model, options.data = _demo(Path(folder))
        if options.memory:
            _memory(options.model, options.data, Path(folder))
        else:
            _compare(options, Path(folder))


def _demo(folder: Path) -> tuple[Path, str]:
    import irquant.tools.demo

    demo = Path(str(irquant.tools.demo.__file__)).parent
    with np.load(demo / "digits.npz") as file:
        np.savez(folder / "digits.npz", image=file["calibration_images"])
    return demo / "digits_cnn.xml", str(folder / "digits.npz")


def _compare(options: Any, folder: Path) -> None:
    data = _repeated(options.model, options.data, options.samples, folder)
    programs = {"plain": sys.executable, "irquant": sys.executable} | ({"nncf": options.nncf} if options.nncf else {})
    rounds = [
        {name: _run(python, name, options.model, data, folder) for name, python in programs.items()}
        for _ in range(options.rounds)
    ]
    print(f"{options.model.stem}, {options.samples} samples, best of {options.rounds} interleaved rounds")
    best = {name: min((each[name] for each in rounds), key=lambda it: it["process"]) for name in programs}
    plain = min(each["plain"]["work"] for each in rounds)
    per_sample = plain / options.samples * 1e3
    print(f"plain throughput inference: {plain:.2f} s with its compilation, {per_sample:.2f} ms a sample")
    for name in list(programs)[1:]:
        ratios = [each[name]["work"] / each["plain"]["work"] for each in rounds]
        process = [each[name]["process"] / each["irquant"]["process"] for each in rounds]
        what = "calibration" if name == "irquant" else "quantize()"
        print(
            f"{name}: {what} {min(each[name]['work'] for each in rounds):.2f} s = {statistics.median(ratios):.2f}x plain; "
            f"whole process {best[name]['process']:.2f} s (irquant's x {statistics.median(process):.2f}), "
            f"peak {max(each[name]['memory'] for each in rounds):.0f} MB; "
            f"{best[name]['inferences']} inferences, {best[name]['compilations']} compilations"
        )


def _memory(model: Path, data: str, folder: Path) -> None:
    print("| samples | calibration s | peak MB |\n| --- | --- | --- |")
    for samples in _MEMORY:
        found = _run(sys.executable, "irquant", model, _repeated(model, data, samples, folder), folder, samples)
        print(f"| {samples:,} | {found['work']:.2f} | {found['memory']:.0f} |", flush=True)


def _repeated(model: Path, data: str, samples: int, folder: Path) -> Path:
    """Files of one sample each, so that memory does not depend on how the data are stored; links for repetitions."""
    from irquant.ir import read_model
    from irquant.passes.runtime.samples import checked_feed, model_inputs
    from irquant.tools.sources.data import open_source
    from irquant.tools.sources.image_options import ImageOptions

    inputs = model_inputs(read_model(model))
    target = folder / f"{samples}"
    target.mkdir()
    files: list[Path] = []
    for index, sample in enumerate(islice(open_source(data, inputs, ImageOptions()), samples)):
        feed = checked_feed(sample, inputs)
        files.append(target / f"{index:06}{'.npz' if len(feed) > 1 else '.npy'}")
        if len(feed) > 1:
            np.savez(files[-1], **feed)  # type: ignore[arg-type]
        else:
            np.save(files[-1], next(iter(feed.values())))
    for index, file in zip(range(len(files), samples), cycle(list(files)), strict=False):
        (target / f"{index:06}{file.suffix}").symlink_to(file)
    return target


def _run(python: str, name: str, model: Path, data: Path, folder: Path, samples: int = 0) -> dict[str, float]:
    """Runs one of the programs below in a process; adds what the system says of it."""
    result = folder / "result.json"
    command = [python, __file__, name, model, data, folder / "out.xml", result, samples or len(list(data.iterdir()))]
    start = time.perf_counter()
    process = os.posix_spawn(
        python,
        [str(each) for each in command],
        {**os.environ, "IRQUANT_BENCHMARK": "1"},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{name} failed")
    found: dict[str, float] = json.loads(result.read_text())
    return found | {"process": time.perf_counter() - start, "memory": usage.ru_maxrss / 1024}


# ----------------------------------------------------------------------------- what runs in the processes


def _plain(model: Path, data: Path, _: Path, _samples: int) -> float:
    import openvino as ov

    core = ov.Core()
    inputs = core.read_model(model)
    start = time.perf_counter()
    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    queue = ov.AsyncInferQueue(core.compile_model(model, "CPU", options))
    for feed in _feeds(data, inputs):
        queue.start_async(feed)
    queue.wait_all()
    return time.perf_counter() - start


def _irquant(model: Path, data: Path, output: Path, samples: int) -> float:
    from irquant.passes.calibration.calibrate import Calibrate
    from irquant.tools.cli import run

    gc.freeze()
    gc.enable()
    seconds: list[float] = []
    original = Calibrate.run

    def timed(*args: Any) -> int:
        start = time.perf_counter()
        changes = original(*args)
        seconds.append(time.perf_counter() - start)
        return changes

    setattr(Calibrate, "run", timed)  # noqa: B010
    arguments = ["quantize", str(model), "--data", str(data), "-o", str(output), "--samples", str(samples)]
    if run(arguments):
        sys.exit("irquant failed")
    return seconds[0]


def _nncf(model: Path, data: Path, output: Path, _: int) -> float:
    nncf: Any = importlib.import_module("nncf")
    import openvino as ov

    network = ov.Core().read_model(model)
    feeds = list(_feeds(data, network))
    start = time.perf_counter()
    quantized = nncf.quantize(network, nncf.Dataset(feeds), subset_size=len(feeds))
    seconds = time.perf_counter() - start
    ov.save_model(quantized, output, compress_to_fp16=False)
    return seconds


def _feeds(data: Path, model: Any) -> Iterator[dict[str, Any]]:
    """The samples, keyed by the inputs' names."""
    for path in sorted(data.iterdir()):
        if path.suffix == ".npy":
            yield {model.inputs[0].get_any_name(): np.load(path)}
            continue
        with np.load(path) as file:
            yield {port.get_any_name(): file[name] for port, name in zip(model.inputs, file.files, strict=True)}


def _counted(program: Callable[[Path, Path, Path, int], float], arguments: list[str]) -> dict[str, float]:
    """Runs a program and counts what it asks of the runtime."""
    import openvino as ov

    counts = {"compilations": 0, "inferences": 0}

    def counting(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            counts[what] += 1
            return original(*args, **options)

        setattr(owner, name, wrapped)

    counting(ov.Core, "compile_model", "compilations")
    for owner, name in (
        (ov.InferRequest, "infer"),
        (ov.InferRequest, "start_async"),
        (ov.AsyncInferQueue, "start_async"),
    ):
        counting(owner, name, "inferences")
    model, data, output, _, samples = arguments
    return {"work": program(Path(model), Path(data), Path(output), int(samples)), **counts}


if __name__ == "__main__":
    if "IRQUANT_BENCHMARK" in os.environ:
        program = {"plain": _plain, "irquant": _irquant, "nncf": _nncf}[sys.argv[1]]
        if program is _irquant:
            gc.disable()  # begins and ends as the command does: see tools/start.py
        Path(sys.argv[5]).write_text(json.dumps(_counted(program, sys.argv[2:7])))
        if program is _irquant:
            os._exit(0)
    else:
        main()
