"""The arithmetic of ranges, against slow obvious formulas and by its properties."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.passes.analysis.ranges import (
    LEAST,
    Floats,
    Range,
    are_finite,
    asymmetric_range,
    code_scale,
    codes,
    fake_quantize,
    symmetric_range,
    weight_range,
    with_whole_zero_point,
    with_zero_on_grid,
    zero_code,
)
from irquant.passes.transforms.set_ranges import clips_too_much

reals = st.floats(-1e4, 1e4, width=32)


def half_even(value: float) -> int:
    """Rounds half to even, as Python's own `round` does."""
    return round(value)


def slow_asymmetric(low: float, high: float, levels: int) -> tuple[float, float]:
    largest = max(abs(low), abs(high))
    narrow = max(LEAST, min(8e-4, 0.01 * largest)) if largest else 8e-4
    if high - low <= narrow:
        low, high = low - narrow, high + narrow
    low, high, steps = min(low, 0.0), max(high, 0.0), levels - 1
    zero = half_even(-low * steps / (high - low))
    keep_high = (high * zero / (zero - steps), high) if zero < steps else None
    keep_low = (low, low * (zero - steps) / zero) if zero > 0 else None
    if keep_high is None or keep_low is None:
        found = keep_high or keep_low
        assert found is not None
        return found
    return keep_high if keep_high[1] - keep_high[0] > keep_low[1] - keep_low[0] else keep_low


@given(reals, reals, st.sampled_from([16, 255, 256]))
def test_asymmetric_ranges_follow_the_formula(one: float, other: float, levels: int) -> None:
    low, high = min(one, other), max(one, other)
    found = asymmetric_range(np.array([low]), np.array([high]), levels)
    expected = slow_asymmetric(low, high, levels)
    assert (float(found.low[0]), float(found.high[0])) == pytest.approx(expected, rel=1e-6)


@given(reals, reals)
def test_zero_lies_on_the_grid_and_no_value_loses_more_than_to_rounding(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = asymmetric_range(np.array([low]), np.array([high]), 256)
    lower, upper = float(found.low[0]), float(found.high[0])
    zero = -lower / (upper - lower) * 255
    assert zero == pytest.approx(round(zero), abs=1e-4)
    # At an end of the grid only one way to move zero exists: it may cut off up to half a step.
    slack = 0.501 * (upper - lower) / 255 if round(zero) in (0, 255) else 1e-6 * max(abs(low), abs(high))
    assert lower <= low + slack
    assert upper >= high - slack


@given(st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=5))
def test_symmetric_ranges_put_zero_on_code_128(magnitudes: list[float]) -> None:
    found = symmetric_range(np.full(len(magnitudes), -1.0), np.array(magnitudes), 256)
    zero = -found.low / (found.high - found.low) * 255
    np.testing.assert_allclose(zero, 128, rtol=1e-6)
    assert (found.high >= np.array(magnitudes, np.float32)).all()


def test_a_range_without_negative_values_begins_at_zero() -> None:
    found = symmetric_range(np.array([0.0, 0.1]), np.array([2.0, 3.0]), 256)
    assert found.low.tolist() == [0, 0]
    one_negative = symmetric_range(np.array([0.0, -0.1]), np.array([2.0, 3.0]), 256)
    assert (one_negative.low < 0).all()


def test_the_runtime_finds_a_whole_zero_point() -> None:
    """In f32, as it computes: without the move, every third of these is off by a rounding."""
    chance = np.random.default_rng(0)
    low, high = -(10 ** chance.uniform(-5, 4, 4000)), 10 ** chance.uniform(-5, 4, 4000)
    limits = with_zero_on_grid(low, high, 256)
    moved = with_whole_zero_point(limits, 256)
    zero, before = (np.float32(255) * -each.low / (each.high - each.low) for each in (moved, limits))
    assert np.mean(zero == np.rint(zero)) > 0.999 > 0.9 > np.mean(before == np.rint(before))
    width = limits.high - limits.low
    assert np.max(np.abs(moved.low - limits.low) / width) < 1e-5
    assert np.max(np.abs(moved.high - limits.high) / width) < 1e-5


def test_small_channels_get_a_hundredth_of_the_largest() -> None:
    assert weight_range(np.array([10.0, 0.0, 0.05, 1.0])).high.tolist() == pytest.approx([10.0, 0.1, 0.1, 1.0])
    assert weight_range(np.array([0.0, 0.0])).high.tolist() == pytest.approx([8e-5, 8e-5])


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e-3, 1e4, 1e6])
@pytest.mark.parametrize("levels", [255, 256])
def test_ranges_are_as_wide_as_their_values(scale: float, levels: int) -> None:
    """Of tensors of any scale, also of those whose channels differ."""
    low, high = np.array([-3.0, 0.0, -0.5, -0.001, 0.0]), np.array([2.0, 4.0, 0.25, 0.004, 0.0])
    made: list[Callable[[Floats, Floats], Range]] = [
        lambda low, high: weight_range(np.maximum(-low, high), levels),
        lambda low, high: symmetric_range(low, np.maximum(-low, high), levels),
        lambda low, high: asymmetric_range(low[:3], high[:3], levels),
    ]
    for make in made:
        found, expected = make(low * scale, high * scale), make(low, high)
        np.testing.assert_allclose(found.low, expected.low * scale, rtol=1e-5)
        np.testing.assert_allclose(found.high, expected.high * scale, rtol=1e-5)


