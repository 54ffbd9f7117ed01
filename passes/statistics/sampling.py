"""Samples elements of a tensor, spread evenly: enough to estimate the distribution of its values.

An observation gives about `ELEMENTS` of them, from all channels if there are not more channels than that. The channel
of each element is known: readers weight channels differently, and passes may have scaled them since.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...ir import DYNAMIC, Builder, OutPort

#: The approximate number of elements per observation of a tensor.
ELEMENTS = 512
Places = np.ndarray[Any, np.dtype[np.int64]]


def sampled_sizes(shape: tuple[int, ...], channel_axis: int | None, *, batched: bool) -> Mapping[int, int]:
    """Axis -> the number of sampled positions along it, for all axes except that of the observations.

    Channels come first, then the axes behind axis 0. If axis 0 numbers no observations, it gets the rest, and at least
    two positions: so the number of elements shows whether it numbers observations.

    Args:
        shape: The shape of the tensor. A dynamic axis gets as many positions as possible.
        channel_axis: An axis of known size, not the first; None: no axis comes first.
        batched: Whether axis 0 numbers observations.
    """
    found: dict[int, int] = {}
    left = ELEMENTS
    if channel_axis is not None:
        found[channel_axis] = min(shape[channel_axis], left)
        left //= max(1, found[channel_axis])
    others = [axis for axis in range(1, len(shape)) if axis != channel_axis]
    others.sort(key=lambda axis: (shape[axis] == DYNAMIC, shape[axis]))  # long axes get what short ones leave
    for done, axis in enumerate(others):
        share = max(1, math.floor(left ** (1 / (len(others) - done)) + 1e-9))
        found[axis] = share if shape[axis] == DYNAMIC else min(share, shape[axis])
        left //= max(1, found[axis])
    if shape and not batched:
        rows = max(2, left)
        found[0] = rows if shape[0] == DYNAMIC else min(rows, shape[0])
    return dict(sorted(found.items()))


def sampled_count(shape: tuple[int, ...], channel_axis: int | None, *, batched: bool) -> int:
    """The number of sampled elements per observation."""
    return math.prod(sampled_sizes(shape, channel_axis, batched=batched).values())


def sampled_places(size: int, count: int) -> Places:
    """The sampled positions along an axis, in the arithmetic of the runtime, which rounds to f32.

    Source: OpenVINO operation specification, Interpolate-11: mode nearest, half_pixel, floor.
    """
    half, scale = np.float32(0.5), np.float32(count) / np.float32(size)
    places: Places = np.floor((np.arange(count, dtype=np.float32) + half) / scale - half).astype(np.int64)
    return places.clip(0, size - 1)


def sampled_channels(shape: tuple[int, ...], channel_axis: int, count: int) -> Places:
    """The channel of each of the `count` elements of an observation."""
    sizes = sampled_sizes(shape, channel_axis, batched=True)
    places = sampled_places(shape[channel_axis], sizes[channel_axis])
    ones = [len(places) if axis == channel_axis else 1 for axis in sizes]
    pattern = np.broadcast_to(places.reshape(ones), [*sizes.values()]).reshape(-1)
    return np.resize(pattern, count)


def spread_stride(size: int, count: int, most: int) -> int:
    """The step with which at most so many numbers are taken: it reaches each place of an observation in turn.

    Args:
        size: The number of all numbers, of several observations.
        count: The number of places of an observation.
        most: The most numbers to take.
    """
    stride = max(1, -(-size // most))
    while math.gcd(stride, count) > 1:
        stride += 1
    return stride


def sampled(tensor: OutPort, channel_axis: int | None, *, batched: bool, build: Builder, name: str) -> OutPort:
    """A tensor of the same rank with the sampled elements.

    Two axes are sampled at a time, the last ones first: the CPU plugin refuses axis 0 among three of four, and four of
    five.
    """
    sizes = sampled_sizes(tensor.shape, channel_axis, batched=batched)
    fewer = [(axis, size) for axis, size in sizes.items() if size != tensor.shape[axis]]
    while fewer:
        fewer, some = fewer[:-2], fewer[-2:]
        tensor = build.sample(tensor, dict(some), name=name)
    return tensor
