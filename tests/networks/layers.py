"""Single convolutions and transposed ones at sizes of real models, with everything that decides which kernel is taken.

The networks of this folder are small, so that thousands of them can be checked. Some kernels are only wrong at larger
sizes, or for a small input behind a larger one.
"""

import math
import os
from typing import Any
from unittest.mock import patch

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.runtime.core import THREADS as IRQUANT_THREADS

from .checking import F32, FEW, MORE, THREADS, UNHEARD, FoundError, Outcome, decibels, emulated_outputs, run
from .drawing import Drawn
from .net import Array, Chance, Tensor

#: The most multiply-accumulates of an inference.
MOST_WORK = 3e8
KERNELS = (1, 2, 3, 3, 3, 4, 5, 5, 6, 7, 8, 9, 11, 16)
CHANNELS = (1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 96)


class _Layer:
    """The attributes of a convolution, and the sizes of its data, the largest first."""

    def __init__(self, chance: Chance) -> None:
        self.rank = chance.one([1, 2, 2, 2, 3])
        is_alike = chance.maybe(0.6)

        def by_axis(values: tuple[int, ...]) -> list[int]:
            return [chance.one(values)] * self.rank if is_alike else [chance.one(values) for _ in range(self.rank)]

        self.kernel = by_axis(KERNELS if self.rank < 3 else KERNELS[:8])
        self.dilations, self.strides = by_axis((1, 1, 1, 1, 2, 2, 3, 4)), by_axis((1, 1, 1, 1, 2, 2, 3, 4))
        spans = [(size - 1) * apart for size, apart in zip(self.kernel, self.dilations, strict=True)]
        drawn = [chance.integer(0, span) for span in spans]
        self.pads = chance.one([[0] * self.rank, [span // 2 for span in spans], [span // 2 for span in spans], drawn])
        self.inputs, self.outputs, self.groups = chance.one(CHANNELS), chance.one(CHANNELS), 0
        if chance.maybe(0.3):
            self.groups = self.inputs if chance.maybe(0.5) else chance.one([2, 3, 4, 8])
            each_in, each_out = (
                (1, 1) if self.groups == self.inputs else (chance.one(CHANNELS[:8]), chance.one(CHANNELS))
            )
            self.inputs, self.outputs = self.groups * each_in, self.groups * each_out
        self.is_dynamic, is_square = chance.maybe(0.4), chance.maybe(0.7)
        most = chance.one({1: [16, 64, 300, 1500], 2: [8, 20, 50, 110, 160], 3: [5, 8, 16, 24]}[self.rank])
        sizes = [[max(1, int(most * share)) for share in self._shares(chance, is_square=is_square)] for _ in range(3)]
        small = [chance.integer(1, 8) for _ in range(self.rank)]
        self.sizes = sorted([*sizes, small], key=lambda size: -math.prod(size))
        self.sizes = [size for size in self.sizes if self._fits(size, spans)][: None if self.is_dynamic else 1]
        self.is_signed, self.is_clipped = chance.maybe(0.7), chance.maybe(0.4)
        self.behind = chance.one(["nothing", "relu", "swish", "prelu", "layer", "layer", "swish layer", "sum"])

    def _weights_shape(self) -> list[int]:
        split = [self.groups, self.outputs // self.groups, self.inputs // self.groups] if self.groups else None
        return [*(split or [self.outputs, self.inputs]), *self.kernel]

    def _computed(self, x: Tensor, weights: Array) -> Tensor:
        layer: Any = op.group_convolution if self.groups else op.convolution
        return layer(x, weights, self.strides, self.pads, self.pads, self.dilations)

    def _shares(self, chance: Chance, *, is_square: bool) -> list[float]:
        shares = [chance.numbers.uniform(0.5, 1) for _ in range(self.rank)]
        return [shares[0]] * self.rank if is_square else shares

    def _fits(self, size: list[int], spans: list[int]) -> bool:
        padded = [length + 2 * pad for length, pad in zip(size, self.pads, strict=True)]
        work = math.prod(length / step for length, step in zip(padded, self.strides, strict=True))
        work *= math.prod(self.kernel) * self.inputs * self.outputs / max(1, self.groups)
        if not all(length > span for length, span in zip(padded, spans, strict=True)) or work > MOST_WORK:
            return False
        columns = (padded[-1] - spans[-1] - 1) // self.strides[-1] + 1
        return columns > 1 or not self.is_dynamic  # with AMX, such outputs are wrong with any data of several rows

    def drawn(self, chance: Chance) -> Drawn:
        """The model, and two samples of each size."""
        numbers, one = chance.numbers, [1] * self.rank
        x = op.parameter(
            [1, self.inputs, *([-1] * self.rank if self.is_dynamic else self.sizes[0])], np.float32, name="x"
        )

        def constant(*shape: int) -> Array:
            return numbers.normal(size=shape).astype(np.float32)

        y = self._computed(x, constant(*self._weights_shape()))
        y = self._followed(op.add(y, constant(1, self.outputs, *one)), constant, one)
        return Drawn(ov.Model([op.result(y)], [x]), [{"x": self._values(numbers, size)} for size in self.sizes * 2])

    def _followed(self, y: Tensor, constant: Any, one: list[int]) -> Tensor:
        zeros = [0] * self.rank
        kinds: dict[str, Any] = {
            "nothing": lambda: y,
            "relu": lambda: op.relu(y),
            "swish": lambda: op.swish(y),
            "prelu": lambda: op.prelu(y, np.abs(constant(self.outputs)) / 4),
            "layer": lambda: op.convolution(op.relu(y), constant(8, self.outputs, *one), one, zeros, zeros, one),
            "swish layer": lambda: op.convolution(op.swish(y), constant(8, self.outputs, *one), one, zeros, zeros, one),
            "sum": lambda: op.add(
                y, op.convolution(y, constant(self.outputs, self.outputs, *one), one, zeros, zeros, one)
            ),
        }
        return kinds[self.behind]()

    def _values(self, numbers: np.random.Generator, size: list[int]) -> Array:
        values = numbers.normal(size=(1, self.inputs, *size)).astype(np.float32)
        values = np.clip(values, -1.5, 1.5) if self.is_clipped else values  # symmetric ranges fit them best
        return values if self.is_signed else np.abs(values)


class _TransposedLayer(_Layer):
    """The attributes of a transposed convolution without groups, and the sizes of its data."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(chance)
        self.groups = 0
        self.inputs, self.outputs = chance.one(CHANNELS), chance.one(CHANNELS)
        self.dilations = [1] * self.rank
        self.strides = [min(chance.one([1, 2, 2, 2, 3]), size) for size in self.kernel]
        middle = [(size - step) // 2 for size, step in zip(self.kernel, self.strides, strict=True)]
        self.pads = chance.one(
            [middle, middle, [0] * self.rank, [chance.integer(0, size // 2) for size in self.kernel]]
        )
        longer = [min(pad, step - 1) for pad, step in zip(self.pads, self.strides, strict=True)]
        self.longer = chance.one([longer, [0] * self.rank])
        self.sizes = [size for size in self.sizes if self._is_small(size)][: None if self.is_dynamic else 1]

    def _is_small(self, size: list[int]) -> bool:
        each = zip(size, self.strides, self.kernel, self.pads, strict=True)
        spread = [(length - 1) * step + span - 2 * pad for length, step, span, pad in each]
        return min(spread) > 0 and math.prod((*spread, *self.kernel, self.inputs, self.outputs)) < MOST_WORK

    def _weights_shape(self) -> list[int]:
        return [self.inputs, self.outputs, *self.kernel]

    def _computed(self, x: Tensor, weights: Array) -> Tensor:
        return op.convolution_backprop_data(
            x, weights, self.strides, None, self.pads, self.pads, self.dilations, output_padding=self.longer
        )


def _drawn_layer(chance: Chance) -> _Layer:
    return (_TransposedLayer if chance.maybe(0.25) else _Layer)(chance)


def _layer(seed: int) -> Drawn | None:
    chance = Chance(seed, 3)
    layer = _drawn_layer(chance)
    return layer.drawn(chance) if layer.sizes else None


def run_layer(seed: int) -> None:
    """Runs the float model alone."""
    if drawn := _layer(seed):
        run(drawn.model, drawn, F32)


def check_layer(seed: int) -> Outcome:
    """Draws and quantizes a layer, and compares it with the float one at all sizes, small ones behind larger ones.

    Raises:
        FoundError: the result is wrong.
    """
    drawn = _layer(seed)
    if drawn is None:
        return Outcome("unsound", detail="too small, or too much work")
    floats = run(drawn.model, drawn, F32)
    reports: list[Report] = []
    largest = [each for each in drawn.samples if each["x"].shape == drawn.samples[0]["x"].shape]
    known, theirs = THREADS[seed % len(THREADS)]
    try:
        with patch.dict(os.environ, {IRQUANT_THREADS: str(known)}):
            quantized = quantize(
                drawn.model, largest * 4, config=QuantizationConfig(), guard=False, report=reports.append
            )
    except NothingToQuantizeError:
        return Outcome("nothing to quantize")
    meant = emulated_outputs(quantized, drawn)
    made = run(quantized, drawn, F32 | {"INFERENCE_NUM_THREADS": str(theirs)})
    power = max(float(np.square(each[0]).mean()) for each in floats) or 1.0
    margin = math.inf
    for sample, wanted, *others in zip(drawn.samples, floats, meant, made, strict=True):
        expected, error = (float(np.square(each[0].astype(np.float64) - wanted[0]).mean()) / power for each in others)
        margin = min(margin, decibels(expected))
        if error > MORE * (1 + FEW / wanted[0].size) * expected + UNHEARD:
            layer, shape = _drawn_layer(Chance(seed, 3)), list(sample["x"].shape)
            said = f"meant {decibels(expected):.1f} dB, made {decibels(error):.1f} dB for data {shape}, {vars(layer)}"
            raise FoundError(f"wrong with {'dynamic' if layer.is_dynamic else 'fixed'} sizes", said)
    left = tuple(each.split(": ", 1)[-1] for each in reports[0].warnings if "is left float" in each)
    return Outcome("quantized", sum(each.is_int8 for each in reports[0].layers), margin, left_float=left)
