"""Residual sums in int8: the time of a network of residual blocks, in float, in int8, and in int8 with sums of floats.

    python tests/benchmarks/residual_sums.py [--size N] [--seconds N]

Weights are random; the blocks are those of ResNet-18 (two convolutions of 3x3) and of ResNet-50 (bottlenecks of 1x1, 3x3
and 1x1), with four functions behind the sums. The models run in turn. Printed: the lower quartile of the times in
ms (INFERENCE_PRECISION_HINT=f32), and the ratio in dB of each INT8 model to the float one.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes import quantize
from irquant.targets import Target, load_target

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.side_by_side import side_by_side

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "ReLU": op.relu,
    "PReLU": lambda x: op.prelu(x, np.full((1, channels(x), 1, 1), 0.2, np.float32)),
    "HSwish": op.hswish,
    "Swish": op.swish,
}
RNG = np.random.default_rng(0)


def channels(x: Any) -> int:
    return int(x.get_output_partial_shape(0)[1].get_length())


def conv(x: Any, out: int, kernel: int, stride: int = 1) -> Any:
    fan = channels(x) * kernel**2
    weights = np.asarray(RNG.normal(size=(out, channels(x), kernel, kernel)) * math.sqrt(2 / fan), np.float32)
    layer = op.convolution(x, weights, [stride] * 2, [kernel // 2] * 2, [kernel // 2] * 2, [1, 1])
    return op.add(layer, np.asarray(RNG.normal(size=(1, out, 1, 1)) * 0.1, np.float32))


def network(function: Callable[[Any], Any], size: int, *, bottleneck: bool) -> ov.Model:
    image = op.parameter([1, 3, size, size], np.float32)
    x = function(conv(image, 64, 7, 2))
    for width, stride in ((64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        out = 4 * width if bottleneck else width
        if bottleneck:
            y = conv(function(conv(function(conv(x, width, 1)), width, 3, stride)), out, 1)
        else:
            y = conv(function(conv(x, width, 3, stride)), out, 3)
        same = channels(x) == out and stride == 1
        x = function(op.add(y, x if same else conv(x, out, 1, stride)))
    pooled = op.reduce_mean(x, np.array([2, 3]), keep_dims=False)
    out_weights = np.asarray(RNG.normal(size=(channels(x), 100)) / math.sqrt(channels(x)), np.float32)
    return ov.Model([op.result(op.matmul(pooled, out_weights, False, False))], [image])


def with_float_sums() -> Target:
    """The target without what it says about sums and the functions behind them."""
    target = load_target("cpu")
    return target.model_copy(update={"rules": [rule.model_copy(update={"fuses": ()}) for rule in target.rules]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=160, help="height and width of the image")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    options = parser.parse_args()
    print("| blocks | function | float | int8, sums of floats | int8 | dB, sums of floats | dB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for bottleneck in (False, True):
        for name, function in FUNCTIONS.items():
            model = network(function, options.size, bottleneck=bottleneck)
            samples = [RNG.normal(size=(1, 3, options.size, options.size)).astype(np.float32) for _ in range(40)]
            made = [
                quantize(model, samples[:32], target=target, guard=False)
                for target in (with_float_sums(), load_target("cpu"))
            ]
            cells = side_by_side(model, made, samples[32:], options.seconds)
            print(f"| {'bottleneck' if bottleneck else 'basic'} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
