"""Sources of calibration samples for the command line.

A source is iterated lazily, and each iteration starts at the first sample. Samples are decoded at their use, so memory
is constant even for data larger than memory. `passes/runtime/samples.py` checks later whether a sample fits the model.

Files have natural order (`2.png` before `10.png`), those of a list file have the order of its lines. Folders are
searched to the bottom: names of folders, which may be labels, do not matter. Other files in a folder or a glob are
skipped; in a list file they are an error, since the user named each of them.
"""

import glob
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from irquant.ir.errors import shortened
from irquant.ir.user_files import no_such_file, read_user_text
from irquant.passes.runtime.samples import DataError, ModelInput, Sample
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.suffixes import ARRAY_SUFFIXES, IMAGE_SUFFIXES, VIDEO_FORMATS

#: Kinds of samples; a source holds one of them.
_KINDS = {"images": IMAGE_SUFFIXES, "arrays": ARRAY_SUFFIXES, "videos": tuple(VIDEO_FORMATS)}
_SUFFIXES = (*ARRAY_SUFFIXES, *IMAGE_SUFFIXES, *VIDEO_FORMATS)
#: The most bytes of a list of files: some million lines.
_MOST_LIST = 1 << 28
#: The most characters of a line that a message shows.
_MOST_QUOTED = 200
_RUNS = re.compile(r"(\D*)(\d*)")


def open_source(text: str, inputs: Sequence[ModelInput], options: ImageOptions) -> Iterable[Sample]:
    """The samples that `text` names; `len()` or `operator.length_hint` gives their number if it is known.

    Args:
        text: A folder, also one of folders, a glob, a file, a .txt list of files, or `module:function`.
        inputs: The inputs of the model.
        options: How images become arrays, and which samples are the steps of a sequence.

    Raises:
        DataError: the source does not exist, or contains no readable samples.
    """
    if options.sequences is not None:
        from irquant.tools.sources.sequence_source import SequenceSource  # here, as below: a run reads one kind

        length = None if options.sequences == "all" else options.sequences
        return SequenceSource(open_source(text, inputs, replace(options, sequences=None)), inputs, length)
    if names_function(text):
        from irquant.tools.sources.function_source import FunctionSource

        return FunctionSource(text)
    paths = source_files(text)
    if paths[0].suffix.lower() in ARRAY_SUFFIXES:
        from irquant.tools.sources.array_source import ArraySource

        return ArraySource(paths, tuple(inputs))
    return _open_pictures(paths, inputs, options)


def _open_pictures(paths: tuple[Path, ...], inputs: Sequence[ModelInput], options: ImageOptions) -> Iterable[Sample]:
    """The samples of images or videos."""
    from irquant.tools.sources.prepare_image import ImagePreparation

    preparation = ImagePreparation(tuple(inputs), options)
    if paths[0].suffix.lower() in VIDEO_FORMATS:
        from irquant.tools.sources.video_source import VideoSource

        return VideoSource(paths, preparation)
    from irquant.tools.sources.image_source import ImageSource, ReadableImages

    images = ImageSource(paths, preparation)
    return ReadableImages(images) if options.skip_broken else images


def source_files(text: str) -> tuple[Path, ...]:
    """The files that `text` names (not a function), all of one kind: arrays, images or videos.

    Raises:
        DataError: the source does not exist, or contains no readable samples.
    """
    paths = _paths(text)
    kinds = {kind: tuple(path for path in paths if path.suffix.lower() in of) for kind, of in _KINDS.items()}
    found = {kind: files for kind, files in kinds.items() if files}
    if len(found) > 1:
        (one, ones), (other, others), *_ = found.items()
        message = (
            f"{text}: contains both {one} and {other}; choose one with a glob: "
            f"'{_like(ones[0])}' or '{_like(others[0])}'"
        )
        raise DataError(message)
    if not found and Path(text).suffix == ".py":
        message = f"{text}: Python code gives samples by a function: name it, {text}:FUNCTION"
        raise DataError(message)
    if not found:
        message = f"{text}: no samples: expected {', '.join(_SUFFIXES)} files"
        raise DataError(message)
    return next(iter(found.values()))


