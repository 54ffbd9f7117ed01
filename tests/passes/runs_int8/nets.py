"""Small nets for what the CPU runs in int8: their parts, and how a result is judged."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes.runtime.modes import EMULATION, LATENCY

Array = np.ndarray[Any, np.dtype[Any]]
#: A net, and how many of its layers run int8 of how many.
Row = tuple[Any, int, int]
RNG = np.random.default_rng(0)
ONES, NONE = [1, 1], [0, 0]


def rows_in(rows: dict[str, Callable[[], Row]]) -> Callable[[Callable[[], Row]], Callable[[], Row]]:
    """A decorator that puts nets into a table by their names."""

    def row(build: Callable[[], Row]) -> Callable[[], Row]:
        rows[build.__name__] = build
        return build

    return row


def image(channels: int = 16, size: int = 12) -> Any:
    return op.parameter([1, channels, size, size], np.float32)


def weights(*shape: int) -> Array:
    return np.asarray(RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)


def _channels(x: Any) -> int:
    shape = x.get_partial_shape() if isinstance(x, ov.Output) else x.get_output_partial_shape(0)
    return int(shape[1].get_length())


def conv(x: Any, out: int = 16, kernel: int = 3, **options: Any) -> Any:
    pads = options.get("pads", [kernel // 2] * 2)
    channels = _channels(x)
    layer = op.convolution(x, weights(out, channels, kernel, kernel), options.get("strides", ONES), pads, pads, ONES)
    return op.add(layer, weights(1, out, 1, 1))


def depthwise(x: Any) -> Any:
    channels = _channels(x)
    return op.group_convolution(x, weights(channels, 1, 1, 3, 3), ONES, ONES, ONES, ONES)


def between(*steps: Callable[[Any], Any]) -> Any:
    """Conv -> ReLU -> the steps -> conv."""
    x = image()
    y: Any = op.relu(conv(x))
    for step in steps:
        y = step(y)
    return ov.Model([op.result(op.relu(conv(y)))], [x], "m")


def model(x: Any, *results: Any) -> ov.Model:
    inputs = x if isinstance(x, list) else [x]
    return ov.Model([op.result(each) for each in results], inputs, "m")


def const(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def some_slow(names: Iterable[Any], every: int = 3) -> list[Any]:
    """The names, all but each third one (or each `every`th) marked as slow: each is a compiled network."""
    return [
        name if index % every == 0 else pytest.param(name, marks=pytest.mark.slow) for index, name in enumerate(names)
    ]


def matrix_product(x: Any, out: int = 12) -> Any:
    shape = x.get_shape() if isinstance(x, ov.Output) else x.get_output_shape(0)
    return op.matmul(x, weights(out, shape[-1]), False, True)


def executed_as_meant(net: ov.Model) -> float:
    """How near what the runtime executes is to the FakeQuantizes computed in float, of the worst output, in dB."""
    samples = samples_of(net)[:2]
    found, meant = (ov.compile_model(net, "CPU", options) for options in (LATENCY, EMULATION))
    pairs = [
        (one.astype(np.float64), other.astype(np.float64))
        for sample in samples
        for one, other in zip(found(sample).values(), meant(sample).values(), strict=True)
    ]
    return min(float(10 * np.log10((b**2).sum() / max(((a - b) ** 2).sum(), 1e-30))) for a, b in pairs)


def samples_of(net: ov.Model) -> Sequence[list[Array]]:
    rng = np.random.default_rng(7)
    shapes = [
        [12 if each.is_dynamic else each.get_length() for each in port.get_partial_shape()] for port in net.inputs
    ]
    return [[rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(10)]
