"""Samples from images: each image is one sample, resized, reordered and normalized for the model.

Pixels are 0 to 255 before mean and scale, for all kinds of files: 16-bit pixels are multiplied by 255/65535, float
pixels, which must lie in 0 to 1, by 255. Palettes, CMYK, YCbCr and LAB become RGB; transparency is dropped. An input of
type u16 takes 16-bit grey images unchanged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from irquant.ir import DYNAMIC, Array, ElementType, element_type
from irquant.ir.user_files import ANY_SIZE, is_too_large, open_user_file
from irquant.passes.runtime.samples import DataError, ModelInput, Sample, reason_of

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
#: What the names stand for: other decoders of Pillow start programs, or unpack what nobody asked for.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
#: The most pixels of a picture.
MOST_PIXELS = 1 << 27
#: A kind of files with at most this share of all stands out.
_STANDS_OUT = 0.1
LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")
#: White in 8 bits and in 16.
_WHITE, _DEEP = 255, 65535
#: Modes that Pillow would clip at 255, and their value of white; some of its readers return 16 bits as mode I.
_LARGEST = {**dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N", "I"), _DEEP), "F": 1}


@dataclass(frozen=True)
class ImageOptions:
    """How an image becomes an array: (image - mean) / scale, channel by channel.

    Attributes:
        size: Height and width; None: those of the model, or of the image if they are dynamic in the model.
        layout: NCHW, NHWC, CHW or HWC; None: from the model.
        mean: Subtracted from each channel; one number or one per channel.
        scale: Each channel is divided by it afterwards.
        colour_order: "rgb" (the default) or "bgr".
        central_fraction: The share of height and width, in the middle, to crop first.
    """

    size: tuple[int, int] | None = None
    layout: str | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    colour_order: str | None = None
    central_fraction: float | None = None


def takes_integers(inputs: Sequence[ModelInput]) -> bool:
    """Whether no input takes floats: pixels are then not normalized."""
    return not any(element_type(each.element_type).is_float for each in inputs)


@dataclass(frozen=True)
class ImageSource:
    """Images from files.

    Raises:
        DataError: the model does not take one image, or the options do not fit it.
    """

    paths: tuple[Path, ...]
    inputs: tuple[ModelInput, ...]
    options: ImageOptions

    def __post_init__(self) -> None:
        if len(self.inputs) != 1:
            message = (
                f"images can feed one input only, but the model has {len(self.inputs)}: "
                f"{', '.join(map(str, self.inputs))}; give .npz files or module:function"
            )
            raise DataError(message)
        channels = self._axes()["C"]
        if unfit := self._why_no_pixels(channels):
            message = f"input {self.inputs[0]}: {unfit}; give .npz or module:function"
            raise DataError(message)
        if takes_integers(self.inputs) and (self.options.mean or self.options.scale):
            message = f"input {self.inputs[0]} takes pixels without mean and scale: leave them out"
            raise DataError(message)
        for name, values in (("mean", self.options.mean), ("scale", self.options.scale)):
            if len(values) not in (0, 1, channels):
                message = f"{name} has {len(values)} numbers, but input {self.inputs[0]} has {channels} channels"
                raise DataError(message)
        if 0 in self.options.scale:
            message = f"scale is {', '.join(map(str, self.options.scale))}: cannot divide by zero"
            raise DataError(message)

    def _why_no_pixels(self, channels: int) -> str:
        """Why no image fits the input; empty if images may fit."""
        if channels not in (1, 3):
            return f"{channels} channels, but images have 1 or 3"
        if self._is_deep:
            return "images with 3 channels are read in 8 bits" if channels == 3 else ""
        if not self._kind.is_float and not _holds_pixels(self._kind):
            return f"{self._kind.name} does not hold 0 to 255"
        return ""

    @property
    def description(self) -> str:
        """The kinds of files, and how they are prepared."""
        axes, options = self._axes(), self.options
        kinds = " and ".join(sorted({_kind_of(path) for path in self.paths}))
        colours = "grey" if axes["C"] == 1 else (options.colour_order or "rgb").upper()
        height, width = options.size or (axes["H"], axes["W"])
        size = "in their own size" if DYNAMIC in (height, width) else f"{height}x{width} bilinear"
        mean, scale = (
            ",".join(f"{each:g}" for each in values) for values in (options.mean or (0,), options.scale or (1,))
        )
        return f"{kinds} files, {colours}, {size}, mean {mean}, scale {scale}, {self._layout()}, {self._kind.name}"

    @property
    def doubts(self) -> tuple[str, ...]:
        """A warning for each kind of files that are few among many."""
        counts = Counter(map(_kind_of, self.paths))
        return tuple(
            f"only {count} of {len(self.paths)} images are {kind} files: check that they belong to the data"
            for kind, count in counts.items()
            if count <= _STANDS_OUT * len(self.paths)
        )

    def __len__(self) -> int:
        """The number of images."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Sample]:
        """Reads one image after the other."""
        return (self[index] for index in range(len(self)))

    def count_parts(self) -> int:
        """The number of images, which can be read in any order."""
        return len(self.paths)

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """The images of these numbers."""
        return ((self[index],) for index in order)

    def __getitem__(self, index: int) -> Sample:
        """Reads one image."""
        path = self.paths[index]
        label = f"sample {index} ({path})"
        return Sample(label, self._array(path, label))

    def _layout(self) -> str:
        """The axes of the input."""
        given, model = self.options.layout, self.inputs[0]
        layout = (given or model.layout or _guessed(model)).upper()
        if layout not in LAYOUTS:
            message = f"layout '{layout}' is unknown; there are: {', '.join(LAYOUTS)}"
            raise DataError(message)
        if model.shape is None or len(model.shape) != len(layout):
            message = f"layout {layout} does not fit input {model}"
            raise DataError(message)
        return layout

    def _axes(self) -> dict[str, int]:
        shape = self.inputs[0].shape or ()
        return dict(zip(self._layout(), shape, strict=True))

    @property
    def _kind(self) -> ElementType:
        return element_type(self.inputs[0].element_type)

    @property
    def _is_deep(self) -> bool:
        """Whether the input takes 16-bit images unchanged."""
        return self._kind.name == "u16"

    def _array(self, path: Path, label: str) -> Array:
        axes, layout = self._axes(), self._layout()
        pixels = self._pixels(path, label, axes)
        if self.options.mean or self.options.scale:
            pixels = (pixels - np.array(self.options.mean or 0.0)) / np.array(self.options.scale or 1.0)
        pixels = pixels.astype(np.float32) if self._kind.is_float else np.rint(pixels).astype(self._kind.dtype)
        if layout.endswith("CHW"):
            pixels = pixels.transpose(2, 0, 1)
        return pixels[np.newaxis] if "N" in layout else pixels

    def _pixels(self, path: Path, label: str, axes: Mapping[str, int]) -> np.ndarray[Any, np.dtype[Any]]:
        """Pixels as height x width x channels, 0..255; 0..65535 for an input of type u16."""
        from PIL import Image  # imported here, because most runs read no image

        image = _picture(path, label, axes["C"], is_deep=self._is_deep)
        if share := self.options.central_fraction:
            image = image.crop(_centre(image.size, share))
        height, width = self.options.size or (axes["H"], axes["W"])
        if DYNAMIC not in (height, width) and image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape[2] < axes["C"]:
            pixels = np.repeat(pixels, axes["C"], axis=2)
        return pixels[:, :, ::-1] if self.options.colour_order == "bgr" else pixels