def source_members(text: str) -> list[Path]:
    """All files that `text` names (not a function), and the list file itself; only `text` if it is wrong."""
    try:
        return [Path(text), *_paths(text)]
    except DataError:
        return [Path(text)]


def names_function(text: str) -> bool:
    """Whether `text` is module:function; a drive letter is not a module."""
    before, colon, after = text.rpartition(":")
    return bool(colon) and len(before) > 1 and after.isidentifier() and not _mode(Path(text))


def may_be_images(text: str) -> bool:
    """Whether `text` names images or videos; True if nothing is there."""
    try:
        return not names_function(text) and source_files(text)[0].suffix.lower() not in ARRAY_SUFFIXES
    except DataError:
        return True


def seen_from(folder: Path, text: str) -> str:
    """A source that is given relative to a folder, as a path for any current folder; names of modules do not change."""
    placed = str(folder / text)
    return text if names_function(placed) and not text.rpartition(":")[0].endswith(".py") else placed


def _paths(text: str) -> list[Path]:
    path = Path(text)
    mode = _mode(path) if text else 0  # Path("") is the current folder
    if stat.S_ISDIR(mode):
        return sorted((each for each in path.rglob("*") if stat.S_ISREG(_mode(each))), key=_natural)
    if stat.S_ISREG(mode):
        return _listed(path) if path.suffix.lower() == ".txt" else [path]
    if mode:
        message = f"{text}: is a pipe or a device, expected a file or folder: save what it gives as a .txt file"
        raise DataError(message)
    if glob.has_magic(text):
        return sorted(_matching(text), key=_natural)
    raise DataError(no_such_file(text or "an empty text", "file or folder (nor module:function)"))


def _matching(pattern: str) -> list[Path]:
    # Path.glob would take relative patterns only.
    found = [Path(each) for each in glob.glob(pattern, recursive=True)]  # noqa: PTH207
    if files := [each for each in found if stat.S_ISREG(_mode(each))]:
        return files
    message = f"{pattern}: no file matches"
    raise DataError(message)


def _listed(path: Path) -> list[Path]:
    """The files that a list file names, one per line, relative to the list file."""
    try:
        text = read_user_text(path, _MOST_LIST, "utf-8-sig")  # Windows editors put a mark in front
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise DataError(message) from None
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [_listed_file(path, number, line) for number, line in numbered if line and not line.startswith("#")]


def _listed_file(path: Path, number: int, line: str) -> Path:
    found = path.parent / line
    if not stat.S_ISREG(_mode(found)):
        labelled = stat.S_ISREG(_mode(path.parent / line.partition(" ")[0]))
        hint = "; write the path alone, without a label" if labelled else ""
        message = f"{path}: line {number}: there is no file {shortened(str(found), _MOST_QUOTED)}{hint}"
        raise DataError(message)
    if found.suffix.lower() not in _SUFFIXES:
        message = f"{path}: line {number}: {found} is not a sample: expected {', '.join(_SUFFIXES)} files"
        raise DataError(message)
    return found


def _mode(path: Path) -> int:
    """The mode of a file or folder, 0 if there is none; unlike `Path.is_file`, this accepts names that are too long."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _natural(path: Path) -> tuple[list[list[tuple[str, int]]], str]:
    """A sort key that compares runs of digits as numbers; equal numbers, e.g. 01 and 1, are ordered by spelling."""
    return [[(text, int(digits or 0)) for text, digits in _RUNS.findall(part)] for part in path.parts], str(path)


def _like(path: Path) -> str:
    """A glob for the files beside `path` with the same suffix."""
    return str(Path(glob.escape(str(path.parent))) / f"*{path.suffix}")
