"""Where calibration samples come from on the command line.

A source is iterated lazily, afresh each time: nothing is decoded before it is asked for, so that data larger than
memory calibrate in constant memory. Whether a sample fits the model is checked when it is run, not here.
"""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from irquant.passes.samples import DataError, ModelInput, Sample
from irquant.tools.array_source import ARRAY_SUFFIXES, ArraySource
from irquant.tools.function_source import FunctionSource
from irquant.tools.image_source import IMAGE_SUFFIXES, ImageOptions, ImageSource


def open_source(text: str, inputs: Sequence[ModelInput], options: ImageOptions) -> Iterable[Sample]:
    """The samples that `text` names; `len()` or `operator.length_hint` tells how many where that is known.

    Args:
        text: A folder, a glob, a file, a .txt list of files, or `module:function`.
        inputs: What the model takes.
        options: How pictures become arrays.

    Raises:
        DataError: there is no such thing, or it holds nothing that can be read.
    """
    if _names_function(text):
        return FunctionSource(text)
    paths = _paths(text)
    arrays = [path for path in paths if path.suffix.lower() in ARRAY_SUFFIXES]
    images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    if arrays and images:
        message = f"{text}: holds both pictures and arrays; say which with a glob, e.g. '{Path(text) / '*.npz'}'"
        raise DataError(message)
    if arrays:
        return ArraySource(tuple(arrays), tuple(inputs))
    if images:
        return ImageSource(tuple(images), tuple(inputs), options)
    message = f"{text}: no samples: expected {', '.join((*ARRAY_SUFFIXES, *IMAGE_SUFFIXES))} files"
    raise DataError(message)


def _names_function(text: str) -> bool:
    """Whether `text` is module:function; a drive letter is no module."""
    before, colon, after = text.rpartition(":")
    return bool(colon) and len(before) > 1 and after.isidentifier() and not Path(text).exists()


def _paths(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    if path.suffix.lower() == ".txt":
        return _listed(path)
    if path.is_file():
        return [path]
    if glob.has_magic(text):
        # Not Path.glob, which takes relative patterns only.
        if found := sorted(Path(each) for each in glob.glob(text, recursive=True) if Path(each).is_file()):  # noqa: PTH207
            return found
        message = f"{text}: no file matches"
        raise DataError(message)
    message = f"{text}: no such file or folder (nor module:function)"
    raise DataError(message)


def _listed(path: Path) -> list[Path]:
    """The files that a list names, one a line, relative to the list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {error}"
        raise DataError(message) from None
    found: list[Path] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        each = path.parent / line.strip()
        if not each.is_file():
            message = f"{path}: line {number}: there is no file {each}"
            raise DataError(message)
        found.append(each)
    return found
