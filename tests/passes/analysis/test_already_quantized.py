"""What makes a model one that is quantized already, and what does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as op
import pytest
from onnx import TensorProto, helper, numpy_helper

from irquant.ir import Graph
from irquant.passes import QuantizationConfig, explain, load_model
from irquant.passes.analysis.already_quantized import AlreadyQuantizedError, find_quantized
from irquant.passes.dry_run import plan_measurement
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target

RNG = np.random.default_rng(0)


def layer(x: Any, weights: Any) -> Any:
    return op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1])


def floats(*shape: int) -> Any:
    return op.constant(RNG.normal(size=shape).astype(np.float32))


def narrow(*shape: int, kind: Any = np.uint8) -> Any:
    return op.convert(op.constant(RNG.integers(0, 100, shape).astype(kind)), "f32")


def background(x: Any) -> Any:
    return layer(op.divide(op.subtract(x, narrow(1, 3, 8, 8)), op.constant(np.float32(58))), floats(4, 3, 3, 3))


def mask(x: Any) -> Any:
    return layer(op.multiply(layer(x, floats(4, 3, 3, 3)), narrow(1, 1, 8, 8)), floats(4, 4, 3, 3))


def scaled_weights(x: Any) -> Any:
    scale = op.constant(np.full((4, 1, 1, 1), 0.1, np.float32))
    return layer(x, op.multiply(narrow(4, 3, 3, 3, kind=np.int8), scale))


def plain_weights(x: Any) -> Any:
    return layer(x, narrow(4, 3, 3, 3, kind=np.int8))


def turned_weights(x: Any) -> Any:
    turned = op.transpose(op.multiply(narrow(3, 3, 3, 4), op.constant(np.float32(0.1))), op.constant([3, 2, 0, 1]))
    return layer(x, turned)


def weights_first(x: Any) -> Any:
    return op.matmul(op.multiply(narrow(4, 8, kind=np.int8), op.constant(np.float32(0.1))), x, False, False)


def embedding(x: Any) -> Any:
    table = op.multiply(narrow(10, 8, kind=np.int8), op.constant(np.full((10, 1), 0.1, np.float32)))
    return op.gather(table, op.convert(x, "i32"), op.constant(0))


def graph(build: Any) -> Graph:
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    return from_runtime(ov.Model([build(x)], [x]))


@pytest.mark.parametrize("build", [background, mask])
def test_pictures_and_masks_of_bytes_are_no_weights(build: Any) -> None:
    assert find_quantized(graph(build)) is None
    samples = [RNG.random((1, 3, 8, 8)).astype(np.float32) for _ in range(3)]
    _, report = quantize_graph(graph(build), samples, load_target("cpu"), QuantizationConfig(guard=False))
    assert all(each.is_int8 for each in report.layers)


def looks(build: Any) -> list[Callable[[], object]]:
    return [
        lambda: quantize_graph(graph(build), [], load_target("cpu"), QuantizationConfig()),
        lambda: plan_measurement(graph(build), load_target("cpu"), QuantizationConfig()),
        lambda: explain(graph(build), load_target("cpu"), QuantizationConfig()),
    ]


def test_integer_weights_are_told_by_all_who_look() -> None:
    for look in looks(plain_weights):
        with pytest.raises(AlreadyQuantizedError, match="quantized already: it holds integer weights, Const '"):
            look()


@pytest.mark.parametrize("build", [scaled_weights, turned_weights, weights_first, embedding])
def test_integer_weights_with_scales_are_compressed(build: Any) -> None:
    *quantize, explained = looks(build)
    for look in quantize:
        with pytest.raises(
            AlreadyQuantizedError, match=r"^the weights of 1 layer are compressed already, for example "
        ):
            look()
    explained()


def onnx_model(kind: str) -> onnx.ModelProto:
    weights = numpy_helper.from_array(RNG.integers(-99, 99, (4, 3, 3, 3)).astype(np.int8), "w")
    matrix = numpy_helper.from_array(RNG.integers(-99, 99, (8, 4)).astype(np.int8), "w")
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    zero = numpy_helper.from_array(np.array(0, np.int8), "z")
    if kind == "ConvInteger":
        nodes = [helper.make_node("ConvInteger", ["x", "w"], ["i"]), helper.make_node("Cast", ["i"], ["y"], to=1)]
        given, constants = ("x", TensorProto.INT8, [1, 3, 8, 8]), [weights]
    elif kind == "MatMulInteger":
        nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["i"]), helper.make_node("Cast", ["i"], ["y"], to=1)]
        given, constants = ("x", TensorProto.INT8, [2, 8]), [matrix]
    else:
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z"], ["p"]),
            helper.make_node("DequantizeLinear", ["p", "s", "z"], ["y"]),
        ]
        given, constants = ("x", TensorProto.FLOAT, [1, 3, 8, 8]), [weights, scale, zero]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(*given)], [output], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("kind", ["ConvInteger", "MatMulInteger", "QLinearConv"])
def test_integer_operations_of_onnx_are_quantized_already(tmp_path: Path, kind: str) -> None:
    onnx.save(onnx_model(kind), tmp_path / "m.onnx")
    assert find_quantized(load_model(tmp_path / "m.onnx")) is not None


def test_integers_that_were_never_narrow_are_no_sign() -> None:
    def hashed(x: Any) -> Any:
        return op.matmul(op.convert(x, "i32"), op.constant(np.ones((8, 4), np.int32)), False, False)

    assert find_quantized(graph(hashed)) is None
