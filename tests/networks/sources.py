"""What networks read: pictures, sounds, tokens, masks, numbers of any rank."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from .block import source
from .net import Array, Chance, Input, Net, Tensor, integers

Values = Callable[[Chance, tuple[int, ...]], Array]


def smooth(chance: Chance, dims: tuple[int, ...]) -> Array:
    """Signals whose neighbours are alike, as pictures and sounds are."""
    noise = chance.numbers.normal(size=dims)
    for axis in range(2, len(dims)):
        noise = (noise + np.roll(noise, 1, axis)) / 1.4
    return noise.astype(np.float32)


def normal(chance: Chance, dims: tuple[int, ...]) -> Array:
    """Independent numbers."""
    return chance.numbers.normal(size=dims).astype(np.float32)


def unsigned(chance: Chance, dims: tuple[int, ...]) -> Array:
    """Pictures as values from 0 to 1."""
    return np.clip(smooth(chance, dims) * 0.25 + 0.5, 0, 1).astype(np.float32)


def added(net: Net, axes: tuple[int | str, ...], values: Values, dtype: Any = None) -> Tensor:
    """A new input."""
    dims = [net.sizes[each] if isinstance(each, str) else each for each in axes]
    kind = net.dtype if dtype is None else dtype
    node = op.parameter(dims, ov.Type(np.dtype(kind)))
    net.inputs.append(Input(node, axes, lambda chance, wanted: values(chance, wanted).astype(kind)))
    return node.output(0)


def batch(net: Net) -> int | str:
    """The first dimension: a batch, mostly."""
    return "batch" if net.chance.maybe(0.8) else 1


@source(6)
def picture(net: Net) -> Tensor:
    """[N, C, H, W]."""
    channels = net.chance.one([1, 3, 3, 4, 8, 12])
    values = net.chance.one([smooth, smooth, unsigned])
    return added(net, (batch(net), channels, "height", "width"), values)


@source()
def picture_of_bytes(net: Net) -> Tensor:
    """A picture of u8 whose mean and scale are part of the model, in either layout."""
    channels_last = net.chance.maybe(0.5)
    axes = ("batch", "height", "width", 3) if channels_last else ("batch", 3, "height", "width")
    levels = lambda chance, dims: np.clip(smooth(chance, dims) * 50 + 120, 0, 255).round()  # noqa: E731
    raw = op.convert(added(net, axes, levels, np.uint8), ov.Type(np.dtype(net.dtype)))
    dims = (1, 1, 1, 3) if channels_last else (1, 3, 1, 1)
    mean, scale = (
        net.constant(np.array([123.7, 116.3, 103.5]).reshape(dims)),
        np.array([58.4, 57.1, 57.4]).reshape(dims),
    )
    centred = op.subtract(raw, mean)
    scaled = (
        op.divide(centred, net.constant(scale))
        if net.chance.maybe(0.5)
        else op.multiply(centred, net.constant(1 / scale))
    )
    return (op.transpose(scaled, integers(0, 3, 1, 2)) if channels_last else scaled).output(0)


@source(0.5)
def picture_made_whole(net: Net) -> Tensor:
    """A picture of [0, 1] that the model itself makes one of bytes, and normalizes."""
    raw = added(
        net, ("batch", 3, "height", "width"), lambda chance, dims: np.clip(smooth(chance, dims) / 4 + 0.5, 0, 1)
    )
    whole = op.convert(op.multiply(raw, net.constant(255.0)), net.chance.one(["u8", "i32"]))
    mean, scale = (
        net.constant(np.array(each).reshape(1, 3, 1, 1)) for each in ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4])
    )
    return op.divide(op.subtract(op.convert(whole, ov.Type(np.dtype(net.dtype))), mean), scale).output(0)


@source(2)
def sound(net: Net) -> Tensor:
    """[N, C, T]."""
    return added(net, (batch(net), net.chance.one([1, 2, 8]), "time"), smooth)


@source(4)
def sequence(net: Net) -> Tensor:
    """[N, T, D]."""
    return added(net, (batch(net), "time", net.chance.one([8, 12, 16])), normal)


@source()
def volume(net: Net) -> Tensor:
    """[N, C, D, H, W]."""
    return added(net, (batch(net), net.chance.one([1, 3, 4]), 4, "height", "width"), smooth)


@source()
def features(net: Net) -> Tensor:
    """[N, D], or [D] alone."""
    size = net.chance.one([7, 8, 16, 24])
    return added(net, (size,) if net.chance.maybe(0.2) else (batch(net), size), normal)


@source(0.3)
def many_dimensions(net: Net) -> Tensor:
    """Rank 6, as windows of attention have."""
    return added(net, ("batch", 2, 2, 3, 3, 8), normal)


@source(0.3)
def number(net: Net) -> Tensor:
    """Rank 0: a factor."""
    return added(net, (), lambda chance, dims: np.asarray(chance.numbers.uniform(0.5, 1.5), np.float32))


@source(2)
def words(net: Net) -> Tensor:
    """Indices of tokens, looked up in a table; often with positions and segments."""
    count, size = net.chance.one([11, 30, 100]), net.chance.one([8, 12, 16])
    kind = net.chance.one([np.int64, np.int64, np.int32])
    draw: Values = lambda chance, dims: chance.numbers.integers(0, count, dims)  # noqa: E731
    indices = added(net, ("batch", "time"), draw, kind)
    table = net.saved(net.chance.numbers.normal(size=(count, size)))
    found = op.gather(table, indices, integers(0) if net.chance.maybe(0.3) else op.constant(np.int32(0)))
    if net.chance.maybe(0.5):
        places = net.saved(net.chance.numbers.normal(scale=0.5, size=(32, size)))
        length = op.gather(op.shape_of(indices), op.constant(1), op.constant(0))
        steps = op.range(op.constant(np.int64(0)), length, op.constant(np.int64(1)), "i64")
        found = op.add(found, op.unsqueeze(op.gather(places, steps, op.constant(0)), integers(0)))
    if net.chance.maybe(0.3):  # the head reads the same table: tied weights
        net.tied[count, size] = table
    return found.output(0)


@source(0.4)
def flags(net: Net) -> Tensor:
    """Which tokens count: 1 or 0, or true or false."""
    kind = net.chance.one([np.int64, np.int32, np.bool_, np.float32])

    def draw(chance: Chance, dims: tuple[int, ...]) -> Array:
        found: Array = np.maximum(chance.numbers.random(dims) > 0.3, np.arange(dims[1]) == 0)
        return found

    return added(net, ("batch", "time"), draw, kind)
