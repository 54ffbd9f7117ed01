"""Frames of videos as samples."""

import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irquant.passes.runtime.samples import DataError, ModelInput, checked_feed
from irquant.tools.sources import video_source
from irquant.tools.sources.data import open_source
from irquant.tools.sources.image_options import ImageOptions

IMAGE = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 24, 32))


def film(path: Path, frames: int) -> Path:
    """A film that becomes brighter, with a dark bar at the left."""
    library: Any = pytest.importorskip("av")
    with library.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for index in range(frames):
            pixels = np.full((24, 32, 3), 40 + index * 200 // frames, np.uint8)
            pixels[:, :8] = 0
            container.mux(stream.encode(library.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def arrays(text: Path, model: ModelInput = IMAGE, options: ImageOptions | None = None) -> list[np.ndarray[Any, Any]]:
    source = open_source(str(text), [model], options or ImageOptions())
    return [checked_feed(sample, [model])["image"] for sample in source]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_short_film_gives_all_its_frames_in_order(tmp_path: Path, suffix: str) -> None:
    found = arrays(film(tmp_path / f"film{suffix}", 12))
    assert len(found) == 12
    light = [float(each[..., 16:].mean()) for each in found]
    assert all(one < other for one, other in pairwise(light))
    assert max(float(each[..., :6].mean()) for each in found) < 20


def test_a_long_film_gives_frames_that_are_spread_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_source, "MOST_FRAMES", 4)
    path = film(tmp_path / "film.mp4", 20)
    source: Any = open_source(str(path), [IMAGE], ImageOptions())
    assert [sample.label for sample in source] == [
        f"sample {index} ({path}, frame {frame})" for index, frame in enumerate((0, 5, 10, 15))
    ]
    assert source.description == "frames of 1 video, RGB, 24x32 bilinear, mean 0, scale 1, NCHW, f32"


def test_a_folder_of_films_shares_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_source, "MOST_FRAMES", 5)
    for name in ("a.mp4", "b.mp4"):
        film(tmp_path / name, 8)
    assert len(arrays(tmp_path)) == 5


def test_a_film_that_was_taken_sideways_is_upright(tmp_path: Path) -> None:
    content = film(tmp_path / "film.mp4", 3).read_bytes()
    header = content.index(b"tkhd")  # its matrix (ISO/IEC 14496-12, 8.3.2), here a turn to the right
    start = content.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), header)
    turn = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 24 << 16, 0, 1 << 30)
    (tmp_path / "film.mp4").write_bytes(content[:start] + turn + content[start + len(turn) :])
    last = arrays(tmp_path / "film.mp4", ModelInput("image", frozenset({"image"}), "f32", (1, 3, 32, 24)))[-1]
    assert last[..., :6, :].mean() < 20 < 100 < last[..., 16:, :].mean()


def test_a_model_of_one_channel_gets_grey_frames(tmp_path: Path) -> None:
    grey = ModelInput("image", frozenset({"image"}), "f32", (1, 1, 8, 8))
    assert arrays(film(tmp_path / "film.mp4", 2), grey)[0].shape == (1, 1, 8, 8)


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_a_file_that_is_no_video_is_one_line(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        arrays(path)
    assert str(caught.value).startswith(f"{path}: cannot be read as a video: ")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        arrays(tmp_path / "film.mp4")
    assert str(caught.value) == "a video needs PyAV: pip install 'irquant[video]'"


def test_videos_and_images_in_one_folder_need_a_glob(tmp_path: Path) -> None:
    for name in ("film.mp4", "image.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        arrays(tmp_path)
    globs = f"'{tmp_path / '*.png'}' or '{tmp_path / '*.mp4'}'"
    assert str(caught.value) == f"{tmp_path}: contains both images and videos; choose one with a glob: {globs}"
