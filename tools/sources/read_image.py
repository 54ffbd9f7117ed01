"""Reads an image file: RGB, grey, or grey floats, upright.

Pixels are 0 to 255 for all kinds of files: 16-bit pixels are multiplied by 255/65535, float pixels, which must lie in 0
to 1, by 255. Palettes, CMYK, YCbCr and LAB become RGB; transparency is dropped. The orientation that a camera notes
(EXIF) is applied, as OpenCV does.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from irquant.ir.user_files import ANY_SIZE, is_too_large, open_user_file
from irquant.passes.runtime.samples import DataError, why_unread
from irquant.tools.sources.image_options import WHITE

if TYPE_CHECKING:
    from PIL import Image

#: What the names stand for: other decoders of Pillow start programs, or unpack what nobody asked for.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
#: The most pixels of a picture.
MOST_PIXELS = 1 << 27
#: White in 16 bits.
DEEP_WHITE = 65535
#: Modes that Pillow would clip at 255, and their value of white; some of its readers return 16 bits as mode I.
_LARGEST = {**dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N", "I"), DEEP_WHITE), "F": 1}


class BrokenImageError(DataError):
    """A file cannot be read as an image."""


def read_image(path: Path, label: str, channels: int, *, is_deep: bool) -> "Image.Image":
    """An image from a file: RGB, grey, or grey floats if it has more than 8 bits.

    Raises:
        BrokenImageError: the file cannot be read.
        DataError: it would lose values.
    """
    from PIL import Image, ImageOps  # imported here, because most runs read no image

    Image.MAX_IMAGE_PIXELS = None  # it would warn, in lines of its own; the limit is looked at below
    try:
        with open_user_file(path) as opened, Image.open(opened, formats=_FORMATS) as file:
            _refuse_bomb(file)
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            image = file if is_deep or file.mode in _LARGEST else _in_bytes(file, channels)
    except Exception as error:  # damaged files make decoders raise anything
        message = f"{label}: cannot be read as an image: {why_unread(error)}"
        raise BrokenImageError(message) from error
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

    largest = _LARGEST.get(file.mode, WHITE)
    if is_deep and largest != DEEP_WHITE:
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
    return Image.fromarray((values if is_deep else values * (WHITE / largest)).astype(np.float32))
