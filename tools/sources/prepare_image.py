"""Makes an image the array that a model takes: fits it to the size, reorders and normalizes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from irquant.ir import DYNAMIC, Array, ElementType, element_type
from irquant.ir.listing import number_of
from irquant.ir.spelling import worded
from irquant.passes.runtime.samples import DataError, ModelInput
from irquant.tools.sources.fit_image import DEFAULT_FILTER, DEFAULT_FIT, fit_image
from irquant.tools.sources.image_options import BLACK, LAYOUTS, WHITE, ImageOptions
from irquant.tools.sources.read_image import DEEP_WHITE

if TYPE_CHECKING:
    from PIL import Image


#: Smaller scales are rather factors, such as 1 / 255.
_FACTOR = 0.02


def takes_integers(inputs: Sequence[ModelInput]) -> bool:
    """Whether no input takes floats: pixels are then not normalized."""
    return not any(element_type(each.element_type).is_float for each in inputs)


@dataclass(frozen=True)
class ImagePreparation:
    """How images become arrays for a model. An input of type u16 takes 16-bit grey images unchanged.

    Attributes:
        inputs: The inputs of the model.
        options: The options.

    Raises:
        DataError: the model does not take one image, or the options do not fit it.
    """

    inputs: tuple[ModelInput, ...]
    options: ImageOptions

    def __post_init__(self) -> None:
        if len(self.inputs) != 1:
            message = (
                f"images can feed one input only, but the model has {len(self.inputs)}: "
                f"{', '.join(map(str, self.inputs))}; give .npz files or module:function"
            )
            raise DataError(message)
        if unfit := self._why_no_pixels():
            message = f"input {self.inputs[0]}: {unfit}; give .npz or module:function"
            raise DataError(message)
        if takes_integers(self.inputs) and (self.options.mean or self.options.scale):
            message = f"input {self.inputs[0]} takes pixels without mean and scale: leave them out"
            raise DataError(message)
        for name, values in (("mean", self.options.mean), ("scale", self.options.scale)):
            if len(values) not in (0, 1, self.channels):
                channels = number_of(self.channels, "channels")
                message = f"{name} has {len(values)} numbers, but input {self.inputs[0]} has {channels}"
                raise DataError(message)
        if 0 in self.options.scale:
            message = f"scale is {', '.join(map(str, self.options.scale))}: cannot divide by zero"
            raise DataError(message)
        if self._size and not self._fits(*self._size):
            raise DataError(self._about_size(*self._size))

    def _why_no_pixels(self) -> str:
        """Why no image fits the input; empty if images may fit."""
        channels = self.channels
        if channels not in (1, 3):
            others = [each for each in LAYOUTS if self._channels_in(each) in (1, 3)]
            fits = f" (layout {' or '.join(others)} fits)" if others else ""
            return f"{channels} channels in layout {self.layout}, but images have 1 or 3{fits}"
        if self.is_deep:
            return "images with 3 channels are read in 8 bits" if channels == 3 else ""
        if not self._kind.is_float and not _holds_pixels(self._kind):
            return f"{self._kind.name} does not hold 0 to 255"
        return ""

    @property
    def description(self) -> str:
        """How images are prepared, in a few words."""
        options, size = self.options, self._size
        colours = "grey" if self.channels == 1 else (options.colour_order or "rgb").upper()
        part = f", the middle {options.central_fraction:.1%}" if options.central_fraction else ""
        sized = "in their own size" if size is None else f"{size[1]}x{size[0]} {self._how}"
        mean, scale = (
            ",".join(f"{each:g}" for each in values) for values in (options.mean or (0,), options.scale or (1,))
        )
        return f"{colours}{part}, {sized}, mean {mean}, scale {scale}, {self.layout}, {self._kind.name}"

    @property
    def doubts(self) -> tuple[str, ...]:
        """A warning if mean and scale are made for values of 0 to 1, or are meant to be multiplied by."""
        mean, scale = self.options.mean, self.options.scale
        if not scale or max(scale) >= 1 or min(scale) <= 0 or max(map(abs, mean), default=0) > 1:
            return ()
        if max(scale) < _FACTOR:
            meant = _spelt(scale=[1 / each for each in scale])
            return (f"the scale divides pixels, and {scale[0]:g} looks like a factor: write {meant}",)
        meant = _spelt(mean=[each * WHITE for each in mean], scale=[each * WHITE for each in scale])
        return (f"pixels are 0 to 255, and mean and scale look like those for values of 0 to 1: write {meant}",)

    @property
    def _how(self) -> str:
        """The filter, and how the ratio of the sides is treated unless they are just stretched."""
        fit = self.options.fit or DEFAULT_FIT
        added = f" {fit} {self.options.pad_value or BLACK:g}" if fit in ("pad", "letterbox") else f" {fit}"
        return (self.options.resize_filter or DEFAULT_FILTER) + (added if fit != DEFAULT_FIT else "")

    @property
    def layout(self) -> str:
        """The axes of the input.

        Raises:
            DataError: the layout is unknown, or does not fit the input.
        """
        given, model = self.options.layout, self.inputs[0]
        layout = (given or model.layout or _guessed(model)).upper()
        if layout not in LAYOUTS:
            own, changes, _ = layout.partition("->")
            stays = f"the layout of a model does not change here; write --layout {own}"
            message = f"layout '{layout}' is unknown; {stays if changes else 'there are: ' + ', '.join(LAYOUTS)}"
            raise DataError(message)
        if model.shape is None or len(model.shape) != len(layout):
            message = f"layout {layout} does not fit input {model}"
            raise DataError(message)
        return layout

    @property
    def channels(self) -> int:
        """The number of channels of the input."""
        return self._axes["C"]

    @property
    def is_deep(self) -> bool:
        """Whether the input takes 16-bit images unchanged."""
        return self._kind.name == "u16"

    @property
    def _axes(self) -> dict[str, int]:
        return dict(zip(self.layout, self.inputs[0].shape or (), strict=True))

    def _channels_in(self, layout: str) -> int | None:
        """The number of channels in another layout; None: it has other axes."""
        shape = self.inputs[0].shape or ()
        return shape[layout.index("C")] if len(shape) == len(layout) else None

    def _fits(self, width: int, height: int) -> bool:
        """Whether the input takes images of a size."""
        return self._axes["H"] in (DYNAMIC, height) and self._axes["W"] in (DYNAMIC, width)

    def _about_size(self, width: int, height: int) -> str:
        """The message about a size that the input does not take."""
        turned = "; height comes first" if self._fits(height, width) else ""
        message = f"size {height}x{width} does not fit input {self.inputs[0]}{turned}"
        is_fixed = DYNAMIC not in (self._axes["H"], self._axes["W"])
        own = f"write {self._axes['H']}x{self._axes['W']}, or leave it out" if is_fixed else ""
        return "; ".join(filter(None, (message, own)))

    @property
    def _kind(self) -> ElementType:
        return element_type(self.inputs[0].element_type)

    @property
    def _size(self) -> tuple[int, int] | None:
        """Width and height of arrays; None: those of each image."""
        height, width = self.options.size or (self._axes["H"], self._axes["W"])
        return None if DYNAMIC in (height, width) else (width, height)

    def array(self, image: "Image.Image") -> Array:
        """The array of an image that is RGB, grey, or grey floats."""
        pixels = self._pixels(image)
        if self.options.mean or self.options.scale:
            pixels = (pixels - np.array(self.options.mean or 0.0)) / np.array(self.options.scale or 1.0)
        pixels = pixels.astype(np.float32) if self._kind.is_float else np.rint(pixels).astype(self._kind.dtype)
        if self.layout.endswith("CHW"):
            pixels = pixels.transpose(2, 0, 1)
        return pixels[np.newaxis] if "N" in self.layout else pixels

    def _pixels(self, image: "Image.Image") -> Array:
        """Pixels as height x width x channels, 0..255; 0..65535 for an input of type u16."""
        white = DEEP_WHITE if self.is_deep else WHITE
        image = fit_image(image, self._size, self.options, (self.options.pad_value or BLACK) * white / WHITE)
        pixels: Array = np.asarray(image)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pixels.shape[2] < self.channels:
            pixels = np.repeat(pixels, self.channels, axis=2)
        return pixels[:, :, ::-1] if self.options.colour_order == "bgr" else pixels


def _spelt(**numbers: Sequence[float]) -> str:
    """Options with numbers, as the user writes them; those without are left out."""
    written = {name: ",".join(f"{each:.6g}" for each in values) for name, values in numbers.items() if values}
    return worded(
        " ".join(f"--{name} {values}" for name, values in written.items()),
        ", ".join(f"{name} {values}" for name, values in written.items()),
    )


def _holds_pixels(kind: ElementType) -> bool:
    return kind.dtype is not None and kind.dtype.kind in "iu" and np.iinfo(kind.dtype).max >= WHITE


def _guessed(model: ModelInput) -> str:
    """NCHW or NHWC: the channel axis has size 1 or 3."""
    shape = model.shape or ()
    if len(shape) not in (3, 4):
        axes = (
            "an unknown number of axes" if model.shape is None else f"{len(shape)} ax{'i' if len(shape) == 1 else 'e'}s"
        )
        message = (
            f"input {model} takes no images: it has {axes}, images have 3 or 4; give .npz files or module:function"
        )
        raise DataError(message)
    batch = "N" if len(shape) == 4 else ""
    first, last = (shape[1:] if batch else shape)[:1], shape[-1:]
    candidates = [layout for layout, size in (("CHW", first), ("HWC", last)) if size in ((1,), (3,))]
    if len(candidates) != 1:
        message = f"input {model}: cannot tell which axis is the channel axis; give --layout, e.g. NCHW"
        raise DataError(message)
    return batch + candidates[0]
