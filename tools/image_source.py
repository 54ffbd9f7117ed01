"""Samples from pictures: one picture a sample, scaled, ordered and normalised as the model wants it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from irquant.ir import DYNAMIC, Array, element_type
from irquant.passes.calibration.samples import DataError, ModelInput, Sample

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_TRUE = ("yes", "true", "1")
#: The largest value of pictures of 16 bits, which are read as if it were 255; those of floats have 1.
_LARGEST = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I;16N": 65535, "I": 65535, "F": 1}
_LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")


@dataclass(frozen=True)
class ImageOptions:
    """How a picture becomes an array: (picture - mean) / scale, channel by channel.

    Attributes:
        size: Height and width; None: the model's, or the picture's own where the model leaves it open.
        layout: NCHW, NHWC, CHW or HWC; None: from the model.
        mean: Subtracted from each channel; one number or one a channel.
        scale: Each channel is divided by it afterwards.
        colour_order: "rgb" (the default) or "bgr".
        central_fraction: The share of height and width, in the middle, to cut out first.
    """

    size: tuple[int, int] | None = None
    layout: str | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    colour_order: str | None = None
    central_fraction: float | None = None


def image_options_from_metadata(
    metadata: Mapping[str, str], options: ImageOptions, inputs: Sequence[ModelInput]
) -> ImageOptions:
    """Fills what the user left open from the model's `model_info`, as OpenVINO Model API writes it.

    Model API reads pictures as BGR and reverses the channels when `reverse_input_channels` says so. What it says of
    models with `embedded_processing` was done inside of them already: they take pictures as they were read, as do all
    whose inputs are integers.

    Raises:
        DataError: an entry cannot be read.
    """
    filled = options
    if metadata.get("embedded_processing", "").lower() in _TRUE or _takes_integers(inputs):
        is_reversed = options.colour_order is None and "reverse_input_channels" in metadata
        return replace(options, colour_order="bgr") if is_reversed else options
    if not options.mean and "mean_values" in metadata:
        filled = replace(filled, mean=_numbers("mean_values", metadata["mean_values"]))
    if not options.scale and "scale_values" in metadata:
        filled = replace(filled, scale=_numbers("scale_values", metadata["scale_values"]))
    if options.colour_order is None and "reverse_input_channels" in metadata:
        reverse = metadata["reverse_input_channels"].lower() in _TRUE
        filled = replace(filled, colour_order="rgb" if reverse else "bgr")
    return filled


def _takes_integers(inputs: Sequence[ModelInput]) -> bool:
    return not any(element_type(each.element_type).is_float for each in inputs)


def _numbers(name: str, text: str) -> tuple[float, ...]:
    parts = text.replace(",", " ").strip().strip("[]()").split()
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        message = f"the model's metadata entry '{name}' is '{text}', expected numbers; give --mean and --scale instead"
        raise DataError(message) from None


@dataclass(frozen=True)
class ImageSource:
    """Pictures from files.

    Raises:
        DataError: the model does not take one picture, or it is unclear how.
    """

    paths: tuple[Path, ...]
    inputs: tuple[ModelInput, ...]
    options: ImageOptions

    def __post_init__(self) -> None:
        if len(self.inputs) != 1:
            message = (
                f"pictures can feed one input only, but the model has {len(self.inputs)}: "
                f"{', '.join(map(str, self.inputs))}; give .npz files or module:function"
            )
            raise DataError(message)
        channels = self._axes()["C"]
        if channels not in (1, 3):
            message = (
                f"input {self.inputs[0]}: {channels} channels, but pictures have 1 or 3; give .npz or module:function"
            )
            raise DataError(message)
        if _takes_integers(self.inputs) and (self.options.mean or self.options.scale):
            message = f"input {self.inputs[0]} takes pixels as they are: leave out mean and scale"
            raise DataError(message)
        for name, values in (("mean", self.options.mean), ("scale", self.options.scale)):
            if len(values) not in (0, 1, channels):
                message = f"{name} has {len(values)} numbers, but input {self.inputs[0]} has {channels} channels"
                raise DataError(message)
        if 0 in self.options.scale:
            message = f"scale is {', '.join(map(str, self.options.scale))}: cannot divide by zero"
            raise DataError(message)

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Sample]:
        """Reads one picture after the other."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Reads one picture."""
        path = self.paths[index]
        label = f"sample {index} ({path})"
        return Sample(label, self._array(path, label))

    def _layout(self) -> str:
        """The axes of the input."""
        given, model = self.options.layout, self.inputs[0]
        layout = (given or model.layout or _guessed(model)).upper()
        if layout not in _LAYOUTS:
            message = f"layout '{layout}' is unknown; there are: {', '.join(_LAYOUTS)}"
            raise DataError(message)
        if model.shape is None or len(model.shape) != len(layout):
            message = f"layout {layout} does not fit input {model}"
            raise DataError(message)
        return layout

    def _axes(self) -> dict[str, int]:
        shape = self.inputs[0].shape or ()
        return dict(zip(self._layout(), shape, strict=True))

    def _array(self, path: Path, label: str) -> Array:
        axes, layout = self._axes(), self._layout()
        pixels = self._pixels(path, label, axes)
        if self.options.mean or self.options.scale:
            pixels = (pixels - np.array(self.options.mean or 0.0)) / np.array(self.options.scale or 1.0)
        kind = element_type(self.inputs[0].element_type)
        pixels = (pixels if kind.is_float else np.rint(pixels)).astype(kind.dtype)
        if layout.endswith("CHW"):
            pixels = pixels.transpose(2, 0, 1)
        return pixels[np.newaxis] if "N" in layout else pixels

    def _pixels(self, path: Path, label: str, axes: Mapping[str, int]) -> np.ndarray[Any, np.dtype[Any]]:
        """Height x width x channels, 0..255."""
        from PIL import Image, UnidentifiedImageError  # here: most runs read no picture

        mode = ""
        try:
            with Image.open(path) as file:
                mode = file.mode
                image = _in_bytes(file, label) if mode in _LARGEST else file.convert("RGB" if axes["C"] == 3 else "L")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
            message = f"{label}: cannot be read as a picture: {error}"
            raise DataError(message) from None
        except ValueError as error:
            message = f"{label}: its mode is {mode}, which cannot be converted ({error}): save it as RGB or grey"
            raise DataError(message) from None
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


