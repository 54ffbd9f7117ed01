"""How files become samples: the options."""

from dataclasses import dataclass, fields
from typing import Literal

LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")
#: What to do with an image whose sides have another ratio than the model's, as the command line says it.
FITS = ("stretch", "crop", "pad", "letterbox")
#: Resize filters, by the names that Pillow has for them.
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
#: Fields that say nothing of the preparation of images.
_NOT_OF_IMAGES = ("sequences", "named")
#: Pixels before mean and scale: black and white.
BLACK, WHITE = 0, 255


@dataclass(frozen=True)
class ImageOptions:
    """How an image becomes an array: (image - mean) / scale, channel by channel; and which samples are a sequence.

    Attributes:
        size: Height and width; None: those of the model, or of the image if they are dynamic in the model.
        layout: NCHW, NHWC, CHW or HWC; None: from the model.
        mean: Subtracted from each channel; one number or one per channel.
        scale: Each channel is divided by it afterwards.
        colour_order: "rgb" (the default) or "bgr".
        central_fraction: The share of height and width, in the middle, to crop first.
        fit: How an image of another ratio gets the size: "stretch" (the default) resizes both sides; "crop" first cuts
            what is beyond the ratio off, on both sides; "pad" resizes to fit and adds pixels at the right and the
            bottom; "letterbox" adds them on both sides.
        resize_filter: One of `FILTERS`; None: "bilinear". All but "nearest" average over the pixels that a smaller
            image leaves out.
        pad_value: The value of added pixels, 0 to 255; None: 0.
        skip_broken: Whether to leave out files that cannot be read.
        sequences: How many samples are the steps of one sequence; "all": all of them. None: each is a sample.
        named: Options of the command line that name an input, and the name.
    """

    size: tuple[int, int] | None = None
    layout: str | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    colour_order: str | None = None
    central_fraction: float | None = None
    fit: str | None = None
    resize_filter: str | None = None
    pad_value: float | None = None
    skip_broken: bool = False
    sequences: int | Literal["all"] | None = None
    named: tuple[tuple[str, str], ...] = ()

    @property
    def given(self) -> list[str]:
        """The names of the options for images that are given."""
        return [
            each.name
            for each in fields(self)
            if each.name not in _NOT_OF_IMAGES and getattr(self, each.name) != each.default
        ]