def test_channels_without_signal_have_a_range_beside_tiny_ones() -> None:
    found = asymmetric_range(np.array([-1e-6, 0.0]), np.array([1e-6, 0.0]), 256)
    assert found.high.tolist() == pytest.approx([1e-6, 1e-8], rel=0.02)
    nothing = asymmetric_range(np.zeros(2), np.zeros(2), 256)
    assert nothing.high.tolist() == pytest.approx([8e-4, 8e-4], rel=0.02)


@pytest.mark.parametrize("magnitude", [1e-45, 1e-38, 1e-30, 1e-20])
def test_the_product_of_two_steps_is_a_normal_number(magnitude: float) -> None:
    values = np.full(1, magnitude)
    for found in (weight_range(values), symmetric_range(-values, values, 256), asymmetric_range(-values, values, 256)):
        assert (np.square(code_scale(found, 256)) >= np.finfo(np.float32).tiny).all()


def slow_fake_quantize(value: float, low: float, high: float, levels: int) -> float:
    if value <= low:
        return low
    if value > high:
        return high
    return half_even((value - low) / (high - low) * (levels - 1)) / (levels - 1) * (high - low) + low


@given(st.lists(reals, min_size=1, max_size=8), st.floats(0.01, 100))
def test_fake_quantize_follows_the_specification(values: list[float], bound: float) -> None:
    limits = weight_range(np.array([bound]))
    found = fake_quantize(np.array(values), limits, 255)
    step = 2 * bound / 254
    for value, rounded in zip(values, found, strict=True):
        slow = slow_fake_quantize(value, -float(limits.high[0]), float(limits.high[0]), 255)
        on_a_tie = abs((value / step) % 1 - 0.5) < 1e-3
        assert rounded == pytest.approx(slow, abs=step * 1.01 if on_a_tie else 1e-4 * bound)
    again = fake_quantize(found, limits, 255)
    np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-6 * bound)


@given(st.lists(reals, min_size=1, max_size=8))
def test_codes_times_scale_are_the_fake_quantized_weights(values: list[float]) -> None:
    weights = np.array(values, np.float32)
    limits = weight_range(np.abs(weights).max(keepdims=True))
    stored = codes(weights, limits, 255, signed=True)
    assert stored.dtype == np.int8
    assert np.abs(stored.astype(int)).max() <= 127
    restored = stored * code_scale(limits, 255)
    np.testing.assert_allclose(restored, fake_quantize(weights, limits, 255), rtol=1e-5, atol=1e-5 * limits.high.max())
    assert (stored[weights == 0] == 0).all()


@given(values=st.lists(reals, min_size=1, max_size=8), symmetric=st.booleans())
def test_unsigned_codes_count_from_the_code_of_zero(*, values: list[float], symmetric: bool) -> None:
    found = np.array(values, np.float32)
    low, high = found.min(keepdims=True), found.max(keepdims=True)
    limits = symmetric_range(low, np.maximum(-low, high), 256) if symmetric else asymmetric_range(low, high, 256)
    stored, zero = codes(found, limits, 256, signed=False), zero_code(limits, 256)
    assert stored.dtype == np.uint8
    restored = (stored - zero) * code_scale(limits, 256)
    np.testing.assert_allclose(
        restored,
        fake_quantize(found, limits, 256),
        rtol=1e-4,
        atol=1e-4 * np.abs(limits.low).max() + 1e-4 * np.abs(limits.high).max(),
    )


@pytest.mark.parametrize(
    ("maxima", "count", "expected"),
    [
        ([1.0, 3.0], 8, True),  # few elements, unlike maxima: the mean 2 cuts the second sample by 1
        ([1.0, 3.0], 100_000, False),  # many elements: rounding all of them more coarsely would cost more
        ([2.0, 2.0], 8, False),  # like maxima: nothing is cut
        ([1.0, 3.0], 0, False),  # a tensor of unknown size: the published mean stands
    ],
)
def test_the_mean_is_given_up_only_where_clipping_costs_more_than_rounding(
    maxima: list[float], count: int, *, expected: bool
) -> None:
    assert clips_too_much(np.array([[each] for each in maxima]), count, 256) is expected


def test_the_bound_of_that_rule_is_what_it_says() -> None:
    maxima = np.array([[1.0], [3.0]])
    clipped, step = 1.0 / 2, 6.0 / 254
    turning = math.floor(clipped / (10 * step**2 / 12))
    assert clips_too_much(maxima, turning, 256)
    assert not clips_too_much(maxima, turning + 1, 256)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, -2.0], True),
        ([3e38, 3e38], True),  # their sum is none
        ([-np.inf, 1.0], False),
        ([-np.inf, np.inf], False),
        ([np.nan], False),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_finite_values_have_a_range(values: list[float], dtype: type, *, expected: bool) -> None:
    assert are_finite(np.array(values, dtype)) is expected
