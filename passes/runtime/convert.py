"""Converts models: from other formats, and between graphs and the runtime's own models."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import openvino as ov
from openvino.frontend import FrontEndManager

from ...ir import Graph, read_model, write_model
from ...ir.atomic_write import written_together
from ...ir.stage import STAGE
from ...ir.weights import Weights
from .core import Extension, RuntimeRejectedError, open_core
from .messages import HOW_TO_EXTEND, first_line, is_about_unknown_operations, sizes_hint

#: Formats whose files can be told from others without a word -> their front ends, and their names in messages.
_RECOGNISED = {".onnx": ("onnx", "ONNX"), ".tflite": ("tflite", "TensorFlow Lite")}
#: The runtime's own model type.
RuntimeModel: TypeAlias = ov.Model


def is_runtime_model(given: object) -> bool:
    """Whether something is an `openvino.Model`; a compiled model is none."""
    return isinstance(given, cast(type, ov.Model))


def convert(path: Path, extensions: Sequence[Extension] = ()) -> RuntimeModel:
    """Converts a model of another format as `ovc` does.

    Raises:
        RuntimeRejectedError: the model cannot be converted.
    """
    try:
        with STAGE.at(f"converting {path}"):
            _refuse_other_content(path)
            model: RuntimeModel = cast(Any, ov).convert_model(path, extension=[*extensions] or None)
    except RuntimeRejectedError:
        raise
    except Exception as error:  # the converter may raise anything
        reason = first_line(error)
        is_extensible = is_about_unknown_operations(reason) and not extensions
        hint = f"; they may need an extension: {HOW_TO_EXTEND}" if is_extensible else _sizes(path, extensions)
        message = f"{path}: the runtime cannot convert it: {reason}{hint}"
        raise RuntimeRejectedError(message) from error
    return model


def _sizes(path: Path, extensions: Sequence[Extension]) -> str:
    """A hint about dynamic sizes, if the runtime can read the model, and so only fails to transform it."""
    try:
        with STAGE.at(f"reading {path}"):
            model: RuntimeModel = open_core(extensions).read_model(path)
            inputs = [each for each in model.get_parameters() if each.get_partial_shape().is_dynamic]
            return sizes_hint([each.get_friendly_name() for each in inputs])
    except Exception:  # the runtime may raise anything, and this is only a hint
        return ""


def _refuse_other_content(path: Path) -> None:
    """Refuses an .onnx or .tflite that is none: the runtime would print that it is no TensorFlow graph either.

    Raises:
        RuntimeRejectedError: it is none.
    """
    if path.suffix.lower() not in _RECOGNISED:
        return
    manager = cast(Any, FrontEndManager())
    if not any(manager.load_by_framework(each).supported(str(path)) for each, _ in _RECOGNISED.values()):
        name = _RECOGNISED[path.suffix.lower()][1]
        message = f"{path}: the runtime cannot convert it: it is no {name} model, or a damaged one"
        raise RuntimeRejectedError(message)


def from_runtime(model: RuntimeModel, extensions: Sequence[Extension] = ()) -> Graph:
    """The graph of an `openvino.Model`, which is not changed. The model does not know the extensions of its core."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.serialize(model, path, path.with_suffix(".bin"))
        graph = read_model(path)
    weights = Weights(None, graph.weights.data)  # they stay mapped after the file is deleted
    for each in graph.walk():
        each.weights = weights
    graph.extensions = tuple(extensions)
    return graph


def to_runtime(graph: Graph) -> RuntimeModel:
    """A new `openvino.Model` with memory of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        with written_together():  # written now, not at the end of the run
            write_model(graph, path, compact=True)
        core = open_core(graph.extensions)
        core.set_property({"ENABLE_MMAP": False})
        model: RuntimeModel = core.read_model(path)
        return model
