"""Loads a model from a file: an IR unchanged, other formats through the runtime's own converter.

The converter also folds constants and batch normalization, and makes biases recognisable. If the same file is read in
another way, it loses more accuracy in 8 bits.
"""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from ...ir import Graph, IRError, UserError, printable, read_model
from ...ir.suggestions import did_you_mean
from ...ir.user_files import no_such_file, open_user_file
from ...ir.verify import verify_meaning
from ...ir.weights import open_weights
from .convert import convert, from_runtime
from .core import Extension, RuntimeRejectedError

#: The formats that the converter takes besides a folder with a TensorFlow SavedModel -> their names.
FORMATS = {
    ".onnx": "ONNX",
    ".pb": "a frozen TensorFlow graph",
    ".pbtxt": "a frozen TensorFlow graph as text",
    ".meta": "a TensorFlow checkpoint",
    ".tflite": "TensorFlow Lite",
    ".pdmodel": "PaddlePaddle",
}
#: Formats whose models need code besides weights.
_ELSEWHERE = (".pt", ".pth", ".ckpt", ".pkl", ".h5", ".keras", ".safetensors")
#: The start of a StringStringEntryProto with that key, up to the length of its value.
_LOCATION = re.compile(rb"\n\x08location\x12([\x00-\x7f])")
#: The most models of a folder that a message names.
_NAMED = 3
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
#: The name in messages of the files that a model's file names.
_WEIGHTS = "the model's weights"


class UnknownFormatError(UserError):
    """The file holds no model that can be read."""


def load_model(path: Path | str, weights: Path | str | None = None, extensions: Sequence[Extension] = ()) -> Graph:
    """Reads an IR, or converts a model of another format.

    Args:
        path: An .xml with its .bin; .onnx, .pb, .pbtxt, .meta, .tflite or .pdmodel; or the folder of a SavedModel.
        weights: The .bin of an .xml; default: the one next to it.
        extensions: Extensions that define the model's operations for the runtime.

    Returns:
        The graph; nothing was folded or simplified.

    Raises:
        UserError: the model cannot be read or converted.
    """
    if not isinstance(cast(object, path), (str, os.PathLike)):
        message = f"the model is {type(path).__name__}, expected the path of a model"
        raise UnknownFormatError(message)
    path = Path(path)
    refuse_other_formats(path)
    if path.suffix.lower() not in FORMATS and not path.is_dir():
        graph = _read_ir(path, weights)
        graph.extensions = tuple(extensions)
        _refuse_meaningless(graph, path)
        return graph
    if weights is not None:
        message = f"{path}: only an .xml has its weights in another file, but {weights} is given, too"
        raise UnknownFormatError(message)
    if not path.exists():
        raise UnknownFormatError(no_such_file(path))
    if not path.is_dir():
        _refuse_unreadable(path)
    try:
        return from_runtime(convert(path, extensions), extensions)
    except RuntimeRejectedError:
        _refuse_missing_weights(path)
        raise


def _refuse_missing_weights(path: Path) -> None:
    """Says it if files with weights of a model are missing that cannot be converted."""
    missing = next((each for what, each in model_files(path) if what == _WEIGHTS and not each.exists()), None)
    if missing:
        message = f"{path}: its weights are missing: there is no file {missing}"
        raise UnknownFormatError(message) from None


def _read_ir(path: Path, weights: Path | str | None) -> Graph:
    try:
        return read_model(path, weights)
    except IRError:
        if path.suffix.lower() == ".xml" or not path.is_file() or _begins(path, b"<"):
            raise
        message = (
            f"{path}: no model of a known format; there are: .xml, {', '.join(FORMATS)}, and folders of SavedModels"
        )
        raise UnknownFormatError(message) from None


def _begins(path: Path, start: bytes) -> bool:
    try:
        with open_user_file(path) as file:
            return file.peek(1).lstrip().startswith(start)
    except OSError:
        return True  # what is wrong with the file was said


def refuse_other_formats(path: Path) -> None:
    """Refuses a path that is no model of a known format, as far as its name and the names in a folder tell.

    Raises:
        UnknownFormatError: it is none.
    """
    if path.suffix.lower() in _ELSEWHERE:
        message = f"{path}: convert it first, by openvino.convert_model or to .onnx, with the code of the network"
        raise UnknownFormatError(message)
    if path.name in _SAVED_MODEL and (path.parent / "variables").is_dir():
        message = f"{path}: holds no weights: give the folder of the SavedModel, {path.parent}"
        raise UnknownFormatError(message)
    if path.suffix.lower() == ".bin":
        message = f"{path}: holds weights only: give the model that reads them, {path.with_suffix('.xml')}"
        raise UnknownFormatError(message)
    if path.is_dir() and not is_saved_model(path):
        problem = f"{path}: a folder without {' or '.join(_SAVED_MODEL)}: no TensorFlow SavedModel"
        models = _models_in(path)
        only, several = (models, "") if len(models) == 1 else ([], f"it holds {', '.join(models[:_NAMED])}")
        message = did_you_mean(problem, str(path / only[0]) if only else "", several if models else "")
        raise UnknownFormatError(message)


def _models_in(folder: Path) -> list[str]:
    """The names of the models in a folder: those of .xml files, or else of files in other formats."""
    names = sorted(each.name for each in folder.iterdir())
    irs, others = ([name for name in names if Path(name).suffix.lower() in each] for each in ((".xml",), FORMATS))
    return irs or others


def is_saved_model(folder: Path) -> bool:
    """Whether a folder is a TensorFlow SavedModel."""
    return any((folder / name).is_file() for name in _SAVED_MODEL)


def _refuse_meaningless(graph: Graph, path: Path) -> None:
    """Refuses an IR that can be read, but not be meant, before passes rely on it."""
    try:
        verify_meaning(graph)
    except IRError as error:
        message = f"{path}: {printable(str(error))}"
        raise IRError(message) from None


def _refuse_unreadable(path: Path) -> None:
    """Refuses files for which the converter would wait."""
    try:
        open_user_file(path).close()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UnknownFormatError(message) from None


def model_files(path: Path, weights: Path | None = None) -> Iterator[tuple[str, Path]]:
    """The files that `load_model` reads, with their names in messages."""
    if path.is_dir():
        yield from (("the model", each) for each in path.rglob("*"))
        return
    yield "the model", path
    if path.suffix.lower() == ".onnx":
        yield from ((_WEIGHTS, each) for each in _external_tensors(path))
    elif path.suffix.lower() == ".pdmodel":
        yield _WEIGHTS, path.with_suffix(".pdiparams")
    elif path.suffix.lower() == ".meta":
        yield from ((_WEIGHTS, each) for each in path.parent.glob(f"{glob.escape(path.stem)}.*"))
    elif path.suffix.lower() not in FORMATS:
        yield _WEIGHTS, weights or path.with_suffix(".bin")


def _external_tensors(path: Path) -> Iterator[Path]:
    """The files that hold tensors of an .onnx: the `location` of its TensorProto.external_data."""
    try:
        content = open_weights(path).data
    except OSError:  # reading the model reports the error
        return
    found = {content[each.end() : each.end() + each[1][0]].tobytes() for each in _LOCATION.finditer(content.data)}
    yield from (path.parent / each.decode(errors="replace") for each in sorted(found))
