"""Where calibration samples come from, and what is said when they cannot."""

import operator
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from irquant.passes.runtime.samples import DataError, ModelInput, Sample, checked_feed
from irquant.tools.sources.data import open_source
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.image_source import ImageSource

IMAGE = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 8, 8))
MASK = ModelInput("mask", frozenset({"mask"}), "i64", (1, 4))


def read(
    text: str | Path, inputs: Sequence[ModelInput] = (IMAGE,), options: ImageOptions | None = None
) -> list[dict[str, np.ndarray[Any, Any]]]:
    """All samples, checked against the model."""
    return [checked_feed(sample, inputs) for sample in open_source(str(text), inputs, options or ImageOptions())]


def complaint(text: str | Path, inputs: Sequence[ModelInput] = (IMAGE,), options: ImageOptions | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read(text, inputs, options)
    return str(caught.value)


def labels(text: str | Path) -> list[str]:
    return [sample.label for sample in open_source(str(text), [IMAGE], ImageOptions())]


# ------------------------------------------------------------------------------------------------------------ pictures


def test_a_folder_gives_its_pictures_in_the_order_of_their_names(pictures: Path) -> None:
    source = open_source(str(pictures), [IMAGE], ImageOptions())
    assert [sample.label for sample in source][:2] == [
        f"sample 0 ({pictures / '00.png'})",
        f"sample 1 ({pictures / '01.png'})",
    ]
    assert operator.length_hint(source) == 12


def test_a_picture_is_scaled_to_the_model_and_laid_out_as_it_wants(pictures: Path) -> None:
    assert read(pictures)[0]["image"].shape == (1, 3, 8, 8)
    last = ModelInput("image", frozenset({"image"}), "f32", (1, 8, 8, 3))
    np.testing.assert_array_equal(read(pictures, [last])[0]["image"].transpose(0, 3, 1, 2), read(pictures)[0]["image"])


def test_mean_scale_and_colour_order_are_applied_channel_by_channel(pictures: Path) -> None:
    plain = read(pictures)[0]["image"]
    options = ImageOptions(mean=(10, 20, 30), scale=(2,), colour_order="bgr")
    changed = read(pictures, options=options)[0]["image"]
    for channel, mean in enumerate((10, 20, 30)):
        np.testing.assert_allclose(changed[0, channel], (plain[0, 2 - channel] - mean) / 2, rtol=1e-6)


def test_a_model_of_open_size_takes_pictures_as_they_are(pictures: Path) -> None:
    open_size = ModelInput("image", frozenset({"image"}), "f32", (1, 3, -1, -1))
    assert read(pictures, [open_size])[0]["image"].shape == (1, 3, 12, 10)
    assert read(pictures, [open_size], ImageOptions(size=(4, 6)))[0]["image"].shape == (1, 3, 4, 6)


def test_an_integer_input_gets_the_raw_pixels(pictures: Path) -> None:
    raw = ModelInput("image", frozenset({"image"}), "u8", (1, 12, 10, 3))
    array = read(pictures, [raw])[0]["image"]
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array[0], np.asarray(Image.open(pictures / "00.png")))


def test_a_glob_a_list_and_one_file_name_pictures(pictures: Path, tmp_path: Path) -> None:
    assert len(read(pictures / "0*.png")) == 10
    assert len(read(pictures / "00.png")) == 1
    listed = tmp_path / "list.txt"
    listed.write_text(f"# two of them\n\n{pictures / '03.png'}\n{pictures / '01.png'}\n")
    assert len(read(listed)) == 2


def test_pictures_are_read_only_when_their_turn_comes(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes((pictures / "00.png").read_bytes())
    (tmp_path / "1.png").write_bytes(b"no picture")
    samples = iter(open_source(str(tmp_path), [IMAGE], ImageOptions()))
    assert next(samples).label == f"sample 0 ({tmp_path / '0.png'})"
    with pytest.raises(DataError, match=re.escape(f"sample 1 ({tmp_path / '1.png'}): cannot be read as an image: ")):
        next(samples)


def test_a_truncated_picture_is_refused(pictures: Path, tmp_path: Path) -> None:
    content = (pictures / "00.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    assert complaint(tmp_path).startswith(f"sample 0 ({tmp_path / 'cut.png'}): cannot be read as an image: ")


def test_a_model_of_one_channel_gets_grey_pictures(pictures: Path) -> None:
    grey = ModelInput("image", frozenset({"image"}), "u8", (1, 1, 12, 10))
    expected = np.asarray(Image.open(pictures / "00.png").convert("L"))
    np.testing.assert_array_equal(read(pictures, [grey])[0]["image"][0, 0], expected)


def test_the_option_decides_before_the_model_where_the_channels_are(pictures: Path) -> None:
    unclear = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 8, 3), "NHWC")
    last = read(pictures, [unclear])[0]["image"]
    first = read(pictures, [unclear], ImageOptions(layout="NCHW"))[0]["image"]
    assert last.shape == first.shape == (1, 3, 8, 3)
    assert not np.array_equal(last, first)


