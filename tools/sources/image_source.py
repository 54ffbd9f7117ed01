"""Samples from images: each image is one sample."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from irquant.passes.runtime.samples import DataError, Sample
from irquant.tools.sources.prepare_image import ImagePreparation
from irquant.tools.sources.read_image import BrokenImageError, read_image

#: A kind of files with at most this share of all stands out.
_STANDS_OUT = 0.1


@dataclass(frozen=True)
class ImageSource:
    """Images from files.

    Attributes:
        paths: The files.
        preparation: How they become arrays.
    """

    paths: tuple[Path, ...]
    preparation: ImagePreparation

    @property
    def sample_files(self) -> tuple[Path, ...]:
        """The files."""
        return self.paths

    @property
    def description(self) -> str:
        """The kinds of files, and how they are prepared."""
        kinds = " and ".join(sorted({_kind_of(path) for path in self.paths}))
        return f"{kinds} files, {self.preparation.description}"

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those of the preparation, and a warning for each kind of files that are few among many."""
        counts = Counter(map(_kind_of, self.paths))
        few = tuple(
            f"only {count} of {len(self.paths)} images are {kind} files: check that they belong to the data"
            for kind, count in counts.items()
            if count <= _STANDS_OUT * len(self.paths)
        )
        return (*self.preparation.doubts, *few)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Sample]:
        """Reads one image after the other."""
        return (self[index] for index in range(len(self)))

    def count_parts(self) -> int:
        """The number of images, which can be read in any order."""
        return len(self.paths)

    def parts_in(self, order: Iterable[int], /) -> Iterator[Iterable[Sample]]:
        """The images of these numbers."""
        return ((self[index],) for index in order)

    def __getitem__(self, index: int) -> Sample:
        """Reads one image.

        Raises:
            DataError: it cannot be read, or would lose values.
        """
        path, how = self.paths[index], self.preparation
        label = f"sample {index} ({path})"
        return Sample(label, how.array(read_image(path, label, how.channels, is_deep=how.is_deep)))


@dataclass(frozen=True)
class ReadableImages:
    """The images that can be read; it cannot be known before which these are.

    Attributes:
        images: All images.
        broken: The number of an image -> why it cannot be read; grows while images are read.
    """

    images: ImageSource
    broken: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def sample_files(self) -> tuple[Path, ...]:
        """See `ImageSource.sample_files`."""
        return self.images.sample_files

    @property
    def description(self) -> str:
        """See `ImageSource.description`."""
        return self.images.description

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those of the images, and how many were left out."""
        if not self.broken:
            return self.images.doubts
        files = f"{len(self.broken)} file{'s' * (len(self.broken) != 1)}"
        first = self.broken[min(self.broken)]
        return (*self.images.doubts, f"{files} of {len(self.images)} left out: {first}")

    def __length_hint__(self) -> int:
        """The number of images, the broken ones included."""
        return len(self.images)

    def __iter__(self) -> Iterator[Sample]:
        """Reads one image after the other.

        Raises:
            DataError: no image can be read, or one would lose values.
        """
        for index in range(len(self.images)):
            try:
                sample = self.images[index]
            except BrokenImageError as error:
                self.broken[index] = str(error)
            else:
                yield sample
        if len(self.broken) == len(self.images):
            message = f"none of {len(self.images)} images can be read; {self.broken[0]}"
            raise DataError(message)


def _kind_of(path: Path) -> str:
    """The kind of a file by its name."""
    return path.suffix[1:].upper().replace("JPEG", "JPG").replace("TIFF", "TIF")
