"""The arithmetic of ranges and of FakeQuantize, in plain numpy.

The formulas are those of the published MinMaxQuantization, as the reference implementation (POT 2023.3) computes them.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import Array

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]

#: The number of values that are rounded at a time: they and their results fit in the cache.
_AT_ONCE = 1 << 16
#: By how many roundings an end of a range is moved at most until its zero point is whole.
_ROUNDINGS = (*range(-16, 17), *(sign * size for size in (24, 32, 48, 64, 128, 256) for sign in (1, -1)))
#: The range of an all-zero tensor, which still needs a scale.
SMALLEST = 8e-5
#: A channel's range never gets smaller than this share of the largest channel's.
SMALLEST_SHARE = 0.01
#: Asymmetric ranges up to this width are widened by that much at both ends, unless `SMALLEST_SHARE` of the largest
#: magnitude of the tensor is less.
NARROW = 8e-4
#: No range gets smaller than this: the product of two steps of 1/255 of it is still a normal f32 number.
LEAST = 255 * math.sqrt(float(np.finfo(np.float32).tiny))


@dataclass(frozen=True)
class Range:
    """The input and output limits of a FakeQuantize, f32: scalars, or arrays that broadcast against the tensor."""

    low: Floats
    high: Floats

    def reshaped(self, shape: tuple[int, ...]) -> "Range":
        """The same numbers in another shape."""
        return Range(self.low.reshape(shape), self.high.reshape(shape))


def are_finite(values: Array) -> bool:
    """Whether values have a range: none of them is infinite or NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum(dtype=np.float32)  # takes a sixth of the time of a look at each number
    return bool(np.isfinite(total) or np.isfinite(values).all())


def _lifted(bound: Floats) -> Floats:
    largest = float(bound.max())
    return np.maximum(bound, max(LEAST, SMALLEST_SHARE * largest) if largest > 0 else SMALLEST)


def weight_range(largest: Floats, levels: int = 255) -> Range:
    """Symmetric range of weights: [-m, m]; m is the largest magnitude of each channel, at least 1 % of the tensor's.

    A tensor of zeros gets 8e-5. (The reference implementation gives no tensor less, and so rounds weights to zero if
    they are that small.)
    An even number of levels gets one more below zero, [-m * L / (L - 2), m], so that zero is a level. (The reference
    implementation takes [-m, m] for these, too; zero then falls between two levels.)

    Args:
        largest: The largest magnitude of each channel (or of the tensor), any shape.
        levels: Levels L of the FakeQuantize.
    """
    high = _lifted(largest.astype(np.float32))
    return Range(-high, high) if levels % 2 else _stored(-high.astype(np.float64) * levels / (levels - 2), high)


def symmetric_range(low: Floats, magnitude: Floats, levels: int, *, signed: bool = False) -> Range:
    """Symmetric range of activations: [0, m] if nothing is negative, else [-m * L / (L - 2), m].

    The step is then m / 127 for 256 levels, and zero is code 128 exactly. An odd number of levels gets [-m, m].

    Args:
        low: The smallest value of each channel (or of the tensor).
        magnitude: The largest magnitude of each.
        levels: Levels L of the FakeQuantize.
        signed: Whether levels below zero are wanted in any case.
    """
    high = _lifted(magnitude.astype(np.float64))
    if (low >= 0).all() and not signed:
        return _stored(np.zeros_like(high), high)
    return _stored(-high if levels % 2 else -high * levels / (levels - 2), high)


