"""The error of divided streams, against sums written out and against rounding itself; and the choice of the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from irquant.passes.analysis.channel_scales import Matrix
from irquant.passes.analysis.ranges import fake_quantize, symmetric_range
from irquant.passes.analysis.stream_scales import Reader, Rounded, best_numbers

RNG = np.random.default_rng(3)
CHANNELS, ROWS, TAPS = 6, 4, 9
SPREAD = np.array([1, 30, 1, 0.1, 5, 1.0])
ALL = np.arange(CHANNELS)


def kernel(groups: int = 1) -> np.ndarray:
    """[groups, rows, channels of a group, taps]."""
    return RNG.normal(size=(groups, ROWS, CHANNELS // groups, TAPS))


def reader(weights: np.ndarray, mean_square: np.ndarray) -> Reader:
    columns = np.square(weights).sum(axis=(1, 3)).reshape(-1)
    largest = np.abs(weights).max(axis=3).astype(np.float32)
    matrices = tuple(Matrix(each, 255, is_per_channel=True) for each in largest)
    return Reader(ALL, mean_square, columns, matrices, TAPS)


def rounded(values: np.ndarray, importance: np.ndarray) -> Rounded:
    places = np.tile(ALL, len(values))
    return Rounded(
        ALL, values.reshape(-1), places, values.min(axis=0), values.max(axis=0), importance, 256, signed=True
    )


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_the_error_of_rounded_weights_is_the_sum_over_all_weights(groups: int) -> None:
    weights, mean_square = kernel(groups), RNG.random(CHANNELS) + 0.1
    numbers = RNG.random(CHANNELS) + 0.5
    by_group = [each.reshape(groups, -1) for each in (mean_square, numbers)]
    error = signal = 0.0
    for group in range(groups):
        for row in range(ROWS):
            scaled = weights[group, row] * by_group[1][group][:, None]
            step = 2 * np.abs(scaled).max() / 254
            for channel in range(CHANNELS // groups):
                square = by_group[0][group][channel]
                for tap in range(TAPS):
                    error += step**2 / 12 * square / by_group[1][group][channel] ** 2
                    signal += weights[group, row, channel, tap] ** 2 * square
    assert reader(weights, mean_square).error(numbers) == pytest.approx(error / signal, rel=1e-5)


def test_the_error_of_rounded_weights_is_that_of_rounding_them() -> None:
    weights, numbers = RNG.normal(size=(1, 400, CHANNELS, TAPS)), np.exp(RNG.normal(size=CHANNELS))
    scaled = weights[0] * numbers[:, None]
    largest = np.abs(scaled).max(axis=(1, 2), keepdims=True)
    steps = largest / 127
    errors = (np.round(scaled / steps) * steps - scaled) / numbers[:, None]
    found = reader(weights, np.ones(CHANNELS))
    assert found.error(numbers) == pytest.approx(np.square(errors).sum() / np.square(weights).sum(), rel=0.05)


def test_the_error_of_rounded_data_is_that_of_rounding_them() -> None:
    values, importance = RNG.normal(size=(2000, CHANNELS)) * SPREAD, RNG.random(CHANNELS)
    numbers = np.exp(RNG.normal(size=CHANNELS))
    divided = (values / numbers).astype(np.float32)
    limits = [
        symmetric_range(np.full(1, -1.0), np.abs(divided).max() * share, 256) for share in np.geomspace(0.1, 1, 20)
    ]
    errors = [
        (np.square(fake_quantize(divided, each, 256) - divided) * importance * numbers**2).sum(axis=1).mean()
        for each in limits
    ]
    found = rounded(values, importance).error(numbers)
    assert min(errors) <= found * 1.05  # clipping counts more than that
    assert found <= errors[-1] * 1.05


def test_channels_of_unlike_ranges_become_more_alike() -> None:
    values = RNG.normal(size=(500, CHANNELS)) * SPREAD
    weights = kernel() / SPREAD[:, None]
    one = reader(weights, np.square(SPREAD))
    numbers = best_numbers(np.ptp(values, axis=0), [one], [rounded(values, one.importance)])
    assert numbers is not None
    assert np.ptp(np.log(SPREAD / numbers)) < np.ptp(np.log(SPREAD))


def test_channels_of_like_ranges_stay() -> None:
    values = np.repeat(RNG.uniform(-1, 1, size=(500, 1)), CHANNELS, axis=1)
    one = reader(np.ones((1, ROWS, CHANNELS, TAPS)), np.ones(CHANNELS))
    assert best_numbers(np.ptp(values, axis=0), [one], [rounded(values, one.importance)]) is None


def test_what_nothing_is_rounded_in_stays() -> None:
    floating = Reader(ALL, np.square(SPREAD), np.ones(CHANNELS))
    assert best_numbers(SPREAD, [floating], []) is None


def test_channels_that_are_always_zero_stay() -> None:
    values = np.zeros((500, CHANNELS))
    one = reader(kernel(), np.zeros(CHANNELS))
    assert best_numbers(np.zeros(CHANNELS), [one], [rounded(values, one.importance)]) is None


def test_a_layer_that_gives_nothing_but_zeros_counts_nothing() -> None:
    one = reader(np.zeros((1, ROWS, CHANNELS, TAPS)), np.ones(CHANNELS))
    assert one.error(np.ones(CHANNELS)) == 0
    assert not one.importance.any()


def test_channels_that_must_stay_are_divided_by_nothing() -> None:
    values = RNG.normal(size=(500, CHANNELS)) * SPREAD
    fixed = np.where(ALL < 2, ALL, 2)  # the third number is that of the others
    one = replace(reader(kernel() / SPREAD[:, None], np.square(SPREAD)), channels=fixed)
    data = replace(rounded(values, one.importance), channels=fixed)
    numbers = best_numbers(np.ptp(values, axis=0)[:2], [one], [data])
    assert numbers is not None
    assert numbers.shape == (2,)
