"""How an image gets the size of the model."""

import numpy as np
import pytest
from PIL import Image

from irquant.tools.sources.fit_image import fit_image
from irquant.tools.sources.image_options import FILTERS, ImageOptions

WIDE = Image.fromarray(np.random.default_rng(3).integers(1, 256, (20, 40, 3), np.uint8))
TALL = WIDE.transpose(Image.Transpose.ROTATE_90)


def fitted(image: Image.Image, size: tuple[int, int] | None, pad: float = 0, **options: object) -> np.ndarray:
    return np.asarray(fit_image(image, size, ImageOptions(**options), pad))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_that_of_pillow(name: str) -> None:
    expected = WIDE.resize((12, 10), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(fitted(WIDE, (12, 10), resize_filter=name), np.asarray(expected))


def test_filters_differ() -> None:
    assert len({fitted(WIDE, (12, 10), resize_filter=name).tobytes() for name in FILTERS}) == len(FILTERS)


def test_without_options_an_image_is_stretched_bilinearly() -> None:
    np.testing.assert_array_equal(fitted(WIDE, (8, 8)), np.asarray(WIDE.resize((8, 8), Image.Resampling.BILINEAR)))


def test_crop_cuts_the_sides_off_and_resizes_the_middle() -> None:
    expected = WIDE.crop((10, 0, 30, 20)).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(fitted(WIDE, (8, 8), fit="crop"), np.asarray(expected))
    expected = TALL.crop((0, 10, 20, 30)).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(fitted(TALL, (8, 8), fit="crop"), np.asarray(expected))


@pytest.mark.parametrize(("fit", "top"), [("pad", 0), ("letterbox", 2)])
def test_padding_keeps_the_ratio(fit: str, top: int) -> None:
    found = fitted(WIDE, (8, 8), 114, fit=fit)
    np.testing.assert_array_equal(found[top : top + 4], np.asarray(WIDE.resize((8, 4), Image.Resampling.BILINEAR)))
    rest = np.delete(found, slice(top, top + 4), axis=0)
    assert rest.shape == (4, 8, 3)
    assert np.unique(rest).tolist() == [114]


@pytest.mark.parametrize("image", [WIDE.convert("L"), Image.fromarray(np.full((20, 40), 7.5, np.float32))])
def test_grey_images_and_floats_are_padded_too(image: Image.Image) -> None:
    found = fitted(image, (8, 8), 3.0, fit="letterbox")
    assert np.unique(found[[0, 1, 6, 7]]).tolist() == [3]
    assert found[2:6].min() > 3


def test_the_middle_is_taken_first() -> None:
    expected = WIDE.crop((5, 2, 35, 17)).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(fitted(WIDE, (8, 8), central_fraction=0.75), np.asarray(expected))


def test_a_resize_and_a_crop_of_classifiers_is_a_central_fraction_and_crop() -> None:
    large = Image.fromarray(np.add.outer(np.arange(300.0), np.arange(400.0)).astype(np.float32))
    usual = large.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    ours = fitted(large, (224, 224), fit="crop", central_fraction=0.875)
    np.testing.assert_allclose(ours, np.asarray(usual), atol=1.5)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad", "letterbox"])
def test_an_image_of_the_size_and_one_of_any_size_stay_as_they_are(fit: str) -> None:
    for size in ((40, 20), None):
        np.testing.assert_array_equal(fitted(WIDE, size, fit=fit), np.asarray(WIDE))


@pytest.mark.parametrize("fit", ["crop", "pad", "letterbox"])
def test_a_line_of_pixels_keeps_one(fit: str) -> None:
    assert fitted(Image.new("RGB", (300, 1)), (8, 8), fit=fit).shape == (8, 8, 3)