def _kind_of(path: Path) -> str:
    """The kind of a file by its name."""
    return path.suffix[1:].upper().replace("JPEG", "JPG").replace("TIFF", "TIF")


def _holds_pixels(kind: ElementType) -> bool:
    return kind.dtype is not None and kind.dtype.kind in "iu" and np.iinfo(kind.dtype).max >= _WHITE


def _picture(path: Path, label: str, channels: int, *, is_deep: bool) -> "Image.Image":
    """An image from a file: RGB, grey, or grey floats if it has more than 8 bits.

    Raises:
        DataError: the file cannot be read, or would lose values.
    """
    from PIL import Image  # imported here, because most runs read no image

    Image.MAX_IMAGE_PIXELS = None  # it would warn, in lines of its own; the limit is looked at below
    try:
        with open_user_file(path) as opened, Image.open(opened, formats=_FORMATS) as file:
            _refuse_bomb(file)
            file.load()
            image = file if is_deep or file.mode in _LARGEST else _in_bytes(file, channels)
    except Exception as error:  # damaged files make decoders raise anything
        message = f"{label}: cannot be read as an image: {reason_of(error)}"
        raise DataError(message) from error
    return _in_floats(image, label, is_deep=is_deep) if is_deep or image.mode in _LARGEST else image


def _refuse_bomb(file: "Image.Image") -> None:
    """Refuses what Pillow warns of, and more than that.

    Raises:
        ValueError: there are too many pixels.
    """
    if is_too_large(pixels := file.width * file.height, MOST_PIXELS):
        size = f"{file.width}x{file.height} are {pixels:,} pixels"
        message = f"{size}, expected {MOST_PIXELS:,} or less; {ANY_SIZE}=1 allows it"
        raise ValueError(message)


