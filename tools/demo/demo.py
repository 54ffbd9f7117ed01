"""`irquant demo`: quantizes the network that ships with the package, and measures it against the float one.

The network reads handwritten digits (see DATA.txt and train.py). It was trained on 1097 images. Calibration uses the
200 images of `calibration_images`, accuracy the 500 labelled `test_images`. No image is in two of these sets.
"""

import io
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from irquant.ir import Array, printable, read_model
from irquant.passes import Report
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.evaluation.latency import default_mode, in_turn
from irquant.passes.evaluation.verify_execution import executed_layers
from irquant.passes.files.model_place import FilePlace
from irquant.passes.files.run_files import check_run_files
from irquant.passes.infra.progress import Progress
from irquant.passes.jobs.quantize_job import QuantizeJob
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.resolved import ResolvedOptions
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import INSPECTION
from irquant.passes.runtime.samples import Sample, ValidationSample, checked_feed, model_inputs
from irquant.targets.target import HERE, Target
from irquant.tools.terminal.console import decibels, megabytes

#: The default target, which stands for the CPU of this machine; all others name a certain device.
_DEFAULT = "cpu"
_LATENCY_SECONDS = 2.0
_CALIBRATION = "digits_calibration.npz"


@dataclass(frozen=True)
class ModelFigures:
    """Measured figures of one of the two models.

    Attributes:
        weights: Bytes of the .bin.
        size: Bytes of .xml and .bin together.
        outputs: The logits of every test image.
        accuracy: The share of test images whose digit is recognised.
        int8: Executed convolutions and matrix products that ran in int8.
        layers: All executed convolutions and matrix products.
    """

    weights: int
    size: int
    outputs: list[Array]
    accuracy: float
    int8: int
    layers: int


@dataclass(frozen=True)
class Demo:
    """The findings of the demo.

    Attributes:
        float_model: The float network.
        int8_model: The result.
        latencies: The median seconds of one inference of each.
        report: The report of the quantization.
        target: The device that the result is for; all figures are measured on this machine's CPU.
        folder: The folder with both models and the calibration data; None: they are not kept.
    """

    float_model: ModelFigures
    int8_model: ModelFigures
    latencies: Sequence[float]
    report: Report
    target: Target
    folder: Path | None

    @property
    def sqnr(self) -> float:
        """How close the outputs are, in dB."""
        return sqnr(self.float_model.outputs, self.int8_model.outputs)


def demo(kept: Path | None, progress: Progress, *, target: str | None = None, force: bool = False) -> Demo:
    """Quantizes a small trained network and compares FP32 with INT8 on this machine.

    Args:
        kept: The folder to keep both models and the calibration data in; None: they are not kept.
        progress: Called during long work.
        target: The name of the target, or the path of its file; the result is measured on this machine's CPU anyway.
        force: Whether files in it that irquant did not make may be replaced.
    """
    options = ResolvedOptions.of(ConfigFile(), target)
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    with nullcontext(str(kept)) if kept else tempfile.TemporaryDirectory() as folder:
        float_path, int8_path = Path(folder) / "digits_fp32.xml", Path(folder) / "digits_int8.xml"
        data = _unpack(float_path, force=force)
        job = QuantizeJob(FilePlace(float_path, int8_path), options, force=force)
        report = job.run(job.load(), list(data["calibration_images"]), progress=progress).report
        pair = [_measure(path, data["test_images"], data["test_labels"]) for path in (float_path, int8_path)]
        latencies = _latencies([float_path, int8_path], data["test_images"][:1])
    return Demo(pair[0], pair[1], latencies, report, options.target, kept)


def print_demo(found: Demo) -> None:
    """Prints the findings as tables."""
    console = Console(highlight=False)
    console.print(_table(found))
    if found.target.name != _DEFAULT:
        console.print(printable(_measured_here(found.target)), markup=False, soft_wrap=True)
    console.print(_passes_table(found.report))
    if found.folder:
        files = f"digits_fp32.xml, digits_int8.xml and {_CALIBRATION}"
        console.print(printable(f"kept: {files} in {found.folder}"), markup=False, soft_wrap=True)


def _measured_here(target: Target) -> str:
    """The line about figures of this CPU for a model that is quantized for a certain device."""
    return (
        f"quantized for target {target.name}: the accuracy, SQNR, latency and int8 layers above are measured on the "
        "CPU of this machine, and may differ on the target's device"
    )


