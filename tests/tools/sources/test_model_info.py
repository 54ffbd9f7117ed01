"""What a model says of its pictures, and which of it is done inside of the model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm
from PIL import Image

from irquant.ir import Graph, from_text
from irquant.passes import load_model
from irquant.passes.runtime.samples import DataError
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.model_info import filled_from_model_info
from irquant.tools.sources.open_inputs import open_as

MEAN, SCALE = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
SAID = {"mean_values": "123.7 116.3 103.5", "scale_values": "58.4 57.1 57.4"}
FILLED = ImageOptions(mean=MEAN, scale=SCALE)


def graph(input_: str = "f32[1,3,8,8]", **info: str) -> Graph:
    found = from_text(f"image: {input_} = Parameter()\nr = Result(image)\n")
    found.set_metadata("model_info", info)
    return found


def test_metadata_fill_only_what_the_user_left_open() -> None:
    told = graph(mean_values="[1 2 3]", scale_values="4, 5, 6", reverse_input_channels="NO")
    assert filled_from_model_info(ImageOptions(), told) == ImageOptions(
        mean=(1, 2, 3), scale=(4, 5, 6), colour_order="bgr"
    )
    own = ImageOptions(mean=(9,), scale=(8,), colour_order="rgb")
    assert filled_from_model_info(own, told) == own


def test_metadata_that_leave_all_open_fill_nothing() -> None:
    told = graph(mean_values="", scale_values="()", layout="", reverse_input_channels="True")
    assert filled_from_model_info(ImageOptions(), told) == ImageOptions(colour_order="rgb")


def test_unreadable_metadata_name_the_entry() -> None:
    told = graph(mean_values="a b c")
    with pytest.raises(DataError) as caught:
        filled_from_model_info(ImageOptions(), told)
    assert str(caught.value) == (
        "the model's metadata entry 'mean_values' is 'a b c', expected numbers; give --mean and --scale instead"
    )
    assert filled_from_model_info(ImageOptions(mean=(1,)), told) == ImageOptions(mean=(1,))


@pytest.mark.parametrize("reverse", ["True", "False"])
def test_a_model_that_model_api_saved_takes_pictures_as_it_read_them(reverse: str) -> None:
    told = graph("u8[1,8,8,3]", **SAID, reverse_input_channels=reverse, embedded_processing="True", layout="NCHW")
    assert filled_from_model_info(ImageOptions(), told) == ImageOptions(colour_order="bgr")


@pytest.mark.parametrize("input_", ["u8[1,8,8,3]", "i32[1,8,8,3]"])
def test_integers_are_pixels_whatever_is_said(input_: str) -> None:
    told = graph(input_, **SAID, reverse_input_channels="True")
    assert filled_from_model_info(ImageOptions(), told) == ImageOptions(colour_order="rgb")


def test_metadata_may_say_the_layout() -> None:
    assert filled_from_model_info(ImageOptions(), graph("f32[1,3,8,3]", layout="image:nhwc")).layout == "NHWC"
    assert filled_from_model_info(ImageOptions(layout="NCHW"), graph("f32[1,3,8,3]", layout="NHWC")).layout == "NCHW"
    assert filled_from_model_info(ImageOptions(), graph(layout="NC")).layout is None


@pytest.mark.parametrize(
    ("said", "fit"),
    [("standard", "stretch"), ("crop", "crop"), ("fit_to_window", "pad"), ("fit_to_window_letterbox", "letterbox")],
)
def test_metadata_may_say_how_pictures_fit(said: str, fit: str) -> None:
    told = graph(resize_type=said, pad_value="114")
    assert filled_from_model_info(ImageOptions(), told) == ImageOptions(fit=fit, pad_value=114)
    own = ImageOptions(fit="stretch", pad_value=7)
    assert filled_from_model_info(own, told) == own
    assert filled_from_model_info(ImageOptions(), graph(resize_type="magic")) == ImageOptions()


def test_an_unreadable_value_of_padding_is_told() -> None:
    with pytest.raises(DataError) as caught:
        filled_from_model_info(ImageOptions(), graph(resize_type="crop", pad_value="grey"))
    assert str(caught.value) == (
        "the model's metadata entry 'pad_value' is 'grey', expected numbers; give --pad-value instead"
    )


def plain(before: Callable[[Any], Any]) -> ov.Model:
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    weights = op.constant(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    return ov.Model([op.convolution(before(image), weights, [1, 1], [1, 1], [1, 1], [1, 1])], [image])


def preprocessed(layout: str, *, is_resized: bool = False, is_reversed: bool = False) -> ov.Model:
    """As OpenVINO's own preprocessing puts it in front of a model."""
    steps = PrePostProcessor(plain(lambda image: image))
    image = steps.input()
    image.tensor().set_layout(ov.Layout(layout))
    image.model().set_layout(ov.Layout("NCHW"))
    if is_reversed:
        image.tensor().set_color_format(ColorFormat.BGR)
    if is_resized:
        image.tensor().set_spatial_dynamic_shape()
        image.preprocess().resize(ResizeAlgorithm.RESIZE_LINEAR)
    if is_reversed:
        image.preprocess().convert_color(ColorFormat.RGB)
    image.preprocess().mean(list(MEAN)).scale(list(SCALE))
    return steps.build()


