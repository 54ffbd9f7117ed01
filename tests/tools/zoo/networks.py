"""Small networks in the formats of other frameworks, written without them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: TensorFlow's number for float32.
_FLOAT = 1
#: TensorFlow's names of the input and the output.
_INPUT, _OUTPUT = "x", "y"


def save_onnx(path: Path, *, tensors: str = "", operation: str = "Relu") -> Path:
    """Two convolutions over x f32[1,3,8,8].

    Args:
        path: The path of the file.
        tensors: The name of another file for the weights; empty: they are in the same.
        operation: The operation between both.
    """
    first, second = _weights()
    weights = {"first": first, "second": second}
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["c"], pads=[1] * 4),
        helper.make_node(operation, ["c"], ["r"], name="middle"),
        helper.make_node("Conv", ["r", "second"], ["y"], pads=[1] * 4),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    others: dict[str, Any] = {"save_as_external_data": bool(tensors), "location": tensors or None, "size_threshold": 64}
    onnx.save(model, path, **others)
    return path


def save_frozen_graph(path: Path) -> Path:
    """The same network as a frozen graph of TensorFlow, over x f32[1,8,8,3]."""
    path.write_bytes(_graph())
    return path


def save_saved_model(folder: Path) -> Path:
    """The same network as a SavedModel of TensorFlow."""
    folder.mkdir(parents=True)
    inputs = _field(1, _entry(_INPUT, _field(1, f"{_INPUT}:0") + _field(2, _FLOAT)))
    outputs = _field(2, _entry(_OUTPUT, _field(1, f"{_OUTPUT}:0") + _field(2, _FLOAT)))
    signature = inputs + outputs + _field(3, "tensorflow/serving/predict")
    meta = _field(1, _field(4, "serve")) + _field(2, _graph()) + _field(5, _entry("serving_default", signature))
    (folder / "saved_model.pb").write_bytes(_field(1, 1) + _field(2, meta))
    (folder / "keras_metadata.pb").write_bytes(b"not a model")
    return folder


def _weights() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 3, 3, 3)).astype(np.float32), rng.normal(size=(4, 16, 3, 3)).astype(np.float32)


def _graph() -> bytes:
    """A GraphDef; see tensorflow/core/framework/graph.proto."""
    first, second = (np.ascontiguousarray(each.transpose(2, 3, 1, 0)) for each in _weights())
    kind, shape = _field(6, _FLOAT), _field(7, _shape((1, 8, 8, 3)))
    strides = _field(1, _field(3, 1) * 4)
    convolution = {"T": kind, "strides": strides, "padding": _field(2, "SAME"), "data_format": _field(2, "NHWC")}
    nodes = [
        _node(_INPUT, "Placeholder", (), {"dtype": kind, "shape": shape}),
        _node("first", "Const", (), {"dtype": kind, "value": _field(8, _tensor(first))}),
        _node("second", "Const", (), {"dtype": kind, "value": _field(8, _tensor(second))}),
        _node("c", "Conv2D", (_INPUT, "first"), convolution),
        _node("r", "Relu", ("c",), {"T": kind}),
        _node(_OUTPUT, "Conv2D", ("r", "second"), convolution),
    ]
    return b"".join(_field(1, each) for each in nodes) + _field(4, _field(1, 1395))


def _node(name: str, operation: str, inputs: tuple[str, ...], attributes: Mapping[str, bytes]) -> bytes:
    found = _field(1, name) + _field(2, operation) + b"".join(_field(3, each) for each in inputs)
    return found + b"".join(_field(5, _entry(key, value)) for key, value in attributes.items())


def _tensor(array: Any) -> bytes:
    return _field(1, _FLOAT) + _field(2, _shape(array.shape)) + _field(4, array.tobytes())


def _shape(sizes: tuple[int, ...]) -> bytes:
    return b"".join(_field(2, _field(1, size)) for size in sizes)


def _entry(key: str, value: bytes) -> bytes:
    """An entry of a map."""
    return _field(1, key) + _field(2, value)


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
