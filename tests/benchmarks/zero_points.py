"""Zero points of dense convolutions: the time of a network in float, in int8 with zero points, and in int8 without.

    python tests/benchmarks/zero_points.py [--seconds N]

Eight convolutions of 3x3 with random weights and a PReLU behind each. The models run in turn. Printed: the lower quartile
of the times in ms (INFERENCE_PRECISION_HINT=f32), and the ratio in dB of each INT8 model to the float one.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes import QuantizationConfig, quantize

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.side_by_side import side_by_side

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
        cells = side_by_side(model, made, samples[32:], options.seconds)
        print(f"| {channels} | {size}x{size} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
