"""Folders with images that cannot be read."""

import operator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from irquant.passes.calibration.subset import chosen_samples
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.runtime.samples import DataError, ModelInput
from irquant.tools.sources.data import open_source
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.image_source import ReadableImages

IMAGE = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 8, 8))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Six files, two of which are no images, in folders by class."""
    for index in range(6):
        (tmp_path / "data" / str(index % 2)).mkdir(parents=True, exist_ok=True)
        path = tmp_path / "data" / str(index % 2) / f"{index}.png"
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(path)
        if index in (2, 3):
            path.write_bytes(path.read_bytes()[:40] if index == 2 else b"no image")
    return tmp_path / "data"


def readable(folder: Path) -> ReadableImages:
    return cast(ReadableImages, open_source(str(folder), [IMAGE], ImageOptions(skip_broken=True)))


def test_broken_images_are_left_out_and_told_with_the_first_reason(mixed: Path) -> None:
    source = readable(mixed)
    assert not source.doubts
    assert [int(np.asarray(each.feed)[0, 0, 0, 0]) for each in source] == [0, 4, 1, 5]
    (doubt,) = source.doubts
    path = mixed / "0" / "2.png"
    assert doubt.startswith(f"2 files of 6 left out: sample 1 ({path}): cannot be read as an image: ")


def test_a_second_reading_counts_no_file_twice(mixed: Path) -> None:
    source = readable(mixed)
    assert len(list(source)) == len(list(source)) == 4
    assert source.doubts[0].startswith("2 files of 6 left out")
    assert operator.length_hint(source) == 6


def test_a_sample_of_another_number_takes_the_place_of_a_broken_one(mixed: Path) -> None:
    for config in (QuantizationConfig(samples=3), QuantizationConfig(samples=3, shuffle=True)):
        assert len(list(chosen_samples(readable(mixed), config))) == 3


def test_without_the_option_a_broken_image_is_an_error(mixed: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as an image"):
        list(open_source(str(mixed), [IMAGE], ImageOptions()))


def test_images_that_are_all_broken_are_an_error(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        list(readable(tmp_path))
    where = tmp_path / "a.png"
    assert str(caught.value).startswith(
        f"none of 2 images can be read; sample 0 ({where}): cannot be read as an image: "
    )


def test_an_image_that_would_lose_values_is_not_broken(mixed: Path) -> None:
    Image.fromarray(np.full((8, 8), 300.0, np.float32)).save(mixed / "9.tif")
    with pytest.raises(DataError, match="its mode is F with values from 300 to 300, expected 0 to 1"):
        list(readable(mixed))