def test_pixels_for_integers_are_not_normalized(pictures: Path) -> None:
    integers = ModelInput("image", frozenset({"image"}), "u8", (1, 8, 8, 3))
    said = "input 'image' u8[1,8,8,3] takes pixels without mean and scale: leave them out"
    assert complaint(pictures, [integers], ImageOptions(mean=(127.5,))) == said


RAMP = np.linspace(0, 1, 64).reshape(8, 8)


@pytest.mark.parametrize(
    ("name", "values"),
    [("u16.png", (RAMP * 65535).astype(np.uint16)), ("u16.tif", (RAMP * 65535).astype(np.uint16)),
     ("f32.tif", RAMP.astype(np.float32)), ("u8.png", np.rint(RAMP * 255).astype(np.uint8))],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_16_bits_and_of_floats_keep_their_values(
    tmp_path: Path, name: str, values: np.ndarray[Any, Any], channels: int
) -> None:
    Image.fromarray(values).save(tmp_path / name)
    (feed,) = read(tmp_path / name, [ModelInput("image", frozenset({"image"}), "f32", (1, channels, 8, 8))])
    np.testing.assert_allclose(feed["image"], np.broadcast_to(RAMP * 255, (1, channels, 8, 8)), atol=0.51)


def test_floats_beyond_one_are_refused(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 3 - 1).astype(np.float32)).save(tmp_path / "f.tif")
    assert complaint(tmp_path / "f.tif") == (
        f"sample 0 ({tmp_path / 'f.tif'}): its mode is F with values from -1 to 2, expected 0 to 1: scale it, or give "
        "arrays (.npz)"
    )


def test_floats_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "f.tif")
    assert complaint(tmp_path / "f.tif") == (
        f"sample 0 ({tmp_path / 'f.tif'}): its mode is F with values from nan to nan, expected 0 to 1: scale it, or give "
        "arrays (.npz)"
    )


def test_whole_numbers_of_32_bits_have_no_known_white(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 255).astype(np.int32)).save(tmp_path / "i.tif")
    assert complaint(tmp_path / "i.tif") == (
        f"sample 0 ({tmp_path / 'i.tif'}): 32-bit integers, whose white is unknown: save it in 16 bits, or give "
        "arrays (.npz)"
    )


def test_pnm_of_16_bits_keeps_its_values(tmp_path: Path) -> None:
    pixels = np.rint(RAMP * 4095).astype(">u2")
    (tmp_path / "p.pgm").write_bytes(b"P5 8 8 4095\n" + pixels.tobytes())
    np.testing.assert_allclose(read(tmp_path / "p.pgm")[0]["image"][0, 0], RAMP * 255, atol=0.05)


def as_(mode: str, colour: tuple[int, int, int]) -> Image.Image:
    """A picture of one colour in some mode."""
    picture = Image.new("RGB", (8, 8), colour)
    if mode == "LAB":
        profiles = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
        return cast(Image.Image, ImageCms.profileToProfile(picture, *profiles, outputMode="LAB"))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("LAB", "a.tif"), ("CMYK", "a.tif"), ("YCbCr", "a.jpg"), ("P", "a.png"), ("P", "a.gif"), ("RGBA", "a.png"),
     ("RGBA", "a.webp"), ("RGB", "a.bmp")],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_of_any_mode_become_rgb_or_grey(tmp_path: Path, mode: str, name: str, channels: int) -> None:
    colour = (204, 51, 102)  # one of the web palette
    as_(mode, colour).save(tmp_path / name)
    came = read(tmp_path / name, [ModelInput("image", frozenset({"image"}), "f32", (1, channels, 8, 8))])[0]["image"]
    grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]  # ITU-R BT.601
    np.testing.assert_allclose(came[0, :, 0, 0], colour if channels == 3 else [grey], atol=3)


@pytest.mark.parametrize(("mode", "transparent"), [("P", bytes(256)), ("P", 0), ("L", 7), ("RGB", (1, 2, 3))])
@pytest.mark.filterwarnings("error")
def test_transparency_is_left_out_without_a_warning(tmp_path: Path, mode: str, transparent: Any) -> None:
    as_(mode, (204, 51, 102)).save(tmp_path / "a.png", transparency=transparent)
    expected = np.asarray(as_(mode, (204, 51, 102)).convert("RGB"))[0, 0]
    np.testing.assert_array_equal(read(tmp_path / "a.png")[0]["image"][0, :, 0, 0], expected)


def test_black_and_white_is_0_and_255(tmp_path: Path) -> None:
    Image.fromarray(RAMP > 0.5).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png")[0]["image"][0, 0], (RAMP > 0.5) * 255.0)


