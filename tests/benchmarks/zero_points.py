"""Zero points of dense convolutions: the time of a network in float, in int8 with zero points, and in int8 without.

    python tests/benchmarks/zero_points.py [--seconds N]

Eight convolutions of 3x3 with random weights and a PReLU behind each. The models run in turn. Printed: the lower quartile
of the times in ms (INFERENCE_PRECISION_HINT=f32), and the ratio in dB of each INT8 model to the float one.
"""

import argparse
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes import QuantizationConfig, quantize
from irquant.passes.analysis.agreement import tally
from irquant.passes.evaluation.latency import in_turn
from irquant.passes.runtime.engine import LATENCY, Engine, from_runtime

Array = np.ndarray[Any, np.dtype[Any]]
#: Channels, and height and width.
SIZES = ((16, 64), (32, 64), (64, 28), (128, 28), (256, 14))
LAYERS = 8
RNG = np.random.default_rng(0)


def network(channels: int, size: int) -> ov.Model:
    image = x = op.parameter([1, channels, size, size], np.float32)
    for _ in range(LAYERS):
        kernel = RNG.normal(size=(channels, channels, 3, 3)).astype(np.float32) / np.sqrt(np.float32(4.5 * channels))
        bias = RNG.normal(size=(1, channels, 1, 1)).astype(np.float32) * np.float32(0.1)
        x = op.prelu(op.add(op.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1]), bias), np.float32(0.2))
    return ov.Model([op.result(x)], [image])


def outputs_of(engine: Engine, sample: Array) -> Array:
    engine.infer({"image": sample})
    return engine.results()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    options = parser.parse_args()
    print("| channels | size | float | int8, zero points | int8, none | dB, zero points | dB, none |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for channels, size in SIZES:
        model = network(channels, size)
        samples = [RNG.normal(size=(1, channels, size, size)).astype(np.float32) for _ in range(40)]
        configs = [QuantizationConfig(guard=False, slow_zero_points=slow) for slow in (True, False)]
        made = [quantize(model, samples[:32], config=each) for each in configs]
        engines = [Engine(from_runtime(each), LATENCY) for each in (model, *made)]
        taken = in_turn(engines, [[{"image": samples[0]}] * len(engines)], options.seconds)
        times = " | ".join(f"{each * 1000:.2f}" for each in np.percentile(taken, 25, axis=0))
        wanted, *found = ([outputs_of(engine, each) for each in samples[32:]] for engine in engines)
        ratios = " | ".join(f"{tally(wanted, each).sqnr:.1f}" for each in found)
        print(f"| {channels} | {size}x{size} | {times} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
