"""How many samples calibration takes if no number is named, and what that saves and costs.

    python tests/benchmarks/sample_counts.py [MODEL.xml DATA] [--rounds N] [--published]

Default: the network of `irquant demo`. DATA is what `irquant quantize --data` takes; at most 300 samples from all over
the data are written to files of one sample each. Each round quantizes the model twice, in processes of their own: with
as many samples as it takes, and with all of them. The guard is off: it would hide differences. Both hold out the same
samples. Printed is one row of a table: the number of samples and of measured ones, the SQNR of the worst output on the
held-out samples with as many as it takes and with all, the best time of either process, the median of the rounds'
ratios, and why the measurement ended. --published takes the published range estimators instead of the least expected
error.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

_MOST = 300
_HEAD = "| model | samples | measured | worst output, dB | with all, dB | seconds | with all | ratio | why |\n" + (
    "| --- " * 9 + "|"
)


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        _inside(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--published", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, data = (options.model, options.data) if options.model else _demo(folder)
        count = _written(model, data, folder / "samples")
        rounds = [
            [_run(model, folder, number, is_published=options.published) for number in (0, count)]
            for _ in range(options.rounds)
        ]
    print(_HEAD)
    print(_row(model.stem, count, rounds))


def _demo(folder: Path) -> tuple[Path, str]:
    import irquant.tools.demo

    demo = Path(str(irquant.tools.demo.__file__)).parent
    with np.load(demo / "digits.npz") as file:
        np.save(folder / "digits.npy", file["calibration_images"])
    return demo / "digits_cnn.xml", str(folder / "digits.npy")


def _written(model: Path, data: str, folder: Path) -> int:
    """Writes the samples to files of their own; returns their number."""
    from irquant.ir import read_model
    from irquant.passes.runtime.samples import checked_feed, model_inputs
    from irquant.tools.sources.data import open_source
    from irquant.tools.sources.image_options import ImageOptions

    folder.mkdir()
    inputs = model_inputs(read_model(model))
    total = sum(1 for _ in open_source(data, inputs, ImageOptions()))
    count = min(total, _MOST)
    wanted = {number * total // count for number in range(count)}
    for index, sample in enumerate(open_source(data, inputs, ImageOptions())):
        if index in wanted:
            feed: Any = checked_feed(sample, inputs)
            np.savez(folder / f"{index:06}.npz", **feed)
    return count


def _run(model: Path, folder: Path, samples: int, *, is_published: bool) -> dict[str, Any]:
    """Quantizes the model in a process; adds its time. No number of samples: as many as it takes."""
    command = [sys.executable, __file__, "--inside", model, folder / "samples", folder / "out.xml", samples]
    start = time.perf_counter()
    done = subprocess.run([*map(str, command), str(int(is_published))], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return {**json.loads(done.stdout), "seconds": seconds}


def _inside(model: str, data: str, output: str, samples: str, is_published: str) -> None:
    """The process that is measured."""
    import irquant
    from irquant.ir import read_model
    from irquant.passes.options.config import QuantizationConfig
    from irquant.passes.runtime.samples import model_inputs
    from irquant.tools.report.values import report_values
    from irquant.tools.sources.data import open_source
    from irquant.tools.sources.image_options import ImageOptions

    published = {"range_estimator": {"preset": "default"}} if int(is_published) else {}
    config = QuantizationConfig.checked(guard=False, **published)
    source = open_source(data, model_inputs(read_model(Path(model))), ImageOptions())
    found = irquant.quantize_model(
        model, source, output=output, config=config, samples=int(samples) or None, force=True
    )
    print(json.dumps(report_values(found.report, model, output)))


def _row(name: str, count: int, rounds: list[list[dict[str, Any]]]) -> str:
    first, second = rounds[0]
    ratio = statistics.median(enough["seconds"] / whole["seconds"] for enough, whole in rounds)
    times = [min(each[side]["seconds"] for each in rounds) for side in (0, 1)]
    return (
        f"| {name} | {count} | {first['samples']} | {_worst(first)} | {_worst(second)} "
        f"| {times[0]:.2f} | {times[1]:.2f} | {ratio:.2f} | {first['why_samples'] or 'all'} |"
    )


def _worst(report: dict[str, Any]) -> str:
    ratios = [each["sqnr"] for each in report["outputs"] or () if each["sqnr"] is not None]
    return f"{min(ratios):.1f}" if ratios else "-"


if __name__ == "__main__":
    main()
