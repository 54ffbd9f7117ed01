"""What each part of the pipeline gains: the worst output's SQNR with all of them, and with each one taken away.

    python tests/benchmarks/levers.py [MODEL DATA HELD_OUT]...

Default: the network of `irquant demo`. DATA and HELD_OUT are what `irquant quantize --data` takes; nothing is calibrated or
chosen with HELD_OUT. Printed: a row for each model, and the median of what each part gains. Outputs that are no floats,
or whose sizes differ between the models, are left out.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from irquant.ir import read_model
from irquant.passes import QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.runtime.samples import checked_feed, model_inputs
from irquant.tools.sources.data import open_source
from irquant.tools.sources.image_options import ImageOptions

#: What is taken away -> the options that do it. Named ranges also have no mode of their own.
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "ranges": {"activations": {"range_estimator": {"preset": "default"}}},
    "mode": {"preset": "performance"},
    "alignment": {"align": False, "align_streams": False, "migrate_scales": False},
    "biases": {"correct_biases": "no"},
    "guard": {"guard": False},
}
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
Outputs = list[list[np.ndarray[Any, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    files = parser.parse_args().files
    if len(files) % 3:
        parser.error(f"{len(files)} files, expected MODEL DATA HELD_OUT for each model")
    with tempfile.TemporaryDirectory() as name:
        groups = [files[k : k + 3] for k in range(0, len(files), 3)] or [_demo(Path(name))]
        print(f"| model | all | {' | '.join(f'without {each}' for each in list(WITHOUT)[1:])} |")
        print("| --- " * (len(WITHOUT) + 1) + "|")
        rows = [_row(Path(model), data, held_out, Path(name)) for model, data, held_out in groups]
    whole, *others = zip(*rows, strict=True)
    gains = [statistics.median(np.subtract(whole, each)) for each in others]
    print(f"| median gain | | {' | '.join(f'{each:+.1f}' for each in gains)} |")


def _row(model: Path, data: str, held_out: str, folder: Path) -> list[float]:
    inputs = model_inputs(read_model(model))
    samples = [list(checked_feed(each, inputs).values()) for each in open_source(held_out, inputs, ImageOptions())]
    wanted, ratios = _outputs(ov.Core().read_model(model), samples), list[float]()
    for change in WITHOUT.values():
        source = open_source(data, inputs, ImageOptions())
        written = quantize(
            model, source, output=folder / "int8.xml", config=QuantizationConfig.checked(**change), force=True
        )
        ratios.append(_worst(wanted, _outputs(ov.Core().read_model(written), samples)))
    print(f"| {model.stem} | {' | '.join(f'{each:.1f}' for each in ratios)} |", flush=True)
    return ratios


def _outputs(model: ov.Model, samples: Sequence[list[Any]]) -> Outputs:
    request = ov.compile_model(model, "CPU", F32).create_infer_request()
    found: Outputs = []
    for each in samples:
        request.reset_state()
        request.infer(each)
        found.append([tensor.data.copy() for tensor in request.output_tensors])
    return found


def _worst(wanted: Outputs, made: Outputs) -> float:
    """The least SQNR in dB of an output over all samples."""
    pairs = [([each[k] for each in wanted], [each[k] for each in made]) for k in range(len(wanted[0]))]
    compared = [
        pair
        for pair in pairs
        if pair[0][0].dtype.kind == "f" and all(one.shape == other.shape for one, other in zip(*pair, strict=True))
    ]
    return min((sqnr(*pair) for pair in compared), default=float("nan"))


def _demo(folder: Path) -> list[str]:
    import irquant.tools.demo

    demo = Path(str(irquant.tools.demo.__file__)).parent
    with np.load(demo / "digits.npz") as file:
        images = file["calibration_images"]
    names = [str(folder / f"{name}.npy") for name in ("calibration", "held_out")]
    np.save(names[0], images[::2])
    np.save(names[1], images[1::2])
    return [str(demo / "digits_cnn.xml"), *names]


if __name__ == "__main__":
    main()
