"""Layers of float data with compressed weights, in the forms that irquant and other tools write."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context
from irquant.passes.analysis.already_quantized import AlreadyQuantizedError, find_quantized, refuse_quantized
from irquant.passes.analysis.compressed_weights import compressed_weights
from irquant.passes.transforms.quantize_weights_only import QuantizeWeightsOnly
from irquant.targets import load_target
from tests.passes.weight_only_models import language_model, weights

Read = Callable[[ov.Model], Graph]


def product(make: Callable[[Any], Any], dtype: Any = np.int8) -> ov.Model:
    """A product of data with what is made of codes, i8[16,16]."""
    x = op.parameter([2, 16], np.float32, name="x")
    codes = op.constant(np.random.default_rng(0).integers(0, 9, (16, 16)).astype(dtype))
    return ov.Model([op.result(op.matmul(x, make(codes), False, True, name="product"))], [x])


def scaled(codes: Any) -> Any:
    return op.multiply(op.convert(codes, "f32"), np.float32(0.1))


@pytest.mark.parametrize("bits", ["int8", "int4", "nf4"])
@pytest.mark.parametrize("group", [0, 16])
def test_what_irquant_compresses_is_found(graph_of: Read, bits: Any, group: int) -> None:
    graph = graph_of(language_model())
    context = Context(load_target("cpu"))
    QuantizeWeightsOnly(bits, group if bits != "int8" else 0, all_layers=True).run(graph, context)
    found = {each.layer.name: each.kind for each in compressed_weights(graph)}
    assert found == {each.name: each.kind for each in context.compressed}
    assert len(found) == 6
    constants = {constant for each in compressed_weights(graph) for constant in each.constants}
    assert find_quantized(graph) in constants
    assert find_quantized(graph, constants) is None


@pytest.mark.parametrize(
    "make",
    [
        scaled,
        lambda codes: op.multiply(op.subtract(op.convert(codes, "f32"), np.float32(4)), np.float32(0.1)),
        lambda codes: op.convert(op.multiply(op.convert(codes, "f16"), np.float16(0.1)), "f32"),
        lambda codes: op.transpose(op.reshape(scaled(codes), np.array([16, 16]), False), np.array([1, 0])),
    ],
)
def test_forms_of_other_tools_are_found(graph_of: Read, make: Callable[[Any], Any]) -> None:
    (found,) = compressed_weights(graph_of(product(make)))
    assert (found.layer.name, found.kind, len(found.constants)) == ("product", "i8", 1)
    assert found.reason == "its weights are compressed (i8) and stay as they are"


def test_integer_zero_points_belong_to_the_weights(graph_of: Read) -> None:
    zero = op.convert(op.constant(np.full((16, 1), 4, np.uint8)), "f32")
    graph = graph_of(
        product(lambda codes: op.multiply(op.subtract(op.convert(codes, "f32"), zero), np.float32(0.1)), np.uint8)
    )
    (found,) = compressed_weights(graph)
    assert [each.output().shape for each in found.constants] == [(16, 16), (16, 1)]


@pytest.mark.parametrize(
    "make",
    [
        lambda codes: op.convert(codes, "f32"),  # integers, but no scale
        lambda codes: op.constant(weights(0, 16, 16)),
        lambda codes: op.multiply(op.constant(weights(0, 16, 16)), np.float32(0.1)),
    ],
)
def test_other_weights_are_not_compressed(graph_of: Read, make: Callable[[Any], Any]) -> None:
    assert compressed_weights(graph_of(product(make))) == []


def test_a_product_of_activations_is_not_compressed(graph_of: Read) -> None:
    x = op.parameter([16, 16], np.float32)
    model = ov.Model([op.result(op.matmul(x, op.multiply(op.relu(x), np.float32(2)), False, True))], [x])
    assert compressed_weights(graph_of(model)) == []


def test_int8_layers_are_not_weight_only(graph_of: Read) -> None:
    x = op.parameter([2, 16], np.float32, name="x")
    limits = [np.float32(each) for each in (0, 1, 0, 1)]
    rounded = op.fake_quantize(x, *limits, 256)
    codes = op.constant(np.ones((16, 16), np.int8))
    graph = graph_of(ov.Model([op.result(op.matmul(rounded, scaled(codes), False, True))], [x]))
    assert compressed_weights(graph) == []
    with pytest.raises(AlreadyQuantizedError, match=r"^the model is quantized already: it holds FakeQuantize "):
        refuse_quantized(graph, keep_compressed=True)


def test_compressed_weights_are_refused_with_the_remedy(graph_of: Read) -> None:
    graph = graph_of(product(scaled))
    with pytest.raises(AlreadyQuantizedError) as caught:
        refuse_quantized(graph, keep_compressed=False)
    assert str(caught.value) == (
        "the weights of 1 layer are compressed already, for example i8 of MatMul 'product' "
        f"(id {graph.node('product').id}); give the float model they are from, or add "
        "keep_compressed=True to leave such layers as they are"
    )
    refuse_quantized(graph, keep_compressed=True)
    with pytest.raises(AlreadyQuantizedError, match="quantized already: it holds integer weights, Const "):
        refuse_quantized(graph)
