"""The real runtime reads the weights compressed in every format, and computes what the codes mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, read_model, write_model
from irquant.passes import Context
from irquant.passes.analysis.weight_matrices import weight_matrices
from irquant.passes.options.compression import WeightFormat
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import EXACT_ACTIVATIONS
from irquant.passes.transforms.quantize_weights_only import QuantizeWeightsOnly
from irquant.targets import load_target, parse_target
from irquant.targets.target import WeightType
from tests.passes.weight_only_models import Array, language_model, of_convolutions, of_odd_products, sentences, weights

Read = Callable[[ov.Model], Graph]


def compressed(graph: Graph, *options: Any, target: str = "cpu") -> Context:
    context = Context(load_target(target))
    QuantizeWeightsOnly(*options).run(graph, context)
    return context


def outputs(path: Path, samples: list[Array]) -> Array:
    model = ov.Core().compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    )
    return np.concatenate([np.array(model([each])[0]).ravel() for each in samples])


def only(kind: WeightType) -> str:
    """A target that keeps this type."""
    return f"name: one\nspecs: {{}}\nrules: []\nkeeps_compressed:\n  - {{op: [MatMul, Gather], types: {kind}, smallest_group: 4}}\n"


FORMAT: dict[WeightType, WeightFormat] = {"i8": "int8", "u8": "int8", "i4": "int4", "u4": "int4", "nf4": "nf4"}


@pytest.mark.parametrize(
    ("group", "dtype"), [(0, np.float32), pytest.param(4, np.float32, marks=pytest.mark.slow), (32, np.float16)]
)
@pytest.mark.parametrize("kind", FORMAT)
def test_the_runtime_reads_the_codes_and_computes_what_they_mean(
    graph_of: Read, tmp_path: Path, kind: WeightType, group: int, dtype: Any
) -> None:
    graph = graph_of(language_model(dtype=dtype))
    matrices = {each.layers[0].name: each.values() for each in weight_matrices(graph)}
    context = Context(parse_target(only(kind), "one.yaml"))
    group = group if FORMAT[kind] != "int8" else 0  # whose scales are those of rows
    assert QuantizeWeightsOnly(FORMAT[kind], group, all_layers=True).run(graph, context) == 6
    assert {each.kind for each in context.compressed} == {kind}
    write_model(graph, tmp_path / "compressed.xml", compact=True)
    read = [node.reads for node in Engine(tmp_path / "compressed.xml", EXACT_ACTIVATIONS).execution()
            if node.type == "FullyConnected"]  # fmt: skip
    assert [each[1].split()[0] for each in read] == [kind] * 5

    plain = read_model(tmp_path / "model.xml")  # the same numbers as plain floats
    for each in weight_matrices(plain):
        name = each.layers[0].name
        matched = values_of(graph, name)
        assert np.abs(matched - matrices[name]).max() < 0.3 * np.abs(matrices[name]).max()
        constant = plain.add_constant(f"{name}/plain", matched, near=each.layers[0])
        for port in each.readers:
            port.connect(constant.output())
            if port.node.type == "MatMul":
                port.node.set_attribute("transpose_b", "true")
    write_model(plain, tmp_path / "plain.xml")
    expected, found = (outputs(tmp_path / f"{name}.xml", sentences(2)) for name in ("plain", "compressed"))
    np.testing.assert_allclose(found, expected, atol=np.abs(expected).max() * 2e-3)


def values_of(graph: Graph, layer: str) -> Array:
    """The weights that the operations in front of a layer make of its codes, by hand."""
    node = graph.node(layer)
    tensor = node.source(0 if node.type == "Gather" else 1)
    shape = tensor.shape
    while tensor.node.type in ("Convert", "Reshape"):
        tensor = tensor.node.source()
    assert tensor.node.type == "Multiply"
    codes, scale = tensor.node.source(0).node, tensor.node.source(1).node.array.astype(np.float32)
    zero: Any = 0.0
    if codes.type == "Subtract":
        zero = codes.source(1).node.source().node.array.astype(np.float32)
        codes = codes.source(0).node
    found: Array = ((codes.source().node.array.astype(np.float32) - zero) * scale).reshape(shape)
    return found


def test_a_table_and_the_classifier_tied_to_it_are_stored_once(graph_of: Read, tmp_path: Path) -> None:
    graph = graph_of(language_model(tied=True))
    context = compressed(graph, "int8")
    stored = [node for node in graph.nodes("Const") if node.output().element_type.name in ("i8", "u8")]
    assert [node.output().shape for node in stored if len(node.output().shape) == 2 and node.elements > 256].count(
        (50, 64)
    ) == 1
    assert {each.name for each in context.compressed} == {"embedding", "up0", "down0", "up1", "down1", "classifier"}
    write_model(graph, tmp_path / "compressed.xml", compact=True)
    assert (tmp_path / "compressed.bin").stat().st_size < 0.32 * (tmp_path / "model.bin").stat().st_size


def test_a_second_run_changes_nothing(graph_of: Read) -> None:
    graph = graph_of(language_model())
    compressed(graph)
    assert QuantizeWeightsOnly().run(graph, Context(load_target("cpu"))) == 0


def test_the_first_and_the_last_layers_have_8_bits(graph_of: Read) -> None:
    found = {
        each.name: (each.kind[1:], each.reason) for each in compressed(graph_of(language_model()), "int4").compressed
    }
    assert found["up0"] == found["down1"] == ("4", "")
    reason = "it is one of the first or last layers, which have 8 bits (all_layers)"
    assert found["embedding"] == found["classifier"] == ("8", reason)


def test_what_the_device_makes_floats_of_stays_as_it_is(graph_of: Read) -> None:
    graph = graph_of(of_convolutions())
    (layer,) = compressed(graph).compressed
    assert (layer.name, layer.kind) == ("conv", "")
    assert layer.reason == "the plugin makes floats of the weights of a convolution whose data are floats"
    assert not graph.is_edited


def test_products_of_other_forms_stay_as_they_are(graph_of: Read) -> None:
    graph = graph_of(of_odd_products())
    found = {each.name: (each.kind, each.reason) for each in compressed(graph).compressed}
    assert found == {
        "stack": ("", "the plugin makes floats of a stack of matrices"),
        "column": (
            "",
            "the plugin makes floats of weights with a single row or column, or for data that are a single vector",
        ),
        "first": ("", "its constant is the first operand"),
    }
    assert not graph.is_edited


def test_layers_in_bodies_stay_as_they_are(graph_of: Read) -> None:
    choice, x = op.parameter([], np.bool_, name="choice"), op.parameter([2, 16], np.float32, name="x")
    branches = []
    for seed in range(2):
        inside = op.parameter([2, 16], np.float32)
        product = op.matmul(inside, weights(seed, 16, 16), False, True, name=f"branch{seed}")
        branches.append(ov.Model([op.result(product)], [inside], f"b{seed}"))
    either = op.if_op(choice)
    either.set_then_body(branches[0])
    either.set_else_body(branches[1])
    either.set_input(x.output(0), *(each.get_parameters()[0] for each in branches))
    chosen = either.set_output(*(each.get_results()[0] for each in branches))
    outside = op.matmul(chosen, weights(2, 16, 16), False, True, name="outside")
    found = {
        each.name: (each.kind != "", each.reason)
        for each in compressed(graph_of(ov.Model([op.result(outside)], [choice, x]))).compressed
    }
    reason = "it is in the body of a control-flow operation"
    assert found == {"outside": (True, ""), "branch0": (False, reason), "branch1": (False, reason)}


def test_tiny_weights_have_scales_in_f32(graph_of: Read, tmp_path: Path) -> None:
    x = op.parameter([3, 16], np.float32)
    tiny = op.matmul(x, op.constant(weights(0, 8, 16) * np.float32(1e-4)), False, True, name="tiny")
    graph = graph_of(ov.Model([op.result(tiny)], [x]))
    compressed(graph)
    multiply = graph.node("tiny").source(1).node
    assert (multiply.type, multiply.output().element_type.name) == ("Multiply", "f32")
    write_model(graph, tmp_path / "compressed.xml")
    data = [weights(1, 3, 16)]
    expected, found = outputs(tmp_path / "model.xml", data), outputs(tmp_path / "compressed.xml", data)
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize(("bits", "least"), [("int8", 38), ("int4", 18), ("nf4", 18)])
def test_the_error_of_the_weights_is_told(graph_of: Read, bits: str, least: float) -> None:
    for each in compressed(graph_of(language_model()), bits, 32 if bits != "int8" else 0, True).compressed:
        assert each.type == "Gather" or least < -10 * np.log10(each.error) < least + 8