def saved(model: ov.Model, folder: Path, *, half: bool = False) -> Graph:
    ov.save_model(model, folder / "m.xml", compress_to_fp16=half)
    found = load_model(folder / "m.xml")
    found.set_metadata("model_info", SAID)
    return found


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("is_resized", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_model_that_begins_with_these_values_gets_pixels(
    tmp_path: Path, layout: str, *, half: bool, is_resized: bool, is_reversed: bool
) -> None:
    model = preprocessed(layout, is_resized=is_resized, is_reversed=is_reversed)
    assert filled_from_model_info(ImageOptions(), saved(model, tmp_path, half=half)) == ImageOptions()


def test_pictures_go_into_a_model_of_bytes_as_they_are(tmp_path: Path, pictures: Path) -> None:
    steps = PrePostProcessor(plain(lambda image: image))
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean(list(MEAN)).scale(list(SCALE))
    (sample,) = open_as(str(pictures / "00.png"), saved(steps.build(), tmp_path), ImageOptions())
    pixels = np.asarray(Image.open(pictures / "00.png").resize((8, 8), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(np.asarray(sample.feed), pixels[np.newaxis])


_CHANNELS = (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("before", "filled"),
    [
        (lambda image: op.multiply(op.add(image, _constant(-np.array(MEAN))), _constant(1 / np.array(SCALE))), ImageOptions()),
        (lambda image: op.subtract(image, _constant(MEAN[::-1])), ImageOptions()),  # for channels the other way round
        (lambda image: op.divide(image, _constant(SCALE)), ImageOptions()),
        (lambda image: image, FILLED),
        (lambda image: op.subtract(image, _constant((1, 2, 3))), FILLED),  # a step of the network's own
        (lambda image: op.subtract(op.relu(image), _constant(MEAN)), FILLED),
        (lambda image: op.add(op.subtract(image, _constant(MEAN)), op.relu(image)), FILLED),  # not all of it goes there
    ],
)  # fmt: skip
def test_only_the_first_steps_count(tmp_path: Path, before: Callable[[Any], Any], filled: ImageOptions) -> None:
    assert filled_from_model_info(ImageOptions(), saved(plain(before), tmp_path)) == filled


def _constant(values: Any) -> Any:
    return op.constant(np.array(values, np.float32).reshape(_CHANNELS))


@pytest.mark.parametrize(("name", "values"), [("mean_values", "0 0 0"), ("scale_values", "1 1 1")])
def test_values_that_do_nothing_are_no_sign_of_anything(tmp_path: Path, name: str, values: str) -> None:
    step = op.subtract if name == "mean_values" else op.divide
    same = 0.0 if name == "mean_values" else 1.0
    model = saved(plain(lambda image: step(image, _constant([same] * 3))), tmp_path)
    model.set_metadata("model_info", {**SAID, name: values})
    other = "scale" if name == "mean_values" else "mean"
    assert getattr(filled_from_model_info(ImageOptions(), model), other) == getattr(FILLED, other)
