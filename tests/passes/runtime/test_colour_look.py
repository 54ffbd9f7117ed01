"""What is noticed about colour images."""

from typing import Any

import numpy as np
import pytest

from irquant.passes.runtime.colour_look import ColourLook, is_colour

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(3)


def photograph(height: int = 30, width: int = 32) -> Array:
    """[1, 3, height, width]: soft shapes, as photographs have, and similar colours."""
    rough = RNG.normal(size=(1, 1, height, width)).cumsum(2).cumsum(3)
    shapes = (rough - rough.mean()) / rough.std()
    array: Array = (
        shapes + 0.2 * RNG.normal(size=(1, 3, 1, 1)) + 0.05 * RNG.normal(size=(1, 3, height, width))
    ).astype(np.float32)
    return array


def look(samples: list[Array]) -> ColourLook:
    found = ColourLook()
    for each in samples:
        found.add(each, float(np.abs(each).max()))
    return found


PHOTOGRAPHS = [photograph() for _ in range(10)]
LAST = [each.transpose(0, 2, 3, 1) for each in PHOTOGRAPHS]


def test_right_axes_are_not_mixed_up() -> None:
    assert (look(PHOTOGRAPHS).mixed, look(LAST).mixed) == (0, 0)


def test_reshaped_axes_are_noticed_in_both_directions() -> None:
    first = [last.reshape(each.shape) for each, last in zip(PHOTOGRAPHS, LAST, strict=True)]
    last = [each.reshape(other.shape) for each, other in zip(PHOTOGRAPHS, LAST, strict=True)]
    assert look(first).mixed >= 9
    assert look(last).mixed >= 9


@pytest.mark.parametrize("size", [8, 32])
def test_noise_looks_like_nothing(size: int) -> None:
    found = look([RNG.normal(size=(1, 3, size, size)).astype(np.float32) for _ in range(40)])
    assert (found.mixed, found.judged) == (0, 32)


def test_small_or_constant_images_are_not_judged() -> None:
    assert look([np.ones((1, 3, 4, 4), np.float32)]).judged == 0
    assert look([np.ones((1, 3, 16, 16), np.float32)]).mixed == 0


def test_infinities_cause_no_warning_of_numpy() -> None:
    array = photograph()
    array[0, 0, :4] = -np.inf
    assert look([array]).peaks == [np.inf]


def test_whole_numbers_and_peaks_are_kept_for_each_sample() -> None:
    found = look([np.full((1, 3, 8, 8), -2, np.float32), np.full((1, 3, 8, 8), 0.5, np.float32)])
    assert (found.peaks, found.whole) == ([2.0, 0.5], [True, False])


@pytest.mark.parametrize(
    ("shape", "dtype", "is_one"),
    [
        ((1, 3, 8, 8), np.float32, True),
        ((1, 8, 8, 3), np.float16, True),
        ((1, 3, 8, 8), np.uint8, False),
        ((1, 1, 8, 8), np.float32, False),
        ((3, 8, 8), np.float32, False),
        ((0, 3, 8, 8), np.float32, False),
    ],
)
def test_only_floats_in_three_channels_are_colour_images(shape: tuple[int, ...], dtype: Any, is_one: bool) -> None:
    assert is_colour(np.zeros(shape, dtype)) is is_one


def test_blank_margins_do_not_look_like_mixed_axes() -> None:
    """Lines of text that are padded on the right, channels last: a third of the width apart, one side is blank."""
    lines = [np.zeros((1, 32, 320, 3), np.float32) for _ in range(9)]
    for number, line in enumerate(lines):
        line[:, :, :100] = np.random.default_rng(number).random((1, 32, 100, 1))
    assert look(lines).mixed == 0