def test_an_input_of_16_bits_takes_pictures_of_16_bits_as_they_are(tmp_path: Path) -> None:
    deep = ModelInput("image", frozenset({"image"}), "u16", (1, 8, 8, 1))
    pixels = np.rint(RAMP * 65535).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    came = read(tmp_path / "a.png", [deep])[0]["image"]
    assert came.dtype == np.uint16
    np.testing.assert_array_equal(came[0, :, :, 0], pixels)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    assert complaint(tmp_path / "a.png", [deep]) == (
        f"sample 0 ({tmp_path / 'a.png'}): its mode is L, but the input takes 16-bit grey images; give .npz"
    )


@pytest.mark.parametrize("name", ["u8", "i16", "i32", "i64", "u32"])
def test_pictures_of_16_bits_are_rounded_for_integers(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.rint(RAMP * 65535).astype(np.uint16)).save(tmp_path / "a.png")
    came = read(tmp_path / "a.png", [ModelInput("image", frozenset({"image"}), name, (1, 8, 8, 1))])[0]["image"]
    np.testing.assert_array_equal(came[0, :, :, 0], np.rint(RAMP * 255))


def test_pixels_scaled_beyond_a_half_are_refused(pictures: Path) -> None:
    half = ModelInput("image", frozenset({"image"}), "f16", (1, 3, 8, 8))
    assert "which float16 cannot hold" in complaint(pictures, [half], ImageOptions(scale=(1e-6,)))


def test_a_file_that_is_no_picture_at_all_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 400)
    found = complaint(tmp_path / "a.tif")
    assert found.startswith(f"sample 0 ({tmp_path / 'a.tif'}): cannot be read as an image: ")
    assert "\n" not in found


def test_pictures_cannot_feed_two_inputs(pictures: Path) -> None:
    assert complaint(pictures, [IMAGE, MASK]) == (
        "images can feed one input only, but the model has 2: 'image' f32[1,3,8,8], 'mask' i64[1,4]; "
        "give .npz files or module:function"
    )


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (
            (1, 5, 8, 8),
            {},
            "input 'x' f32[1,5,8,8]: cannot tell which axis is the channel axis; give --layout, e.g. NCHW",
        ),
        (
            (1, 3, 8, 3),
            {},
            "input 'x' f32[1,3,8,3]: cannot tell which axis is the channel axis; give --layout, e.g. NCHW",
        ),
        (
            (-1, 2048),
            {},
            "input 'x' f32[?,2048] takes no images: it has 2 axes, images have 3 or 4; give .npz files or module:function",
        ),
        ((1, 3, 8, 8), {"layout": "NCWH"}, "layout 'NCWH' is unknown; there are: NCHW, NHWC, CHW, HWC"),
        ((1, 3, 8, 8), {"layout": "CHW"}, "layout CHW does not fit input 'x' f32[1,3,8,8]"),
        ((1, 3, 8, 8), {"mean": (1.0, 2.0)}, "mean has 2 numbers, but input 'x' f32[1,3,8,8] has 3 channels"),
        ((1, 3, 8, 8), {"scale": (0.0,)}, "scale is 0.0: cannot divide by zero"),
        (
            (1, 4, 8, 8),
            {"layout": "NCHW"},
            "input 'x' f32[1,4,8,8]: 4 channels in layout NCHW, but images have 1 or 3; give .npz or module:function",
        ),
        (
            (1, 3, 8, 12),
            {"layout": "NHWC"},
            "input 'x' f32[1,3,8,12]: 12 channels in layout NHWC, but images have 1 or 3 (layout NCHW fits); "
            "give .npz or module:function",
        ),
        (
            (1, 1, 8, 8),
            {"mean": (1.0, 2.0, 3.0)},
            "mean has 3 numbers, but input 'x' f32[1,1,8,8] has 1 channel",
        ),
        (
            (1, 3, 8, 12),
            {"size": (12, 8)},
            "size 12x8 does not fit input 'x' f32[1,3,8,12]; height comes first; write 8x12, or leave it out",
        ),
        (
            (1, 3, 8, 8),
            {"size": (4, 8)},
            "size 4x8 does not fit input 'x' f32[1,3,8,8]; write 8x8, or leave it out",
        ),
        ((1, 3, 8, -1), {"size": (4, 4)}, "size 4x4 does not fit input 'x' f32[1,3,8,?]"),
    ],
)
def test_pictures_that_cannot_fit_are_refused_before_any_is_read(
    pictures: Path, shape: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    model = ModelInput("x", frozenset({"x"}), "f32", shape)
    with pytest.raises(DataError) as caught:
        open_source(str(pictures), [model], ImageOptions(**options))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("i8", "input 'x' i8[1,3,8,8]: i8 does not hold 0 to 255; give .npz or module:function"),
        ("boolean", "input 'x' boolean[1,3,8,8]: boolean does not hold 0 to 255; give .npz or module:function"),
        ("u4", "input 'x' u4[1,3,8,8]: u4 does not hold 0 to 255; give .npz or module:function"),
        ("string", "input 'x' string[1,3,8,8]: string does not hold 0 to 255; give .npz or module:function"),
        ("u16", "input 'x' u16[1,3,8,8]: images with 3 channels are read in 8 bits; give .npz or module:function"),
    ],
)
def test_inputs_that_cannot_hold_pixels_get_none(pictures: Path, name: str, message: str) -> None:
    assert complaint(pictures, [ModelInput("x", frozenset({"x"}), name, (1, 3, 8, 8))]) == message


