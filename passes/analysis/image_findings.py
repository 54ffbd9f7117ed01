"""What looks wrong about images: wrong ranges, normalization that is missing or done twice, axes that were mixed up.

The rules know what all images have in common, and what a model does with them first.
`tests/programs/wrong_preprocessing.py` measures how many mistakes they find, and that right data cause no warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...ir import element_type
from ..runtime.colour_look import ColourLook, has_channels_first
from ..runtime.data_look import InputLook
from ..runtime.samples import ModelInput

#: Values of images: pixels reach from 0 to 255, normalized ones hardly beyond 8; a mean or scale of pixels is larger.
_DARK, _NORMALIZED, _OF_PIXELS = 64, 8, 16
#: The narrowest range of normalized colour images, all together. Measured: 0.91 and more.
_NARROW = 0.2
#: The least correlation of two colours in photographs; coordinates in three channels have less. Measured: 0.5 and more.
_ALIKE = 0.3
#: The least share of samples that another preparation must have: single ones may be black.
_SOME = 0.05
#: What a first convolution gives at most of the data that it was trained with, as a root of the mean square.
#: Measured on 46 models: at most 14, and 20 for one that takes pixels; 44 and more for pixels that are not normalized.
_EXPECTED = 30
#: What a first convolution gives at least of data that it was trained with, as a share of its biases, and the peak of
#: images that are not black. Measured on 26 models with a bias: 0.5 and more; 0.003 for one that takes pixels without
#: the mean, and was given a 255th of them (as a root of the mean square; 0.01 at its peak).
_LEAST, _BLACK = 0.05, 0.1
#: The fewest images that tell of axes: stripes are alike at a distance, too.
_FEWEST = 4
_CHANNELS = (1, 3)
#: The options that normalize images, with a place for the numbers.
_NORMALIZING = ("--mean", "M,M,M", "--scale", "S,S,S")


@dataclass(frozen=True)
class DataMistake:
    """What looks wrong about all samples: a result made and checked with them says little about right ones.

    Attributes:
        found: What was found.
        remedy: What to do.
        by_hand: What to do if the options of the command line do not prepare the samples; empty: the same.
        flags: Options that do it; empty: none does.
    """

    found: str
    remedy: str
    by_hand: str = ""
    flags: tuple[str, ...] = ()

    @property
    def without_options(self) -> "DataMistake":
        """The same about samples that no options prepare, as arrays."""
        return DataMistake(self.found, self.by_hand or self.remedy)

    def __str__(self) -> str:
        """The message about it."""
        return f"{self.found}: {self.remedy}"


@dataclass(frozen=True)
class ExpectedInput:
    """What a float model does with an input first.

    Attributes:
        model: The input.
        steps: The values of each mean and scale.
        gain: See `first_gain`.
        bias: See `first_bias`.
    """

    model: ModelInput
    steps: tuple[float, ...]
    gain: float | None
    bias: float | None = None

    @property
    def is_image(self) -> bool:
        """Whether the input takes images as floats, as far as its shape shows."""
        shape = self.model.shape or ()
        has_channels = len(shape) == 4 and (shape[1] in _CHANNELS or shape[3] in _CHANNELS)
        return has_channels and element_type(self.model.element_type).is_float


def about_images(expected: ExpectedInput, seen: InputLook, *, gives_images: bool) -> Iterator[DataMistake]:
    """What looks wrong about the images of an input.

    Args:
        expected: The input.
        seen: Its values in all samples.
        gives_images: Whether the model makes images, which it computes from pixels as they are.
    """
    found = [*_about_values(expected, seen, gives_images=gives_images), *_about_colours(seen.colours)]
    if not found and seen.colours.judged:
        found += _about_range(seen)
    yield from (replace(each, found=f"input {expected.model}: {each.found}") for each in found)


def _about_values(expected: ExpectedInput, seen: InputLook, *, gives_images: bool) -> Iterator[DataMistake]:
    """Values and what the model does with them do not fit together."""
    spans_pixels = seen.low >= 0 and seen.high > _DARK
    if spans_pixels and not gives_images and expected.gain and expected.gain * seen.size > _EXPECTED:
        yield DataMistake(
            f"values lie in {seen.range}, nothing in the model normalizes them, and its first convolution is made for "
            "smaller ones",
            "give the mean and scale of its training (--mean, --scale)",
            "normalize the samples with the mean and scale of its training",
            _NORMALIZING,
        )
    if _BLACK < seen.peak <= _NORMALIZED and _is_next_to_nothing(expected, seen) and not gives_images:
        yield DataMistake(
            f"values lie in {seen.range}, and the model's first convolution is made for larger ones: they change its "
            f"results by less than {_LEAST:.0%} of its biases",
            "give pixels of 0 to 255 minus the mean of its training (--mean, without --scale), if it takes these",
            "give pixels of 0 to 255 minus the mean of its training, if it takes these",
        )
    if seen.peak <= _NORMALIZED and max(expected.steps, default=0.0) >= _OF_PIXELS:
        yield DataMistake(
            f"values lie in {seen.range}, but the model itself normalizes pixels (by {max(expected.steps):.4g})",
            "give pixels of 0 to 255, without --mean and --scale",
            "give pixels of 0 to 255",
        )


def _is_next_to_nothing(expected: ExpectedInput, seen: InputLook) -> bool:
    """Whether even the peak of the data hardly changes what the first convolution gives without them."""
    gain, bias = expected.gain, expected.bias
    return bool(gain and bias and gain * seen.peak < _LEAST * bias)


def _about_colours(seen: ColourLook) -> Iterator[DataMistake]:
    """Images that differ in their preparation, or whose axes were mixed up."""
    if seen.judged >= _FEWEST and seen.mixed * 2 > seen.judged:
        read, written = ("HWC", "CHW") if has_channels_first(seen.shape) else ("CHW", "HWC")
        axes = "2, 0, 1" if written == "CHW" else "1, 2, 0"
        yield DataMistake(
            f"{seen.mixed} of {seen.judged} samples look like {read} arrays that were reshaped to {written}",
            f"reorder the axes instead, array.transpose({axes})",
        )
    normalized = [peak for peak, whole in zip(seen.peaks, seen.whole, strict=True) if peak <= _NORMALIZED and not whole]
    pixels = [peak for peak in seen.peaks if peak > _DARK]
    if min(len(normalized), len(pixels)) > _SOME * len(seen.peaks):
        yield DataMistake(
            f"{len(pixels)} samples hold pixels (up to {max(pixels):.4g}), {len(normalized)} normalized values (up to "
            f"{max(normalized):.4g})",
            "prepare all of them in the same way",
        )


def _about_range(seen: InputLook) -> Iterator[DataMistake]:
    """Colour images in a range that no usual preparation gives."""
    is_photo = sum(seen.colours.alike) > _ALIKE * len(seen.colours.alike)
    if seen.high - seen.low < _NARROW:
        yield DataMistake(
            f"values lie in {seen.range}, narrow for images", "check that they are not scaled or normalized twice"
        )
    elif _NORMALIZED < seen.peak <= _DARK and is_photo:
        yield DataMistake(
            f"values lie in {seen.range}, too wide for normalized images and too narrow for pixels",
            "check that they are not normalized twice",
        )
    elif seen.low < 0 and seen.peak <= _NORMALIZED and all(seen.colours.whole):
        yield DataMistake(
            f"values are whole numbers from {seen.range}",
            "normalized images were rounded to integers; convert to float before the mean is subtracted",
        )
