"""Which mistakes in the preparation of images are told, and with which remedy."""

from typing import Any

import numpy as np
import pytest

from irquant.passes.analysis.image_findings import ExpectedInput, about_images
from irquant.passes.runtime.data_look import InputLook
from irquant.passes.runtime.samples import ModelInput

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(4)


def photograph() -> Array:
    """[1, 3, 16, 16] from 0 to 1, with similar colours."""
    shapes = RNG.normal(size=(1, 1, 16, 16)).cumsum(2).cumsum(3) + 0.05 * RNG.normal(size=(1, 3, 16, 16))
    array: Array = ((shapes - shapes.min()) / (shapes.max() - shapes.min())).astype(np.float32)
    return array


PHOTOGRAPHS = [photograph() for _ in range(20)]


def said(
    samples: list[Array],
    gain: float | None = None,
    shape: tuple[int, ...] = (1, 3, 16, 16),
    bias: float | None = None,
) -> list[str]:
    seen = InputLook()
    for each in samples:
        seen.add(each.astype(np.float32))
    given = ModelInput("x", frozenset("x"), "f32", shape)
    return [str(each) for each in about_images(ExpectedInput(given, (), gain, bias), seen, gives_images=False)]


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (
            [each / 255 for each in PHOTOGRAPHS],
            "values lie in 0 to 0.003922, narrow for images: check that they are not scaled or normalized twice",
        ),
        (
            [each * 20 - 10 for each in PHOTOGRAPHS],
            "values lie in -10 to 10, too wide for normalized images and too narrow for pixels: check that they are not "
            "normalized twice",
        ),
        (
            [np.trunc(each * 4 - 2) for each in PHOTOGRAPHS],
            "values are whole numbers from -2 to 2: normalized images were rounded to integers; convert to float before "
            "the mean is subtracted",
        ),
        (
            [each * 255 if index % 10 == 0 else each for index, each in enumerate(PHOTOGRAPHS)],
            "2 samples hold pixels (up to 255), 18 normalized values (up to 1): prepare all of them in the same way",
        ),
        (
            [each.transpose(0, 2, 3, 1).reshape(each.shape) for each in PHOTOGRAPHS],
            "19 of 20 samples look like HWC arrays that were reshaped to CHW: reorder the axes instead, "
            "array.transpose(2, 0, 1)",
        ),
    ],
)
def test_a_mistake_is_told(samples: list[Array], what: str) -> None:
    assert said(samples) == [f"input 'x' f32[1,3,16,16]: {what}"]


def test_values_that_hardly_change_what_the_biases_give_are_told() -> None:
    """A model that takes pixels minus their mean, as Caffe's did, is given a 255th of them."""
    (found,) = said(PHOTOGRAPHS, gain=0.006, bias=0.4)
    assert "values lie in 0 to 1, and the model's first convolution is made for larger ones: they change" in found
    pixels = [255 * each - 110 for each in PHOTOGRAPHS]
    assert said(pixels, gain=0.006, bias=0.4) == said(PHOTOGRAPHS, gain=0.6, bias=0.4) == []
    assert said(PHOTOGRAPHS, gain=0.006) == [], "a batch norm behind it may be as small"
    sparse = [np.where(RNG.random((1, 3, 16, 16)) < 0.003, 1.0, 0.0) for _ in range(20)]
    assert not [each for each in said(sparse, gain=1.0, bias=1.2) if "larger ones" in each], "points change much"


def test_pixels_of_16_bits_are_told_if_the_model_takes_smaller_ones() -> None:
    (found,) = said([each * 65535 for each in PHOTOGRAPHS], gain=1.0)
    assert "values lie in 0 to 6.554e+04, nothing in the model normalizes them" in found
    assert said([each * 65535 for each in PHOTOGRAPHS], gain=1e-4) == []


@pytest.mark.parametrize(
    "samples",
    [
        PHOTOGRAPHS,
        [each * 2 - 1 for each in PHOTOGRAPHS],
        [(each - 0.45) / 0.226 for each in PHOTOGRAPHS],
        [each * 255 for each in PHOTOGRAPHS],
        [each * 255 - 127 for each in PHOTOGRAPHS],
        [np.rint(each) for each in PHOTOGRAPHS],  # black and white
        [np.zeros_like(each) if index < 3 else each * 255 for index, each in enumerate(PHOTOGRAPHS)],  # black ones
        [np.rint(each * (2 if index < 3 else 255)) for index, each in enumerate(PHOTOGRAPHS)],  # nearly black ones
        [RNG.normal(size=(1, 3, 16, 16)) * 20 for _ in range(20)],  # coordinates
        [RNG.normal(size=(1, 3, 16, 16)) for _ in range(20)],
    ],
)
def test_right_images_cause_no_warning(samples: list[Array]) -> None:
    assert said(samples) == []


def test_one_channel_may_have_any_range() -> None:
    assert said([each[:, :1] * 20 for each in PHOTOGRAPHS], shape=(1, 1, 16, 16)) == []
