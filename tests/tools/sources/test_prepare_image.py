"""Layouts, colours and resizing mean what they mean in the runtime's own preprocessing."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op
from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm
from PIL import Image

from irquant.passes.runtime.samples import ModelInput, checked_feed
from irquant.tools.sources.data import open_source
from irquant.tools.sources.image_options import ImageOptions

SHAPES = {"NCHW": (1, 3, 16, 16), "NHWC": (1, 16, 16, 3)}
ORDERS = {"rgb": ColorFormat.RGB, "bgr": ColorFormat.BGR}
FILTERS = {"bilinear": ResizeAlgorithm.RESIZE_BILINEAR_PILLOW, "bicubic": ResizeAlgorithm.RESIZE_BICUBIC_PILLOW}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colour image, 32 pixels wide and 24 high, without noise."""
    y, x = np.mgrid[:24, :32]
    colours = np.stack([x * 8, y * 10, (x + y) * 4], axis=-1).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(colours).save(path)
    return path


def ours(photo: Path, layout: str, options: ImageOptions) -> np.ndarray[Any, Any]:
    model = ModelInput("x", frozenset({"x"}), "f32", SHAPES[layout], layout)
    (sample,) = open_source(str(photo), [model], options)
    return checked_feed(sample, [model])["x"]


def theirs(
    photo: Path, layout: str, options: ImageOptions, box: tuple[int, int, int] | None = None
) -> np.ndarray[Any, Any]:
    """What the runtime makes of the pixels; `box`: the height of a letterbox's image, and the rows above and below."""
    parameter = op.parameter(SHAPES[layout], ov.Type.f32, name="x")
    steps = PrePostProcessor(ov.Model([op.result(op.relu(parameter))], [parameter]))
    one = steps.input()
    one.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_shape([1, 24, 32, 3]).set_color_format(
        ColorFormat.RGB
    )
    one.model().set_layout(ov.Layout(layout))
    doing = one.preprocess().convert_element_type(ov.Type.f32).convert_color(ORDERS[options.colour_order or "rgb"])
    algorithm = FILTERS[options.resize_filter or "bilinear"]
    if box:
        doing.resize(algorithm, box[0], 16)
        value = [options.pad_value or 0] * 1
        doing.pad([0, box[1], 0, 0], [0, box[2], 0, 0], value, ov.preprocess.PaddingMode.CONSTANT)
    else:
        doing.resize(algorithm)
    doing.mean(list(options.mean)).scale(list(options.scale))
    compiled = ov.compile_model(steps.build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: np.ndarray[Any, Any] = compiled(np.asarray(Image.open(photo))[np.newaxis])[0]
    return found


@pytest.mark.parametrize(("layout", "order", "name"), [*itertools.product(SHAPES, ORDERS, FILTERS)])
def test_an_image_is_prepared_as_the_runtime_does(photo: Path, layout: str, order: str, name: str) -> None:
    options = ImageOptions(mean=(-30, -20, -10), scale=(2, 3, 4), colour_order=order, resize_filter=name)
    # Pillow rounds the resized pixels to whole numbers.
    np.testing.assert_allclose(ours(photo, layout, options), theirs(photo, layout, options), atol=0.51)


def test_a_letterbox_is_that_of_the_runtime(photo: Path) -> None:
    options = ImageOptions(mean=(-1, -1, -1), scale=(2, 2, 2), fit="letterbox", pad_value=114)
    np.testing.assert_allclose(ours(photo, "NCHW", options), theirs(photo, "NCHW", options, (12, 2, 2)), atol=0.51)


def test_the_wrong_order_of_colours_is_not_the_runtimes(photo: Path) -> None:
    one, other = (ImageOptions(mean=(0, 0, 0), scale=(1, 1, 1), colour_order=order) for order in ORDERS)
    assert np.abs(ours(photo, "NCHW", one) - theirs(photo, "NCHW", other)).max() > 100


def test_what_is_done_is_described_in_a_few_words(photo: Path) -> None:
    model = ModelInput("x", frozenset({"x"}), "f32", (1, 3, 16, 8))
    options = ImageOptions(fit="letterbox", pad_value=114, resize_filter="lanczos", central_fraction=0.875, mean=(127,))
    source: Any = open_source(str(photo), [model], options)
    assert source.description == (
        "PNG files, RGB, the middle 87.5%, 16x8 lanczos letterbox 114, mean 127, scale 1, NCHW, f32"
    )


def test_padding_of_16_bits_is_in_16_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 8), 9, np.uint16)).save(tmp_path / "deep.png")
    model = ModelInput("x", frozenset({"x"}), "u16", (1, 1, 8, 8))
    (sample,) = open_source(str(tmp_path / "deep.png"), [model], ImageOptions(fit="pad", pad_value=255))
    array = checked_feed(sample, [model])["x"]
    assert array[0, 0, :, 0].tolist() == [9] * 4 + [65535] * 4
