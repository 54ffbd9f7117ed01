"""Latency of the float model, of the INT8 model, and of the tuned INT8 model, in turn.

    python tests/benchmarks/tuning.py MODEL.xml DATA [MODEL.xml DATA ...] [--seconds 20] [--blocks 3]

Each model is quantized with the options of `irquant tune` and the seconds to measure. The tuned model is written with
and without the choice. Then all three models are compiled anew for each block and run in turn in the default mode of
this machine; the table has the median of the blocks' medians, and of the ratios within the blocks. "int8 before" and
"after" are the layers planned in int8; "dB" is the SQNR of the worst output before and after.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from irquant.passes import QuantizationConfig
from irquant.passes.evaluation.latency import default_mode, in_turn
from irquant.passes.files.model_place import FilePlace
from irquant.passes.jobs.quantize_job import QuantizeJob
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.resolved import ResolvedOptions
from irquant.passes.reporting.report import Report
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.load_model import load_model
from irquant.passes.runtime.samples import Feed, checked_feed, model_inputs
from irquant.passes.tuning.goals import TuningGoals
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_inputs import open_as

_FEEDS = 8


def quantized(model: Path, data: str, output: Path, tuning: TuningGoals | None) -> Report:
    """Quantizes a model, as the command line does."""
    job = QuantizeJob(FilePlace(model, output), ResolvedOptions.of(ConfigFile(config=QuantizationConfig())))
    graph = job.load()
    return job.run(graph, open_as(data, graph, ImageOptions()), tuning=tuning).report


def feeds_of(model: Path, data: str) -> list[Feed]:
    """The first samples."""
    graph = load_model(model)
    samples = open_as(data, graph, ImageOptions())
    return [checked_feed(sample, model_inputs(graph)) for sample, _ in zip(samples, range(_FEEDS), strict=False)]


def worst(report: Report) -> float:
    """The SQNR of the worst output in dB."""
    return min((each.sqnr for each in report.check.outputs or ()), default=float("nan"))


def row(model: Path, data: str, seconds: float, blocks: int) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        plain, tuned = Path(folder) / "plain.xml", Path(folder) / "tuned.xml"
        before = quantized(model, data, plain, None)
        after = quantized(model, data, tuned, TuningGoals(seconds))
        medians, feeds, mode = [], feeds_of(model, data), default_mode()
        for _ in range(blocks):
            engines = [Engine(path, mode.properties) for path in (model, plain, tuned)]
            taken = in_turn(engines, [[feed] * len(engines) for feed in feeds], seconds / blocks)
            medians.append(np.median(taken, axis=0))
    ms = 1e3 * np.median(medians, axis=0)
    ratios = np.median([[each[0] / each[2], each[1] / each[2]] for each in medians], axis=0)
    int8 = [sum(layer.is_int8 for layer in report.layers) for report in (before, after)]
    assert after.tuning is not None
    assert after.tuning.times is not None
    trials = len(after.tuning.times.steps)
    return (
        f"| {model.stem} | {ms[0]:.3f} | {ms[1]:.3f} | {ms[2]:.3f} | {ratios[0]:.2f} | {ratios[1]:.2f} "
        f"| {int8[0]} of {len(before.layers)} | {int8[1]} | {trials} | {worst(before):.1f}, {worst(after):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("given", nargs="+", metavar="MODEL DATA")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--blocks", type=int, default=3)
    options = parser.parse_args()
    print(f"floats are {default_mode().precision}, the default here; one inference at a time\n")
    print(
        "| model | float ms | int8 ms | tuned ms | float / tuned | int8 / tuned | int8 before | after | trials | dB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model, data in zip(options.given[::2], options.given[1::2], strict=True):
        print(row(Path(model), data, options.seconds, options.blocks), flush=True)


if __name__ == "__main__":
    main()