def demo_values(found: Demo) -> dict[str, Any]:
    """The findings for scripts."""
    return {
        "float": _values(found.float_model, found.latencies[0]),
        "int8": _values(found.int8_model, found.latencies[1]),
        "images": len(found.int8_model.outputs),
        "sqnr": round(found.sqnr, 2),
        "target": found.target.name,
        "measured_on": HERE,
        "folder": found.folder and str(found.folder),
    }


def _values(model: ModelFigures, seconds: float) -> dict[str, Any]:
    return {
        "weights_bytes": model.weights,
        "accuracy": round(model.accuracy, 4),
        "median_ms": round(seconds * 1e3, 4),
        "int8_layers": model.int8,
        "executed_layers": model.layers,
    }


def _unpack(path: Path, *, force: bool) -> dict[str, Array]:
    """Copies the packaged network to `path`, the calibration data beside it, and returns all packaged images."""
    files = resources.files("irquant.tools.demo")
    with (files / "digits.npz").open("rb") as file, np.load(file) as arrays:
        data = dict(arrays)
    calibration = io.BytesIO()
    np.savez_compressed(calibration, image=data["calibration_images"])
    packed = {path.with_suffix(suffix): (files / f"digits_cnn{suffix}").read_bytes() for suffix in (".xml", ".bin")}
    packed[path.with_name(_CALIBRATION)] = calibration.getvalue()
    writes = [("the float model" if each.stem == path.stem else "the calibration data", each) for each in packed]
    check_run_files((), writes, force=force, is_own=lambda each: each.read_bytes() == packed[each])
    for each, content in packed.items():
        each.write_bytes(content)
    return data


def _measure(path: Path, images: Array, labels: Array) -> ModelFigures:
    inputs = model_inputs(read_model(path))
    samples = [Sample(f"test image {index}", image) for index, image in enumerate(images)]
    outputs: list[Array] = []
    engine = Engine(path, INSPECTION)
    feeds = (ValidationSample(sample, checked_feed(sample, inputs), []) for sample in samples)
    engine.run(feeds, lambda _, arrays: outputs.append(arrays[0].copy()))
    layers = executed_layers(engine.execution())
    return ModelFigures(
        weights=path.with_suffix(".bin").stat().st_size,
        size=sum(path.with_suffix(suffix).stat().st_size for suffix in (".xml", ".bin")),
        outputs=outputs,
        accuracy=float(np.mean([output.argmax() == label for output, label in zip(outputs, labels, strict=True)])),
        int8=sum(layer.is_int8 for layer in layers),
        layers=len(layers),
    )


def _latencies(paths: Sequence[Path], image: Array) -> list[float]:
    """The median seconds of one inference of each model, in turn, as users without options run them."""
    engines = [Engine(path, default_mode().properties) for path in paths]
    feed = checked_feed(Sample("image", image), model_inputs(read_model(paths[0])))
    taken = in_turn(engines, [[feed] * len(engines)], _LATENCY_SECONDS)
    return [float(each) for each in np.median(taken, axis=0)]


def _table(found: Demo) -> Table:
    float_, int8, latencies = found.float_model, found.int8_model, found.latencies
    table = Table("", "FP32", "INT8", "", title="handwritten digits, on this machine")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, before, after in (
        ("weights (.bin)", float_.weights, int8.weights),
        (".xml + .bin", float_.size, int8.size),
    ):
        table.add_row(name, megabytes(before), megabytes(after), f"{before / after:.1f}x smaller")
    count, change = len(int8.outputs), int8.accuracy - float_.accuracy
    table.add_row(f"accuracy ({count} test images)", f"{float_.accuracy:.1%}", f"{int8.accuracy:.1%}", f"{change:+.1%}")
    table.add_row("output SQNR", "", decibels(found.sqnr), "")
    speed = latencies[0] / latencies[1]
    title = f"latency in {default_mode().precision} (median)"
    table.add_row(title, *(f"{value * 1e3:.3f} ms" for value in latencies), f"{speed:.1f}x as fast")
    table.add_row("layers run in int8", *(f"{each.int8} of {each.layers}" for each in (float_, int8)), "")
    return table


def _passes_table(report: Report) -> Table:
    title = f"passes ({report.samples} + {report.held_out} held out)"
    table = Table("pass", "changes", "time", title=title, min_width=44)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, result in report.results.items():
        table.add_row(name, str(result.changes), f"{result.seconds * 1e3:.0f} ms")
    return table
