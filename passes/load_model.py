"""A model from a file: an IR as it stands, other formats through the runtime's own converter.

The converter cleans up on its way: constants and batch normalization are folded, biases are recognisable. Read in any
other way, the same file loses more accuracy in 8 bits.
"""

from pathlib import Path

from ..ir import Graph, UserError, read_model
from .runtime import convert, from_runtime

#: What the converter takes besides a folder with a TensorFlow SavedModel, and what that is called.
FORMATS = {
    ".onnx": "ONNX",
    ".pb": "a frozen TensorFlow graph",
    ".pbtxt": "a frozen TensorFlow graph as text",
    ".meta": "a TensorFlow checkpoint",
    ".tflite": "TensorFlow Lite",
    ".pdmodel": "PaddlePaddle",
}
#: Formats whose models are code and weights.
_ELSEWHERE = (".pt", ".pth", ".h5", ".keras", ".safetensors")
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


class UnknownFormatError(UserError):
    """The file holds no model that can be read."""


def load_model(path: Path | str, weights: Path | str | None = None) -> Graph:
    """Reads an IR, or converts a model of another format.

    Args:
        path: An .xml with its .bin; .onnx, .pb, .pbtxt, .meta, .tflite or .pdmodel; or the folder of a SavedModel.
        weights: Of an .xml: its .bin; default: the one next to it.

    Raises:
        UserError: it cannot be read or converted.
    """
    path = Path(path)
    if path.suffix.lower() in _ELSEWHERE:
        message = f"{path}: convert it to .onnx, or with openvino.convert_model, first: that needs its code"
        raise UnknownFormatError(message)
    if path.suffix.lower() not in FORMATS and not path.is_dir():
        return read_model(path, weights)
    if weights is not None:
        message = f"{path}: only an .xml has its weights in another file, but {weights} is given, too"
        raise UnknownFormatError(message)
    if path.is_dir() and not any((path / name).is_file() for name in _SAVED_MODEL):
        message = f"{path}: a folder without {' or '.join(_SAVED_MODEL)}: no TensorFlow SavedModel"
        raise UnknownFormatError(message)
    if not path.exists():
        message = f"{path}: no such file"
        raise UnknownFormatError(message)
    return from_runtime(convert(path))


def result_path(path: Path, name: str | None = None) -> Path:
    """Where the quantized form of a model goes if nobody says: beside it."""
    return path.with_name(f"{name or path.stem}_int8.xml")
