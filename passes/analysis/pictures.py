"""Detects image outputs: the input image made larger, cleaner or differently coloured, not a map of it.

Shapes only exclude images: the logits of a segmentation with three classes have as many channels as an image, too. The
contents tell the two apart, so that samples decide: an image output looks like its input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import DYNAMIC, Array
from .ranges import Floats

_CHANNELS = (1, 3)
#: The number of blocks per side that images are compared by: the noise that a network removes and the edges that it
#: sharpens are finer.
BLOCKS = 16
#: The least correlation of an image output with its input, and the largest factor between their contrasts.
#:
#: Measured: a super-resolution network 0.996 at contrast 1.0; images against themselves with noise, the case of a
#: denoiser, 0.999 to 0.94 (noise of 5 to 40 % of the range) at 1.0. Not images: 80 U-Nets with random weights on images
#: and on noise, at most 0.87 and mostly below 0.6; logits of "brighter than half", 0.89 at a contrast of 35.
LEAST_CORRELATION, MOST_CONTRAST = 0.9, 4.0
#: The least correlation of each single image that is not of one colour.
LEAST_OF_EACH = 0.75
#: Images reach from 0 to 1, or to this.
_WHITE = 255.0


def may_be_picture(output: Sequence[int], given: Sequence[int]) -> bool:
    """Whether both shapes are equally many images with equal channels, no smaller in the output; unknown sizes fit.

    Images have more pixels a side than the blocks that they are compared by. Smaller maps of one or three channels are
    states and caches, whose values are alike from step to step.
    """
    if len(output) != 4 or len(given) != 4 or (output[0] != given[0] and DYNAMIC not in (output[0], given[0])):
        return False
    (channels, sizes), (channels_in, sizes_in) = _as_picture(output), _as_picture(given)
    is_larger = all(DYNAMIC in (out, size) or out >= size for out, size in zip(sizes, sizes_in, strict=True))
    is_fine = all(size == DYNAMIC or size >= BLOCKS for size in sizes_in)
    return channels == channels_in and channels in _CHANNELS and is_larger and is_fine


def _as_picture(shape: Sequence[int]) -> tuple[int, Sequence[int]]:
    """The channels and sizes of an image, channels first or last."""
    return (shape[1], shape[2:]) if shape[1] in _CHANNELS else (shape[3], shape[1:3])


def is_picture_of(pairs: Sequence[tuple[Array, Array]]) -> bool:
    """Whether outputs are images that look like their inputs, in structure (by correlation) and in contrast.

    All together must be alike, and each alone to some degree: a foreground mask looks like its image if the foreground
    fills most of it.
    """
    total = Likeness()
    for given, output in pairs:
        if not may_be_picture(output.shape, given.shape) or not np.isfinite(output).all():
            return False
        one = Likeness()
        one.add(given, output)
        if one.given and one.correlation < LEAST_OF_EACH:
            return False
        total = total.joined(one)
    return total.is_picture


@dataclass
class Likeness:
    """Sums over blocks of images, each channel about its mean: of inputs, outputs, and their products."""

    given: float = 0.0
    output: float = 0.0
    both: float = 0.0

    def add(self, given: Array, output: Array) -> None:
        """Adds a pair of images."""
        one, other = (_blocks(_planes(each)) for each in (given, output))
        self.given += float(np.square(one).sum())
        self.output += float(np.square(other).sum())
        self.both += float((one * other).sum())

    def joined(self, other: "Likeness") -> "Likeness":
        """The sums over the images of both."""
        return Likeness(self.given + other.given, self.output + other.output, self.both + other.both)

    @property
    def correlation(self) -> float:
        """The correlation of inputs with outputs; 0 if either is all of one colour."""
        return self.both / (self.given * self.output) ** 0.5 if self.given and self.output else 0.0

    @property
    def is_picture(self) -> bool:
        """Whether the outputs are images that look like the inputs."""
        if self.correlation < LEAST_CORRELATION:
            return False
        contrast = (self.output / self.given) ** 0.5
        times = (contrast, contrast * _WHITE, contrast / _WHITE)
        return any(1 / MOST_CONTRAST <= each <= MOST_CONTRAST for each in times)


def _planes(picture: Array) -> Floats:
    """[N, C, H, W]."""
    values = picture.astype(np.float64)
    return values if picture.shape[1] in _CHANNELS else np.moveaxis(values, 3, 1)


def _blocks(planes: Floats) -> Floats:
    """Means of `BLOCKS` x `BLOCKS` blocks, about the mean of each plane."""
    for axis in (2, 3):
        size = planes.shape[axis]
        starts = np.arange(BLOCKS) * size // BLOCKS
        widths = np.diff(starts, append=size)
        shape = [BLOCKS if k == axis else 1 for k in range(4)]
        planes = np.add.reduceat(planes, starts, axis=axis) / widths.reshape(shape)
    centred: Floats = planes - planes.mean(axis=(2, 3), keepdims=True)
    return centred