def _in_bytes(file: "Image.Image", channels: int) -> "Image.Image":
    """The image as RGB or grey; grey is converted from RGB, since all modes convert to RGB."""
    file.info.pop("transparency", None)  # transparency is dropped, and Pillow warns about some kinds
    colours = file.convert("RGB")
    return colours if channels == 3 else colours.convert("L")


def _in_floats(file: "Image.Image", label: str, *, is_deep: bool) -> "Image.Image":
    """A grey image of 16 bits or floats, as floats from 0 to 255; Pillow itself would clip the values.

    Args:
        file: The image.
        label: Its name in messages.
        is_deep: Whether to keep 16-bit values.

    Raises:
        DataError: the image has values out of range, or fewer bits than the input.
    """
    from PIL import Image  # imported here, because most runs read no image

    largest = _LARGEST.get(file.mode, _WHITE)
    if is_deep and largest != _DEEP:
        message = f"{label}: its mode is {file.mode}, but the input takes 16-bit grey images; give .npz"
        raise DataError(message)
    if (file.format, file.mode) == ("TIFF", "I"):
        message = f"{label}: 32-bit integers, whose white is unknown: save it in 16 bits, or give arrays (.npz)"
        raise DataError(message)
    with np.errstate(invalid="ignore"):  # NaN is refused below
        values = np.asarray(file).astype(np.float64)
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= largest):  # NaN fails both comparisons
        message = (
            f"{label}: its mode is {file.mode} with values from {values.min():g} to {values.max():g}, expected 0 to "
            f"{largest}: scale it, or give arrays (.npz)"
        )
        raise DataError(message)
    return Image.fromarray((values if is_deep else values * (_WHITE / largest)).astype(np.float32))


def _centre(size: tuple[int, int], share: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the middle part."""
    width, height = (max(1, int(each * share)) for each in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _guessed(model: ModelInput) -> str:
    """NCHW or NHWC: the channel axis has size 1 or 3."""
    shape = model.shape or ()
    batch = "N" if len(shape) == 4 else ""
    first, last = (shape[1:] if batch else shape)[:1], shape[-1:]
    candidates = [layout for layout, size in (("CHW", first), ("HWC", last)) if size in ((1,), (3,))]
    if len(shape) not in (3, 4) or len(candidates) != 1:
        message = f"input {model}: cannot tell which axis is the channel axis; give --layout, e.g. NCHW"
        raise DataError(message)
    return batch + candidates[0]
