"""What colour images look like as arrays: the peak of each, whether it was rounded, and whether its axes were mixed up.

An array of height, width and channels that is only reshaped to channels, height and width, or the other way round, has
the right shape and the wrong contents. Its pixels are alike at distances where those of an image are not.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from ...ir import Array

_CHANNELS = 3
#: So many images show how all were read; smaller ones show nothing.
_MOST_JUDGED, _SMALLEST = 32, 8
#: How much more alike pixels at the wrong distance must be, as a difference of correlations, and how alike at least:
#: noise is alike nowhere. Measured on the images of 46 models: at most 12 % of those of a model are beyond the margin;
#: mixed up, 84 % and more are.
_MARGIN, _ALIKE = 0.02, 0.4


@dataclass
class ColourLook:
    """The colour images of an input.

    Attributes:
        shape: The shape of a sample.
        peaks: The largest magnitude in each image.
        whole: Whether each image has whole numbers only.
        judged: The number of images whose axes were judged.
        mixed: The number of those whose axes seem to be mixed up.
        alike: The mean correlation of the colours with one another, of those.
    """

    shape: tuple[int, ...] = ()
    peaks: list[float] = field(default_factory=list[float])
    whole: list[bool] = field(default_factory=list[bool])
    judged: int = 0
    mixed: int = 0
    alike: list[float] = field(default_factory=list[float])

    def add(self, array: Array, peak: float) -> None:
        """Takes a sample of images, with channels first or last, and its largest magnitude."""
        self.shape = array.shape
        self.peaks.append(peak)
        self.whole.append(_is_whole(array.ravel()[:64]) and _is_whole(array))
        first = has_channels_first(array.shape)
        planes = array[0] if first else np.moveaxis(array[0], 2, 0)
        if self.judged < _MOST_JUDGED and min(planes.shape[1:]) >= _SMALLEST:
            values = planes.astype(np.float32)
            self.judged += 1
            with np.errstate(over="ignore", invalid="ignore"):  # masks of infinities
                self.mixed += (_mixes_rows if first else _mixes_columns)(values)
                self.alike.append(min(_correlation(values[0], values[1]), _correlation(values[1], values[2])))


def is_colour(array: Array) -> bool:
    """Whether an array may hold colour images as floats."""
    shape = array.shape
    return array.dtype.kind == "f" and array.size > 0 and len(shape) == 4 and _CHANNELS in (shape[1], shape[3])


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the channels of images are in front of height and width."""
    return shape[1] == _CHANNELS


def _is_whole(values: Array) -> bool:
    return bool((values == np.rint(values)).all())


def _mixes_rows(planes: Array) -> bool:
    """Whether height, width and channels were read as channels, height and width.

    Then three rows hold one row of the image: rows at a distance of three are more alike than neighbours.
    """
    return _alike_at(planes, 1, 3) > max(_alike_at(planes, 1, 1) + _MARGIN, _ALIKE)


def _mixes_columns(planes: Array) -> bool:
    """Whether channels, height and width were read as height, width and channels.

    Then a row holds three rows of a channel, side by side: pixels a third of the width apart are more alike than near
    ones.
    """
    return _alike_at(planes, 2, round(planes.shape[2] / 3)) > max(_alike_at(planes, 2, 3) + _MARGIN, _ALIKE)


def _alike_at(planes: Array, axis: int, distance: int) -> float:
    """The correlation of pixels at a distance along an axis; NaN beside blank margins: no comparison holds for it."""
    before = (slice(None),) * axis
    one, other = planes[(*before, slice(-distance))], planes[(*before, slice(distance, None))]
    return math.nan if one.min() == one.max() or other.min() == other.max() else _correlation(one, other)


def _correlation(one: Array, other: Array) -> float:
    """The correlation of two arrays; 1 if one of them is constant."""
    x, y = (one - one.mean()).ravel(), (other - other.mean()).ravel()
    power = float(np.dot(x, x)) * float(np.dot(y, y))
    return float(np.dot(x, y)) / power**0.5 if power > 0 and np.isfinite(power) else 1.0
