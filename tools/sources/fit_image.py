"""Crops, resizes and pads an image to the size that a model takes."""

from typing import TYPE_CHECKING

from irquant.tools.sources.image_options import ImageOptions

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_FIT, DEFAULT_FILTER = "stretch", "bilinear"


def fit_image(image: "Image.Image", size: tuple[int, int] | None, options: ImageOptions, pad: float) -> "Image.Image":
    """The image in the size of the model; an image that has it already stays as it is.

    The ways to fit are those of OpenVINO Model API: `standard`, `crop`, `fit_to_window`, `fit_to_window_letterbox`.

    Args:
        image: The image.
        size: Width and height; None: the image keeps its own.
        options: How to fit it.
        pad: The value of added pixels, in the units of the image.
    """
    if share := options.central_fraction:
        image = image.crop(_middle(image.size, (max(1, int(image.width * share)), max(1, int(image.height * share)))))
    if size is None or image.size == size:
        return image
    fit = options.fit or DEFAULT_FIT
    if fit == "stretch":
        return _resized(image, size, options)
    if fit == "crop":
        return _resized(image.crop(_middle(image.size, _inside(size, image.size))), size, options)
    inner = _resized(image, _inside(image.size, size), options)
    left, top = (0, 0) if fit == "pad" else ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2)
    return _padded(inner, size, (left, top), pad)


def _resized(image: "Image.Image", size: tuple[int, int], options: ImageOptions) -> "Image.Image":
    from PIL import Image  # imported here, because most runs read no image

    return image.resize(size, Image.Resampling[(options.resize_filter or DEFAULT_FILTER).upper()])


def _padded(image: "Image.Image", size: tuple[int, int], place: tuple[int, int], pad: float) -> "Image.Image":
    from PIL import Image  # imported here, because most runs read no image

    value = pad if image.mode == "F" else round(pad)
    found = Image.new(image.mode, size, (value,) * 3 if image.mode == "RGB" else value)
    found.paste(image, place)
    return found


def _inside(size: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the ratio of `size` inside another one."""
    share = min(outer[0] / size[0], outer[1] / size[1])
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _middle(size: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a part in the middle."""
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]
