"""Samples from video files: frames that are spread evenly, since neighbours are almost equal."""

import importlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irquant.ir.user_files import open_user_file
from irquant.passes.runtime.samples import DataError, Sample, reason_of
from irquant.tools.sources.prepare_image import ImagePreparation
from irquant.tools.sources.suffixes import VIDEO_FORMATS

if TYPE_CHECKING:
    from PIL import Image

#: The most frames of a source: as many as a quantization uses at most by default.
MOST_FRAMES = 300


@dataclass(frozen=True)
class VideoSource:
    """Frames from video files, at most `MOST_FRAMES` of all files.

    Attributes:
        paths: The files.
        preparation: How frames become arrays.
    """

    paths: tuple[Path, ...]
    preparation: ImagePreparation

    @property
    def sample_files(self) -> tuple[Path, ...]:
        """The files."""
        return self.paths

    @property
    def description(self) -> str:
        """The number of files, and how frames are prepared."""
        return f"frames of {len(self.paths)} video{'s' * (len(self.paths) != 1)}, {self.preparation.description}"

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those of the preparation."""
        return self.preparation.doubts

    def __length_hint__(self) -> int:
        """Unknown until the files are read."""
        return 0

    def __iter__(self) -> Iterator[Sample]:
        """Decodes one frame after the other.

        Raises:
            DataError: a file cannot be read, or the library is missing.
        """
        library = _library()
        share, more = divmod(MOST_FRAMES, len(self.paths))
        index = 0
        for number, path in enumerate(self.paths):
            for place, image in _frames(library, path, max(1, share + (number < more))):
                yield Sample(f"sample {index} ({path}, frame {place})", self.preparation.array(self._coloured(image)))
                index += 1

    def _coloured(self, image: "Image.Image") -> "Image.Image":
        return image if self.preparation.channels == 3 else image.convert("L")


def _frames(library: Any, path: Path, most: int) -> "Iterator[tuple[int, Image.Image]]":
    """Frames of a file as RGB images, upright, with their numbers."""
    with _told(path), open_user_file(path) as file:
        with library.open(file, format=VIDEO_FORMATS[path.suffix.lower()]) as container:
            total = sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))
        file.seek(0)
        with library.open(file, format=VIDEO_FORMATS[path.suffix.lower()]) as container:
            wanted = {total * each // most for each in range(most)}
            found = 0
            for place, frame in enumerate(container.decode(video=0)):
                if place in wanted:
                    found += 1
                    yield place, frame.to_image().rotate(frame.rotation, expand=True)
            if not found:
                message = "it has no frames"
                raise ValueError(message)


@contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # damaged files make decoders raise anything
        message = f"{path}: cannot be read as a video: {reason_of(error)}"
        raise DataError(message) from error


def _library() -> Any:
    """PyAV, which is an extra.

    Raises:
        DataError: it is missing.
    """
    try:
        return importlib.import_module("av")
    except ImportError:
        message = "a video needs PyAV: pip install 'irquant[video]'"
        raise DataError(message) from None
