"""How the pixels of an image file lie."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irquant.tools.sources.read_image import read_image

UPRIGHT = np.random.default_rng(4).integers(0, 256, (6, 4, 3), np.uint8)
#: The orientation that EXIF notes -> the stored pixels of the same scene (CIPA DC-008, tag 274).
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: np.rot90(UPRIGHT.transpose(1, 0, 2), 2),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_an_image_is_upright_however_the_camera_lay(tmp_path: Path, name: str, orientation: int) -> None:
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    exif = image.getexif()
    exif[274] = orientation
    image.save(tmp_path / name, exif=exif, lossless=True)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / name, "it", 3, is_deep=False)), UPRIGHT)


def test_an_image_of_16_bits_is_upright_too(tmp_path: Path) -> None:
    deep = np.arange(24, dtype=np.uint16).reshape(6, 4) * 100
    image = Image.fromarray(np.ascontiguousarray(np.rot90(deep)))
    exif = image.getexif()
    exif[274] = 6
    image.save(tmp_path / "deep.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "deep.png", "it", 1, is_deep=True)), deep)