def asymmetric_range(low: Floats, high: Floats, levels: int) -> Range:
    """Asymmetric range of activations, widened so that it holds zero, and zero lies on the grid.

    1. Ranges up to 8e-4, or up to 1 % of the tensor's largest magnitude if that is less, are widened by as much at both
    ends. (The reference implementation takes 8e-4 for all tensors.) 2. The range is extended to zero. 3. With
    K = levels - 1 and z = round_half_even(-low * K / (high - low)), either low' = high * z / (z - K) or
    high' = low * (z - K) / z puts zero on code z; the wider of the two ranges is taken, so that no value is lost (ties:
    the second).
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    largest = max(-float(low.min()), float(high.max()))
    narrow = max(LEAST, min(NARROW, SMALLEST_SHARE * largest)) if largest > 0 else NARROW
    widening = np.where(high - low <= narrow, narrow, 0.0)
    return with_zero_on_grid(np.minimum(low - widening, 0), np.maximum(high + widening, 0), levels)


def with_zero_on_grid(low: Floats, high: Floats, levels: int) -> Range:
    """Step 3 of `asymmetric_range`, for ranges that hold zero."""
    steps = levels - 1
    zero: Floats = np.rint(-low * steps / (high - low))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(zero < steps, high * zero / (zero - steps), -np.inf)
        higher = np.where(zero > 0, low * (zero - steps) / zero, np.inf)
    # At the ends of the grid only one of the two exists.
    move_low = np.where(zero <= 0, True, np.where(zero >= steps, False, high - lower > higher - low))
    return _stored(np.where(move_low, lower, low), np.where(move_low, high, higher))


def with_whole_zero_point(limits: Range, levels: int) -> Range:
    """The range, moved by a few roundings, whose zero point is a whole number in f32.

    The runtime computes it in f32 as (levels - 1) * -low / (high - low) and does not round it. It joins tensors whose
    zero points differ, such as 116 and 115.99999, as floats; that of a stored constant is whole.
    """
    first, last = (np.array(each, np.float32) for each in (limits.low, limits.high))
    low, high, is_whole = first, last, np.zeros(np.broadcast_shapes(first.shape, last.shape), bool)
    for below, above in sorted(itertools.product(_ROUNDINGS, repeat=2), key=lambda moves: sum(map(abs, moves))):
        moved_low, moved_high = first + below * np.spacing(first), last + above * np.spacing(last)
        zero = np.float32(levels - 1) * -moved_low / (moved_high - moved_low)
        is_new = ~is_whole & (zero == np.rint(zero))
        low, high = np.where(is_new, moved_low, low), np.where(is_new, moved_high, high)
        is_whole |= is_new
        if is_whole.all():
            break
    return Range(low, high)


def _stored(low: Floats, high: Floats) -> Range:
    return Range(low.astype(np.float32), high.astype(np.float32))


def fake_quantize(values: Floats, limits: Range, levels: int) -> Floats:
    """FakeQuantize with equal input and output limits, in f32 and in the order that the specification gives.

    Source: OpenVINO operation specification, FakeQuantize-1; rounding half to even as the runtime does.
    """
    low, high = limits.low.astype(np.float32), limits.high.astype(np.float32)
    steps = np.float32(levels - 1)
    clipped = np.clip(values.astype(np.float32), low, high)
    return np.round((clipped - low) / (high - low) * steps) / steps * (high - low) + low


def codes(values: Array, limits: Range, levels: int, *, signed: bool) -> Array:
    """The stored codes of quantized values: steps from the lowest level (u8), or from the middle one (i8).

    Args:
        values: The values.
        limits: Their range.
        levels: At most 256.
        signed: Whether to count from the middle, which is the code of zero in symmetric ranges.
    """
    found = np.empty(values.shape, np.int8 if signed else np.uint8)
    low, high = (np.broadcast_to(each.astype(np.float32), values.shape) for each in (limits.low, limits.high))
    rows = max(1, _AT_ONCE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values) if values.ndim else 1, rows):
        part = (slice(start, start + rows),) if values.ndim else ()
        clipped = np.clip(values[part].astype(np.float32), low[part], high[part])
        steps = np.round((clipped - low[part]) / (high[part] - low[part]) * np.float32(levels - 1))
        found[part] = steps - levels // 2 if signed else steps
    return found


def code_scale(limits: Range, levels: int) -> Floats:
    """The size of one step of a code: value = (code - zero code) * scale."""
    return (limits.high.astype(np.float32) - limits.low.astype(np.float32)) / np.float32(levels - 1)


def zero_code(limits: Range, levels: int) -> Floats:
    """The number of steps from the lowest level to zero."""
    low: Floats = limits.low.astype(np.float32)
    return np.asarray(np.round(-low / code_scale(limits, levels)), np.float32)


def is_centred(limits: Range, levels: int) -> bool:
    """Whether zero is the middle level (for an even number, the upper one of the two)."""
    return bool((zero_code(limits, levels) == levels // 2).all())
