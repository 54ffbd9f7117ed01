"""What shows that a model is quantized already, and which narrow constants are data of a float model."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as op
import pytest
from onnx import TensorProto, helper, numpy_helper

from irquant.ir import Graph, UserError
from irquant.passes import Config, explain, find_quantized, load_model, plan_measurement, quantize_graph
from irquant.passes.runtime import from_runtime
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (1, 3, 8, 8)).astype(np.uint8)
KERNEL = RNG.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8)
MATRIX = RNG.integers(-127, 127, (16, 8)).astype(np.int8)


def floats(array: Array) -> Any:
    return op.convert(op.constant(array), "f32")


def scaled(array: Array) -> Any:
    return op.multiply(floats(array), np.float32(0.01))


def layer(data: Any, weights: Any) -> Any:
    return op.convolution(data, weights, *[[1, 1]] * 4, name="conv")


def network(case: str) -> ov.Model:
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    plain = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    made = {
        "mean picture": lambda: layer(op.divide(op.subtract(x, floats(PICTURE)), np.float32(58)), plain),
        "mask": lambda: op.multiply(layer(x, plain), floats(PICTURE[:, :1])),
        "scaled picture joined": lambda: layer(op.concat([x, scaled(PICTURE)], 1), plain.repeat(2, 1)),
        "kernel of integers": lambda: layer(x, floats(KERNEL)),
        "graph of a node": lambda: op.matmul(
            scaled(PICTURE[0, 0]), op.reshape(layer(x, plain), np.array([8, 32]), False), False, False
        ),
        "bias": lambda: op.add(layer(x, plain), scaled(KERNEL[:, :1, 0, 0].reshape(1, 4, 1, 1))),
        "palette": lambda: op.gather(scaled(PICTURE[0, 0]), op.convert(layer(x, plain), "i32"), np.int64(1)),
        "weights": lambda: layer(x, scaled(KERNEL)),
        "moved weights": lambda: layer(x, op.transpose(scaled(KERNEL.transpose(1, 0, 2, 3)), [1, 0, 2, 3])),
        "centred weights": lambda: layer(x, op.subtract(floats(KERNEL), np.float32(3))),
        "table": lambda: op.gather(scaled(MATRIX), op.convert(layer(x, plain), "i32"), np.int64(0)),
    }[case]()
    return ov.Model([op.result(made)], [x], case)


@pytest.mark.parametrize(
    ("case", "sign"),
    [
        ("mean picture", ""),
        ("mask", ""),
        ("scaled picture joined", ""),
        ("kernel of integers", ""),
        ("graph of a node", ""),
        ("bias", ""),
        ("palette", ""),
        ("weights", "Const"),
        ("moved weights", "Const"),
        ("centred weights", "Const"),
        ("table", "Const"),
    ],
)
def test_integers_are_a_sign_where_a_layer_takes_them_as_weights(case: str, sign: str) -> None:
    assert find_quantized(from_runtime(network(case))).partition(" ")[0] == sign


@pytest.mark.parametrize("case", ["mean picture", "mask", "kernel of integers"])
def test_a_float_model_with_such_constants_is_quantized(case: str) -> None:
    data = [RNG.integers(0, 255, (1, 3, 8, 8)).astype(np.float32) for _ in range(4)]
    _, report = quantize_graph(from_runtime(network(case)), data, load_target("cpu"), Config())
    assert [layer.is_int8 for layer in report.layers] == [True]


# ---------------------------------------------------------------------------- what the converter makes of ONNX's integers

SCALES = {"s": np.float32(0.1), "z": np.uint8(3), "ws": np.float32(0.01), "wz": np.int8(0)}
ROUND, SCALE = ("DynamicQuantizeLinear", "x", "q s z"), ("Mul", "f s", "y")
FLOAT = ("Cast", "i", "f")
NODES = {
    "ConvInteger": [ROUND, ("ConvInteger", "q w z", "i"), FLOAT, SCALE],
    "MatMulInteger": [ROUND, ("MatMulInteger", "q w z", "i"), FLOAT, SCALE],
    "MatMulInteger, zero point": [ROUND, ("MatMulInteger", "q w z wz", "i"), FLOAT, SCALE],
    "QLinearConv": [
        ("QuantizeLinear", "x s z", "q"),
        ("QLinearConv", "q s z w ws wz s z", "r"),
        ("DequantizeLinear", "r s z", "y"),
    ],
    "QLinearMatMul": [
        ("QuantizeLinear", "x s z", "q"),
        ("QLinearMatMul", "q s z w ws wz s z", "r"),
        ("DequantizeLinear", "r s z", "y"),
    ],
    "QDQ": [
        ("QuantizeLinear", "x s z", "q"),
        ("DequantizeLinear", "q s z", "d"),
        ("DequantizeLinear", "w ws wz", "e"),
        ("Conv", "d e", "y"),
    ],
    "only weights": [("DequantizeLinear", "w ws wz", "e"), ("Conv", "x e", "y")],
}


def onnx_file(case: str, folder: Path) -> Path:
    weights = MATRIX if "MatMul" in case else KERNEL
    shape = [2, 16] if "MatMul" in case else [1, 3, 8, 8]
    nodes = [
        helper.make_node(kind, reads.split(), gives.split(), **({"to": TensorProto.FLOAT} if kind == "Cast" else {}))
        for kind, reads, gives in NODES[case]
    ]
    given = {name for node in nodes for name in node.output}
    constants = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in {"w": weights, **SCALES}.items()
        if name not in given
    ]
    tensor = helper.make_tensor_value_info
    inputs, outputs = tensor("x", TensorProto.FLOAT, shape), tensor("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [inputs], [outputs], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("case", NODES)
def test_models_of_integers_are_refused_by_all_commands_alike(case: str, tmp_path: Path) -> None:
    graph, target = load_model(onnx_file(case, tmp_path)), load_target("cpu")
    data = [np.zeros(graph.in_file_order("Parameter")[0].output().shape, np.float32)]
    said: set[str] = set()
    for command in (
        lambda: quantize_graph(graph, data, target, Config()),
        lambda: plan_measurement(graph, target, Config()),
        lambda: explain(graph, target, Config()),
    ):
        with pytest.raises(UserError, match=r"^the model is quantized already: it holds ") as caught:
            command()
        said.add(str(caught.value))
    (message,) = said
    if "Integer" in case:
        assert f"it holds {'MatMul' if 'MatMul' in case else 'Convolution'} 'i' (id " in message
        assert message.endswith("), which multiplies integers; give the float model it was made from")


def test_a_product_of_indices_is_no_sign() -> None:
    ids = op.parameter([2, 3], np.int64, name="ids")
    product = op.matmul(ids, op.constant(np.ones((3, 2), np.int64)), False, False)
    graph: Graph = from_runtime(ov.Model([op.result(product)], [ids], "m"))
    assert find_quantized(graph) == ""


def test_a_dry_run_says_that_there_is_nothing_to_quantize() -> None:
    x = op.parameter([1, 4], np.float32, name="x")
    graph = from_runtime(ov.Model([op.result(op.relu(x))], [x], "m"))
    with pytest.raises(UserError) as caught:
        plan_measurement(graph, load_target("cpu"), Config())
    assert str(caught.value) == "nothing to quantize: target 'cpu' can run no layer of the model in int8"
