"""int8 weights are bit-identical in effect to FakeQuantized ones: on the runtime, and to its own compression."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from openvino._offline_transformations import compress_quantize_weights_transformation

from irquant.ir import read_model, write_model
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.evaluation.verify_execution import executed_layers
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import LATENCY
from irquant.passes.transforms.compress_weights import CompressWeights
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]


def weights(seed: int, *shape: int) -> Array:
    """Weights whose channels differ in range, with values on rounding ties and a channel of zeros."""
    values = np.random.default_rng(seed).normal(size=shape)
    values[0] = np.linspace(-1, 1, values[0].size).reshape(values[0].shape)
    values[0].flat[: values[0].size // 2] = 63.5 / 127
    values[1] *= 30
    if shape[0] > 3:
        values[3] = 0
    return values.astype(np.float32)


def layers(dtype: Any) -> dict[str, Any]:
    """Small models, by the layer that they are about."""

    def made(shape: list[int], make: Any) -> ov.Model:
        x = op.parameter(shape, dtype, name="x")
        return ov.Model([op.result(make(x))], [x])

    def const(seed: int, *shape: int) -> Any:
        return op.constant(weights(seed, *shape).astype(dtype))

    ones, none = [1, 1], [0, 0]
    return {
        "Convolution": made([1, 8, 9, 9], lambda x: op.convolution(x, const(0, 16, 8, 3, 3), ones, ones, ones, ones)),
        "depthwise": made(
            [1, 8, 9, 9], lambda x: op.group_convolution(x, const(1, 8, 1, 1, 3, 3), ones, ones, ones, ones)
        ),
        "grouped": made(
            [1, 8, 9, 9], lambda x: op.group_convolution(x, const(2, 4, 4, 2, 3, 3), ones, none, none, ones)
        ),
        "transposed": made(
            [1, 8, 9, 9], lambda x: op.convolution_backprop_data(x, const(3, 8, 16, 2, 2), [2, 2], dilations=ones)
        ),
        "MatMul": made([4, 32], lambda x: op.matmul(x, const(4, 16, 32), False, True)),
        "MatMul, not transposed": made([4, 32], lambda x: op.matmul(x, const(5, 32, 16), False, False)),
    }


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float16, marks=pytest.mark.slow)], ids=["f32", "f16"])
@pytest.mark.parametrize("layer", layers(np.float32))
def test_both_forms_give_the_same_bits_on_the_runtime(layer: str, dtype: Any, tmp_path: Path) -> None:
    model = layers(dtype)[layer]
    ov.serialize(model, tmp_path / "float.xml", tmp_path / "float.bin")
    shape = list(model.input().shape)
    data = [np.random.default_rng(seed).normal(size=shape).astype(dtype) for seed in range(8)]
    outputs: list[Array] = []
    for compressed in (False, True):
        graph = read_model(tmp_path / "float.xml")
        passes = [each for each in default_quantization() if compressed or not isinstance(each, CompressWeights)]
        PassManager(passes).run(graph, Context(load_target("cpu"), QuantizationConfig(), samples=data))
        path = tmp_path / f"int8_{compressed}.xml"
        write_model(graph, path, compact=True)
        assert [node.is_int8 for node in executed_layers(Engine(path, LATENCY).execution())] == [True]
        compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        outputs.append(np.stack([compiled(sample)[0] for sample in data]))
    assert np.any(outputs[0])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    small, large = ((tmp_path / f"int8_{compressed}.bin").stat().st_size for compressed in (True, False))
    assert small < large


@pytest.mark.slow
@pytest.mark.parametrize("layer", layers(np.float32))
def test_the_codes_are_those_of_the_runtimes_own_compression(layer: str, tmp_path: Path) -> None:
    ov.serialize(layers(np.float32)[layer], tmp_path / "float.xml", tmp_path / "float.bin")
    data = [np.random.default_rng(0).normal(size=list(layers(np.float32)[layer].input().shape)).astype(np.float32)]
    codes: list[Array] = []
    for ours in (True, False):
        graph = read_model(tmp_path / "float.xml")
        passes = [each for each in default_quantization() if ours or not isinstance(each, CompressWeights)]
        PassManager(passes).run(graph, Context(load_target("cpu"), QuantizationConfig(), samples=data))
        path = tmp_path / f"{ours}.xml"
        write_model(graph, path)
        model = ov.Core().read_model(path)
        if not ours:
            compress_quantize_weights_transformation(model)
        constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
        codes += [node.get_data().copy() for node in constants if node.get_element_type() == ov.Type.i8]
    np.testing.assert_array_equal(codes[0].astype(int), codes[1].astype(int))
    assert codes[0].min() >= -127
