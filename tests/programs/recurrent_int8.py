"""Tells whether the runtime's CPU plugin computes recurrent layers rightly in int8; targets/cpu.yaml keeps them float.

    python tests/programs/recurrent_int8.py

It compares an LSTM and a GRU whose X, H, W and R are quantized (X and H by FakeQuantize, W and R to the same values in
float for the reference) with the arithmetic that the FakeQuantizes mean: the state is rounded once, where it comes in.
Ends with 0 if both are right, so that the rule in cpu.yaml can go, and with 1 if not.
"""

import math
import sys
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

Array = np.ndarray[Any, np.dtype[np.float32]]
#: Rounding the state at each of the steps, once more than asked, costs about this much; wrong kernels are far below.
ENOUGH_DB = 30.0
STEPS, SIZE = 20, 64


def rounded(values: Array, bound: float, levels: int) -> Array:
    """FakeQuantize in numpy, symmetric."""
    low = -bound if levels == 255 else -bound * 256 / 254
    codes = np.round((np.clip(values, low, bound) - low) / (bound - low) * (levels - 1))
    result: Array = (codes / (levels - 1) * (bound - low) + low).astype(np.float32)
    return result


def fake_quantize(values: Any, bound: float, levels: int) -> Any:
    low = -bound if levels == 255 else -bound * 256 / 254
    limits = [np.float32(each) for each in (low, bound, low, bound)]
    return op.fake_quantize(values, *limits, levels)


def model(kind: str, weights: tuple[Array, Array, Array], *, quantized: bool) -> ov.Model:
    """One layer over a sequence of 20 steps; the states come in as inputs."""
    x = op.parameter([1, STEPS, SIZE], np.float32)
    states = [op.parameter([1, 1, SIZE], np.float32) for _ in range(2 if kind == "LSTM" else 1)]
    data: Any = fake_quantize(x, 3.0, 256)
    hidden: Any = fake_quantize(states[0], 1.0, 256)
    bounds = [float(np.abs(each).max()) for each in weights[:2]]
    matrices = [
        fake_quantize(op.constant(each), bound, 255) if quantized else op.constant(rounded(each, bound, 255))
        for each, bound in zip(weights[:2], bounds, strict=True)
    ]
    length, bias = op.constant(np.array([STEPS])), op.constant(weights[2])
    if kind == "LSTM":
        layer = op.lstm_sequence(data, hidden, states[1], length, *matrices, bias, SIZE, "FORWARD")
    else:
        layer = op.gru_sequence(data, hidden, length, *matrices, bias, SIZE, "FORWARD")
    return ov.Model([layer.output(0)], [x, *states], kind)


def ratio(kind: str) -> float:
    """Signal-to-noise ratio in dB of the int8 layer against the arithmetic that it stands for."""
    rng = np.random.default_rng(1)
    gates = 4 if kind == "LSTM" else 3
    shapes = ((1, gates * SIZE, SIZE), (1, gates * SIZE, SIZE), (1, gates * SIZE))
    w, r, b = ((rng.standard_normal(shape) * 0.15).astype(np.float32) for shape in shapes)
    states = [(rng.random((1, 1, SIZE), np.float32) - 0.5) for _ in range(2 if kind == "LSTM" else 1)]
    feed = [rng.standard_normal((1, STEPS, SIZE)).astype(np.float32), *states]
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    reference, found = (
        np.array(ov.Core().compile_model(model(kind, (w, r, b), quantized=each), "CPU", config)(feed)[0], np.float64)
        for each in (False, True)
    )
    return 10 * math.log10(np.square(reference).sum() / max(np.square(reference - found).sum(), 1e-30))


def main() -> int:
    ratios = {kind: ratio(kind) for kind in ("LSTM", "GRU")}
    for kind, found in ratios.items():
        print(f"{kind}: {found:.1f} dB, {'right' if found >= ENOUGH_DB else 'wrong'} (openvino {ov.__version__})")
    return 0 if min(ratios.values()) >= ENOUGH_DB else 1


if __name__ == "__main__":
    sys.exit(main())
