"""Models of 16-bit constants become as small as those of 32 bits, and what stays float stays in 16 bits."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text, read_model
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.store_halves import StoreHalves
from irquant.targets import load_target
from tests.passes.beside_data import beside_data

RNG = np.random.default_rng(0)
WORDS, WIDTH = 200, 32
SAMPLES = [RNG.integers(0, WORDS, (1, 6)) for _ in range(4)]


def language_model(*, is_tied: bool = False) -> ov.Model:
    def const(*shape: int) -> Any:
        return op.constant((RNG.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32))

    ids, table = op.parameter([1, 6], np.int64, name="ids"), const(WORDS, WIDTH)
    y = op.relu(op.matmul(op.gather(table, ids, op.constant(0)), const(WIDTH, WIDTH), False, True))
    head = op.matmul(y, table if is_tied else const(WORDS, WIDTH), False, True)
    head.set_friendly_name("head")
    return ov.Model([head], [ids])


def size(path: Path) -> int:
    return path.with_suffix(".bin").stat().st_size


@pytest.mark.parametrize("is_tied", [False, True])
def test_the_result_is_as_small_as_that_of_floats_of_32_bits(tmp_path: Path, is_tied: bool) -> None:
    model, found = language_model(is_tied=is_tied), list[int]()
    for is_half in (False, True):
        ov.save_model(model, tmp_path / "m.xml", compress_to_fp16=is_half)
        found.append(size(quantize(tmp_path / "m.xml", SAMPLES, config=QuantizationConfig(guard=False))))
    assert found[1] <= found[0]


def test_what_stays_float_takes_no_more_than_it_did(tmp_path: Path) -> None:
    ov.save_model(language_model(), tmp_path / "m.xml")
    path = quantize(tmp_path / "m.xml", SAMPLES, ignored=["head"], config=QuantizationConfig(guard=False))
    kinds = {node.name: node.output().element_type.name for node in read_model(path).in_file_order("Const")}
    assert kinds["head/weights/half"] == "f16"
    assert size(path) < size(tmp_path / "m.xml")
    float_model, int8_model = (ov.compile_model(each, "CPU") for each in (tmp_path / "m.xml", path))
    assert np.allclose(float_model(SAMPLES[0])[0], int8_model(SAMPLES[0])[0], atol=0.2)


def test_the_device_is_asked_with_weights_of_bf16(tmp_path: Path) -> None:
    """They are new arrays, of a type that numpy does not know; one of them is too small for f16.

    The layers have unlike sizes: of up to 32 by 32 and with few rows a thread, the plugin would compute one in int8 and
    one in bf16 wrongly (2 to 6 dB).
    """
    x = op.parameter([1, 16], np.float32, name="x")
    weights = [RNG.normal(size=(outputs, 16)).astype(np.float32) for outputs in (16, 24)]
    for each in weights:
        each[0, 0] = 2.0**-100
    first, second = (op.convert(op.constant(each, ov.Type.bf16), "f32") for each in weights)
    head = op.matmul(op.relu(op.matmul(x, first, False, True)), second, False, True)
    head.set_friendly_name("head")
    ov.serialize(ov.Model([head], [x]), tmp_path / "m.xml")
    reports: list[Report] = []
    samples = [RNG.normal(size=(1, 16)).astype(np.float32) for _ in range(12)]
    path = quantize(tmp_path / "m.xml", samples, ignored=["head"], report=reports.append)
    kinds = {node.name: node.output().element_type.name for node in read_model(path).in_file_order("Const")}
    assert kinds["head/weights/half"] == "bf16"
    assert (beside_data(reports[0]), reports[0].check.asked and reports[0].check.asked.wrong) == ((), "")


def test_only_what_came_in_16_bits_and_is_as_it_was_is_stored_so() -> None:
    graph = from_text("x: f32[1,16] = Parameter()\ny: f32[1,16] = ReLU(x)\nr = Result(y)")
    constant = graph.add_constant("w", np.ones((16, 16), np.float32))
    kind = (graph.node("y").output().element_type, (1, 16))
    product = graph.add("MatMul", "z", [graph.node("y").output(), constant.output()], [kind])
    graph.add("Result", "q", [product.output()], [])
    context = Context(load_target("cpu"))
    assert StoreHalves().run(graph, context) == 0
    context.halves.add(((), graph.node("w").id))
    assert StoreHalves().run(graph, context) == 1
    assert StoreHalves().run(graph, context) == 0


@pytest.mark.parametrize(("value", "kind"), [(0.5, "f16"), (2.0**-100, "bf16"), (0.1, "f32")])
def test_values_go_into_the_type_of_16_bits_that_holds_them(value: float, kind: str) -> None:
    graph = from_text("x: f32[16,16] = Parameter()\nr = Result(x)")
    constant = graph.add_constant("w", np.full((16, 16), value, np.float32))
    result = graph.add("Result", "q", [constant.output()], [])
    context = Context(load_target("cpu"))
    context.halves.add(((), constant.id))
    assert StoreHalves().run(graph, context) == (kind != "f32")
    source = result.source().node
    assert (source if kind == "f32" else source.source().node).output().element_type.name == kind


def test_what_a_pass_changed_stays_in_32_bits(tmp_path: Path) -> None:
    ov.save_model(language_model(), tmp_path / "m.xml")
    graph, context = read_model(tmp_path / "m.xml"), Context(load_target("cpu"))
    Normalize().run(graph, context)
    assert len(context.halves) == 3
    constant = next(node for node in graph.nodes("Const") if node.name == "head/weights")
    constant.set_array(constant.array * np.float32(1 / 3))
    assert StoreHalves().run(graph, context) == 2
    assert graph.node("head/weights").output().element_type.name == "f32"


def test_a_table_that_is_read_in_float_as_well_is_stored_once(tmp_path: Path) -> None:
    ids = op.parameter([1, 6], np.int64, name="ids")
    table = op.constant(RNG.normal(size=(WORDS, WIDTH)).astype(np.float32))
    weights = op.constant(RNG.normal(size=(WIDTH, WIDTH)).astype(np.float32))
    y = op.relu(op.matmul(op.gather(table, ids, op.constant(0)), weights, False, True))
    model = ov.Model([op.add(y, op.reduce_sum(table, op.constant([0]), False))], [ids])
    ov.save_model(model, tmp_path / "m.xml")
    result = read_model(quantize(tmp_path / "m.xml", SAMPLES, config=QuantizationConfig(guard=False)))
    tables = [node for node in result.in_file_order("Const") if node.elements == WORDS * WIDTH]
    assert [node.output().element_type.name for node in tables] == ["f16"]


def test_the_matrices_of_a_recurrent_layer_are_unpacked_too(tmp_path: Path) -> None:
    x = op.parameter([1, 6, WIDTH], np.float32)
    state, lengths = op.constant(np.zeros((1, 1, WIDTH), np.float32)), op.constant(np.array([6], np.int32))
    matrices = [op.constant(RNG.normal(size=(1, 3 * WIDTH, WIDTH)).astype(np.float32)) for _ in range(2)]
    bias = op.constant(np.zeros((1, 3 * WIDTH), np.float32))
    y = op.gru_sequence(x, state, lengths, *matrices, bias, WIDTH, "forward")
    ov.save_model(ov.Model([y.output(0)], [x]), tmp_path / "m.xml")
    graph, context = read_model(tmp_path / "m.xml"), Context(load_target("cpu"))
    Normalize().run(graph, context)
    (layer,) = graph.nodes("GRUSequence")
    assert {(layer.source(index).node.type, layer.source(index).element_type.name) for index in (3, 4)} == {
        ("Const", "f32")
    }
    assert StoreHalves().run(graph, context) == 2