def _in_bytes(file: "Image.Image", label: str) -> "Image.Image":
    """A grey picture of 16 bits or of floats, as floats from 0 to 255; Pillow itself would cut the values off.

    Raises:
        DataError: values lie outside of 0 to 65,535, or of floats, outside of 0 to 1.
    """
    from PIL import Image  # here: most runs read no picture

    values, largest = np.asarray(file, np.float64), _LARGEST[file.mode]
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= largest):  # so is NaN
        message = (
            f"{label}: its mode is {file.mode} with values from {values.min():g} to {values.max():g}, expected 0 to "
            f"{largest}: scale it, or give arrays (.npz)"
        )
        raise DataError(message)
    return Image.fromarray((values * (255 / largest)).astype(np.float32))


def _centre(size: tuple[int, int], share: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what lies in the middle."""
    width, height = (max(1, int(each * share)) for each in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _guessed(model: ModelInput) -> str:
    """NCHW or NHWC, by which axis has 1 or 3 channels."""
    shape = model.shape or ()
    batch = "N" if len(shape) == 4 else ""
    first, last = (shape[1:] if batch else shape)[:1], shape[-1:]
    candidates = [layout for layout, size in (("CHW", first), ("HWC", last)) if size in ((1,), (3,))]
    if len(shape) not in (3, 4) or len(candidates) != 1:
        message = f"input {model}: cannot tell which axis holds the channels; give --layout, e.g. NCHW"
        raise DataError(message)
    return batch + candidates[0]