# -------------------------------------------------------------------------------------------------------------- arrays


@settings(max_examples=60)
@given(places=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4), kind=st.data())
def test_damaged_files_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, whole: dict[str, bytes], places: list[tuple[int, int]], kind: Any
) -> None:
    name = kind.draw(st.sampled_from(sorted(whole)))
    content = bytearray(whole[name])
    for place, byte in places:
        content[place % len(content)] = byte
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content)
    try:
        read(path)
    except DataError as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) < 1000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small files of all kinds."""
    folder = tmp_path_factory.mktemp("whole")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    for name in ("a.png", "a.jpg", "a.bmp", "a.webp", "a.tif", "a.gif", "a.ppm"):
        Image.fromarray(pixels).save(folder / name)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(pixels[..., 0].astype(np.float32) / 255).save(folder / "float.tif")
    stack = np.zeros((2, 3, 8, 8), np.float32)
    np.save(folder / "a.npy", stack)
    np.savez(folder / "a.npz", image=stack)
    np.savez_compressed(folder / "small.npz", image=stack)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=20)
@given(count=st.integers(2, 6), batch=st.booleans())
def test_stacked_arrays_give_a_sample_a_row(
    tmp_path_factory: pytest.TempPathFactory, count: int, *, batch: bool
) -> None:
    path = tmp_path_factory.mktemp("stack") / "stack.npz"
    stack = np.random.default_rng(count).normal(size=(count, *([1] if batch else []), 3, 8, 8)).astype(np.float32)
    np.savez(path, image=stack)
    samples = read(path)
    assert len(samples) == count
    np.testing.assert_array_equal(np.concatenate([each["image"] for each in samples]), stack.reshape(count, 3, 8, 8))


def test_of_a_stack_of_an_npy_file_one_sample_at_a_time_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.arange(5 * 192, dtype=np.float32).reshape(5, 3, 8, 8))
    source = open_source(str(tmp_path / "stack.npy"), [IMAGE], ImageOptions())
    assert operator.length_hint(source) == 5
    first = cast(dict[str, np.ndarray[Any, Any]], next(iter(source)).feed)["image"]
    assert (first.shape, first.base) == ((3, 8, 8), None)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_sample_of_another_shape_is_refused_before_it_takes_memory(tmp_path: Path, suffix: str) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 900000, 900000), }"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    path = tmp_path / f"big{suffix}"
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("image.npy", content)
    with pytest.raises(DataError, match=r"float32\[1, 3, 900000, 900000\] takes [0-9,]+ bytes, expected 1,0"):
        list(open_source(str(path), [IMAGE], ImageOptions()))


@pytest.mark.parametrize("key", ["image", "00000|image"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_of_another_shape_keeps_its_values(tmp_path: Path, suffix: str, key: str) -> None:
    """A batch is split later, and a transform may turn the axes."""
    batch = np.random.default_rng(0).random((2, 4, 3, 8, 8), np.float32)
    path = tmp_path / f"batches{suffix}"
    if suffix == ".npy":
        np.save(path, batch)
    else:
        np.savez(path, **cast(dict[str, Any], {key: batch if key == "image" else batch[0]}))
    samples = open_source(str(path), [IMAGE], ImageOptions())
    for sample, expected in zip(samples, batch, strict=False):
        np.testing.assert_array_equal(cast(dict[str, Any], sample.feed)["image"], expected)


@pytest.mark.parametrize("name", ["image", "image.npy"])
def test_a_member_that_is_no_array_is_told(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr(name, b"hello")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'b.npz'}: cannot be read as an array file: no array")):
        list(open_source(str(tmp_path / "b.npz"), [IMAGE], ImageOptions()))


def test_a_picture_of_too_many_pixels_is_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "0.png")
    monkeypatch.setattr("irquant.tools.sources.read_image.MOST_PIXELS", 199)
    with pytest.raises(DataError) as caught:
        list(open_source(str(tmp_path / "0.png"), [IMAGE], ImageOptions()))
    assert str(caught.value) == (
        f"sample 0 ({tmp_path / '0.png'}): cannot be read as an image: 20x10 are 200 pixels, expected 199 or less; "
        "IRQUANT_ANY_SIZE=1 allows it"
    )


def test_a_picture_of_a_format_that_starts_programs_is_none(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match="cannot be read as an image: cannot identify image file"):
        list(open_source(str(tmp_path / "0.png"), [IMAGE], ImageOptions()))


def test_a_broken_array_file_matters_only_when_its_turn_comes(tmp_path: Path) -> None:
    np.savez(tmp_path / "0.npz", image=np.zeros((1, 3, 8, 8), np.float32))
    (tmp_path / "1.npz").write_bytes(b"no array")
    samples = iter(open_source(str(tmp_path), [IMAGE], ImageOptions()))
    assert next(samples).label == f"sample 0 ({tmp_path / '0.npz'})"
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / '1.npz'}: cannot be read as an array file: ")):
        next(samples)


def test_an_array_that_fits_is_one_sample(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((1, 3, 8, 8), np.float32))
    assert len(read(tmp_path / "one.npy")) == 1
    np.save(tmp_path / "bare.npy", np.zeros((3, 8, 8), np.float32))
    assert len(read(tmp_path / "bare.npy")) == 1


def test_a_folder_of_arrays_is_read_file_by_file(tmp_path: Path) -> None:
    for index in range(3):
        np.savez(tmp_path / f"{index}.npz", image=np.full((1, 3, 8, 8), index, np.float32))
    assert [float(each["image"].mean()) for each in read(tmp_path)] == [0, 1, 2]


def test_numbered_keys_hold_samples_of_different_sizes(tmp_path: Path) -> None:
    open_size = ModelInput("image", frozenset({"image", "alias"}), "f32", (1, 3, -1, -1))
    arrays = {"00001|image": np.zeros((1, 3, 4, 4)), "00000|alias": np.zeros((1, 3, 2, 6)), "00000|_truth": np.zeros(3)}
    np.savez(tmp_path / "n.npz", **cast(Any, arrays))
    assert [each["image"].shape for each in read(tmp_path / "n.npz", [open_size])] == [(1, 3, 2, 6), (1, 3, 4, 4)]
    assert operator.length_hint(open_source(str(tmp_path / "n.npz"), [open_size], ImageOptions())) == 2


def test_numbered_steps_are_sequences(tmp_path: Path) -> None:
    keys = ["00001.000|image", "00000.010|image", "00000.002|image"]
    np.savez(tmp_path / "n.npz", **cast(Any, {key: np.full((1, 3, 8, 8), k) for k, key in enumerate(keys)}))
    source: Any = open_source(str(tmp_path / "n.npz"), [IMAGE], ImageOptions())
    found = [[int(step["image"].mean()) for step in each.feed.each] for each in source]
    assert found == [[2, 1], [0]]
    assert operator.length_hint(source) == source.count_parts() == 2
    assert [each.label for part in source.parts_in([1]) for each in part] == [
        f"sample 1 ({tmp_path / 'n.npz'}, number 1)"
    ]
    assert complaint(tmp_path / "n.npz") == (
        f"sample 0 ({tmp_path / 'n.npz'}, number 0): it is a sequence of 2 steps, but the model has no states that "
        "carry over: give each step as a sample"
    )


def test_numbers_of_samples_and_of_steps_do_not_mix(tmp_path: Path) -> None:
    arrays = {"0.0|image": np.zeros((1, 3, 8, 8)), "1|image": np.zeros((1, 3, 8, 8))}
    np.savez(tmp_path / "m.npz", **cast(Any, arrays))
    assert complaint(tmp_path / "m.npz") == (
        f"{tmp_path / 'm.npz'}: key '1|image' has no number of a step, but '0.0|image' has one"
    )


@pytest.mark.parametrize(("length", "sizes"), [("all", [12]), (5, [5, 5, 2]), (12, [12])])
def test_samples_of_any_source_may_be_steps(pictures: Path, length: Any, sizes: list[int]) -> None:
    source: Any = open_source(str(pictures), [IMAGE], ImageOptions(sequences=length))
    assert operator.length_hint(source) == len(sizes)
    assert [(each.label, len(each.feed.each)) for each in source] == [
        (f"sequence {number}", size) for number, size in enumerate(sizes)
    ]


def test_sequences_are_no_steps(tmp_path: Path) -> None:
    np.savez(tmp_path / "n.npz", **cast(Any, {"0.0|image": np.zeros((1, 3, 8, 8))}))
    assert complaint(tmp_path / "n.npz", options=ImageOptions(sequences="all")) == (
        f"sample 0 ({tmp_path / 'n.npz'}, number 0): it is a sequence already: leave out --sequences"
    )


def test_several_inputs_are_told_apart_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", image=np.ones((5, 3, 8, 8), np.float32), mask=np.zeros((5, 4), np.int64))
    samples = read(tmp_path / "two.npz", [IMAGE, MASK])
    assert len(samples) == 5
    assert samples[0]["mask"].shape == (1, 4)


def test_an_unknown_key_gets_a_hint(tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", imge=np.zeros((1, 3, 8, 8)), mask=np.zeros((1, 4), np.int64))
    assert complaint(tmp_path / "k.npz", [IMAGE, MASK]) == (
        f"{tmp_path / 'k.npz'}: key 'imge' is not an input of the model; did you mean 'image'? "
        "it takes 'image' f32[1,3,8,8], 'mask' i64[1,4]"
    )


def test_stacks_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", image=np.zeros((5, 3, 8, 8)), mask=np.zeros((4, 4), np.int64))
    assert complaint(tmp_path / "s.npz", [IMAGE, MASK]) == (
        f"{tmp_path / 's.npz'}: stacked arrays must have the same length, found 'image' [5, 3, 8, 8], 'mask' [4, 4]"
    )


def test_numbered_and_plain_keys_do_not_mix(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", **cast(Any, {"0|image": np.zeros((1, 3, 8, 8)), "image": np.zeros((1, 3, 8, 8))}))
    assert complaint(tmp_path / "m.npz") == (
        f"{tmp_path / 'm.npz'}: key 'image' has no sample number, but '0|image' has one"
    )


def test_an_npy_file_cannot_feed_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((1, 3, 8, 8)))
    assert complaint(tmp_path / "one.npy", [IMAGE, MASK]) == (
        f"{tmp_path / 'one.npy'}: an .npy file can feed one input only; "
        "give .npz files with 'image' f32[1,3,8,8], 'mask' i64[1,4]"
    )


def test_pickled_and_broken_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([{}], object), allow_pickle=True)
    assert complaint(tmp_path / "p.npy").startswith(f"{tmp_path / 'p.npy'}: cannot be read as an array file: ")
    (tmp_path / "b.npz").write_bytes(b"PK broken")
    assert complaint(tmp_path / "b.npz").startswith(f"{tmp_path / 'b.npz'}: cannot be read as an array file: ")
    np.savez(tmp_path / "e.npz", _truth=np.zeros(3))
    assert complaint(tmp_path / "e.npz") == f"{tmp_path / 'e.npz'}: contains no array"


# ----------------------------------------------------------------------------------------------------------- functions


def test_a_function_of_a_file_gives_samples_lazily(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\ndef samples():\n    for _ in range(3):\n        yield np.ones((1, 3, 8, 8), np.float32)\n"
    )
    assert len(read(f"{tmp_path / 'mine.py'}:samples")) == 3


def test_a_function_of_a_module_gives_samples_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_calibration_data.py").write_text("def samples():\n    return ['anything', None]\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = "my_calibration_data:samples"
    assert list(open_source(text, [IMAGE], ImageOptions())) == [
        Sample(f"sample 0 of {text}", "anything"),
        Sample(f"sample 1 of {text}", None),
    ]


def test_a_module_that_does_not_exist_is_named() -> None:
    assert complaint("no_such_module_anywhere:samples") == "no module 'no_such_module_anywhere'"


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        ("def samples(): return 3", "samples", "{}:samples: gave int, expected an iterable of samples"),
        (
            "def samples(): return 'photos'",
            "samples",
            "{}:samples: gave str 'photos', expected the samples themselves, not where they are: read them first, or use the "
            "command line, which takes paths (irquant quantize MODEL --data photos)",
        ),
        (
            "class D:\n    def __iter__(self): raise OSError('gone')\nsamples = D",
            "samples",
            "{}:samples: the data raised OSError: gone ({}:2)",
        ),
        ("samples = 3", "samples", "{}:samples: is int, expected a function"),
        ("def samples(): pass", "sample", "{}:sample: '{}' has no 'sample'; did you mean 'samples'?"),
        ("def samples(): raise KeyError('a')", "samples", "{}:samples: raised KeyError: 'a' ({}:1)"),
        ("1 / 0", "samples", "importing '{}' raised ZeroDivisionError: division by zero ({}:1)"),
        ("import no_such_thing", "samples", "no module 'no_such_thing', which '{}' needs"),
    ],
)
def test_what_goes_wrong_in_a_function_is_said(tmp_path: Path, code: str, name: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code)
    assert complaint(f"{path}:{name}") == message.format(path, path)


def test_an_exception_between_two_samples_says_which(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def samples():\n    yield 1\n    raise OSError('gone')\n")
    samples = iter(open_source(f"{path}:samples", [IMAGE], ImageOptions()))
    assert next(samples) == Sample(f"sample 0 of {path}:samples", 1)
    with pytest.raises(DataError) as caught:
        next(samples)
    assert str(caught.value) == f"sample 1 of {path}:samples: the data raised OSError: gone ({path}:3)"


def test_a_missing_function_file_is_named(tmp_path: Path) -> None:
    assert complaint(f"{tmp_path / 'gone.py'}:samples") == f"{tmp_path / 'gone.py'}: no such file"


# ------------------------------------------------------------------------------------------------------------ anything


def test_nothing_there_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert complaint(gone) == f"{gone}: no such file or folder (nor module:function)"
    assert complaint(f"{gone}/*.png") == f"{gone}/*.png: no file matches"
    assert complaint(tmp_path).startswith(f"{tmp_path}: no samples: expected .npy, .npz, .png")
    (tmp_path / "notes.md").write_text("no sample")
    assert complaint(tmp_path / "notes.md").startswith(f"{tmp_path / 'notes.md'}: no samples: expected ")
    code = tmp_path / "mine.py"
    code.touch()
    assert complaint(code) == f"{code}: Python code gives samples by a function: name it, {code}:FUNCTION"


def test_pictures_and_arrays_in_one_folder_need_a_glob(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes((pictures / "00.png").read_bytes())
    np.save(tmp_path / "1.npy", np.zeros((1, 3, 8, 8)))
    assert complaint(tmp_path) == (
        f"{tmp_path}: contains both images and arrays; choose one with a glob: "
        f"'{tmp_path / '*.png'}' or '{tmp_path / '*.npy'}'"
    )


@pytest.mark.parametrize("kind", ["png", "npy"])
def test_the_globs_that_a_mixed_folder_is_told_apart_with_work(pictures: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    (folder / "0.png").write_bytes((pictures / "00.png").read_bytes())
    np.save(folder / "1.npy", np.zeros((1, 3, 8, 8)))
    found = re.search(rf"'([^']*\.{kind})'", complaint(f"{tmp_path}/*/*"))
    assert found is not None
    assert len(read(found[1])) == 1


def test_a_list_that_names_a_missing_file_says_the_line(pictures: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{pictures / '00.png'}\ngone.png\n")
    assert complaint(listed) == f"{listed}: line 2: there is no file {tmp_path / 'gone.png'}"


def test_a_list_with_labels_says_what_to_write(pictures: Path) -> None:
    (pictures / "list.txt").write_text("00.png 7\n")
    assert complaint(pictures / "list.txt") == (
        f"{pictures / 'list.txt'}: line 1: there is no file {pictures / '00.png 7'}; write the path alone, without a label"
    )


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.png"])
def test_a_pointer_of_git_lfs_is_told_without_the_number_of_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\n")
    assert complaint(tmp_path / name).endswith(": a pointer of Git LFS in place of the file: fetch it, git lfs pull")


def test_a_pipe_is_told_to_be_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert complaint(tmp_path / "pipe") == (
        f"{tmp_path / 'pipe'}: is a pipe or a device, expected a file or folder: save what it gives as a .txt file"
    )


def test_a_list_that_names_something_else_than_samples_says_the_line(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("no sample")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{pictures / '00.png'}\nnotes.md\n")
    assert complaint(listed) == (
        f"{listed}: line 2: {tmp_path / 'notes.md'} is not a sample: expected .npy, .npz, .png, .jpg, .jpeg, .bmp, .webp, "
        ".tif, .tiff, .gif, .ppm, .pgm, .mp4, .m4v, .mov, .mkv, .webm, .avi files"
    )


def test_a_list_of_nothing_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# nothing yet\n\n")
    assert complaint(listed) == (
        f"{listed}: no samples: expected .npy, .npz, .png, .jpg, .jpeg, .bmp, .webp, "
        ".tif, .tiff, .gif, .ppm, .pgm, .mp4, .m4v, .mov, .mkv, .webm, .avi files"
    )


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xff\xff")
    assert complaint(listed) == (f"{listed}: cannot be read: no text in UTF-8: byte 0xff in line 1")


def test_a_list_that_does_not_exist_is_no_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "gone.txt") == f"{tmp_path / 'gone.txt'}: no such file or folder (nor module:function)"


def test_a_list_keeps_its_own_order_and_may_begin_with_a_byte_order_mark(pictures: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes((pictures / "00.png").read_bytes())
    (tmp_path / "list.txt").write_text("b.png\na.png\n", encoding="utf-8-sig")
    assert labels(tmp_path / "list.txt") == [f"sample 0 ({tmp_path / 'b.png'})", f"sample 1 ({tmp_path / 'a.png'})"]


@pytest.mark.parametrize("text", ["a" * 5000, "a" * 5000 + ".png", "a\0b"])
def test_a_text_that_can_be_no_name_is_no_traceback(text: str) -> None:
    assert complaint(text) == f"{text}: no such file or folder (nor module:function)"


def test_a_module_that_can_be_no_name_is_no_traceback() -> None:
    assert complaint("a" * 5000 + ":samples") == f"no module '{'a' * 5000}'"


def test_a_line_that_can_be_no_name_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a" * 5000)
    shown = str(tmp_path / ("a" * 5000))[:200]
    assert complaint(tmp_path / "list.txt") == f"{tmp_path / 'list.txt'}: line 1: there is no file {shown}..."


def test_an_empty_text_is_not_the_current_folder(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    assert complaint("") == "an empty text: no such file or folder (nor module:function)"


def test_a_folder_matched_by_a_glob_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    assert complaint(f"{tmp_path}/*.png") == f"{tmp_path}/*.png: no file matches"


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    names = ["2/1.png", "10/1.png", "im1.png", "im2.png", "im10.png"]
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = cast(ImageSource, open_source(str(tmp_path), [IMAGE], ImageOptions()))
    assert [str(path.relative_to(tmp_path)) for path in source.paths] == names
    same = cast(ImageSource, open_source(f"{tmp_path}/**/*.png", [IMAGE], ImageOptions()))
    assert same.paths == source.paths


@given(names=st.lists(st.text("0123456789ab", min_size=1, max_size=6), min_size=1, max_size=8, unique=True))
@settings(max_examples=30)
def test_the_order_does_not_depend_on_how_the_files_came(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    one, two = tmp_path_factory.mktemp("order"), tmp_path_factory.mktemp("order")
    for folder, order in ((one, names), (two, names[::-1])):
        for name in order:
            (folder / f"{name}.png").touch()
    first = cast(ImageSource, open_source(str(one), [IMAGE], ImageOptions()))
    second = cast(ImageSource, open_source(str(two), [IMAGE], ImageOptions()))
    assert [path.name for path in first.paths] == [path.name for path in second.paths]
    plain = [int(path.stem) for path in first.paths if path.stem.isdecimal()]
    assert plain == sorted(plain)


def test_a_folder_is_searched_to_the_bottom_and_other_files_are_passed_over(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "cat.JPG").write_bytes((pictures / "00.png").read_bytes())
    (tmp_path / "README.md").write_text("pictures")
    assert labels(tmp_path) == [f"sample 0 ({tmp_path / 'deep' / 'down' / 'cat.JPG'})"]


def test_ten_thousand_pictures_are_counted_without_reading_one(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "list.txt").write_text("broken.png\n" * 10_000)
    source = open_source(str(tmp_path / "list.txt"), [IMAGE], ImageOptions())
    assert operator.length_hint(source) == 10_000
    with pytest.raises(DataError, match=re.escape(f"sample 0 ({tmp_path / 'broken.png'}): cannot be read")):
        next(iter(source))


def test_every_iteration_starts_afresh(pictures: Path) -> None:
    source = open_source(str(pictures), [IMAGE], ImageOptions())
    assert next(iter(source)).label == next(iter(source)).label == f"sample 0 ({pictures / '00.png'})"
    assert len(list(source)) == len(list(source)) == 12


# --------------------------------------------------------------------------------------------- samples in any order


def in_order(source: Any, order: list[int]) -> list[tuple[str, Any]]:
    """Label and first number of the samples of some parts."""
    found = [each for part in source.parts_in(order) for each in part]
    return [(each.label, float(np.ravel(each.feed["x"])[0])) for each in found]


def stack(count: int) -> Any:
    return np.arange(count * 4, dtype=np.float32).reshape(count, 1, 4)


X = ModelInput("x", frozenset({"x"}), "f32", (1, 4))


def test_numbered_samples_of_an_archive_are_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "n.npz"
    np.savez(path, **{f"{number}|x": array for number, array in zip((2, 10, 1), stack(3), strict=True)})
    source: Any = open_source(str(path), [X], ImageOptions())
    assert source.count_parts() == 3
    whole = [(each.label, float(each.feed["x"][0, 0])) for each in source]
    assert in_order(source, [2, 0, 1]) == [whole[2], whole[0], whole[1]]


def test_rows_of_a_stack_are_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "s.npy"
    np.save(path, stack(5))
    source: Any = open_source(str(path), [X], ImageOptions())
    assert source.count_parts() == 5
    whole = [(each.label, float(np.ravel(each.feed["x"])[0])) for each in source]
    assert in_order(source, [4, 1]) == [whole[4], whole[1]]


def test_files_of_one_sample_are_read_in_any_order(tmp_path: Path) -> None:
    for index, each in enumerate(stack(4)):
        np.save(tmp_path / f"{index}.npy", each)
    source: Any = open_source(str(tmp_path), [X], ImageOptions())
    assert source.count_parts() == 4
    assert in_order(source, [3, 0]) == [
        (f"sample 3 ({tmp_path / '3.npy'})", 12.0),
        (f"sample 0 ({tmp_path / '0.npy'})", 0),
    ]


def test_other_stacks_are_read_from_their_beginning_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=stack(5))
    np.save(tmp_path / "f.npy", np.asfortranarray(stack(5)))
    (tmp_path / "two").mkdir()
    for name in "ab":
        np.save(tmp_path / "two" / f"{name}.npy", stack(5))
    for name in ("s.npz", "f.npy", "two"):
        source: Any = open_source(str(tmp_path / name), [X], ImageOptions())
        assert source.count_parts() == 0
