"""Constant matrices that the device would take for others because they are transposed are stored as multiplied."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.testing import check_pass
from irquant.passes.transforms.untranspose_weights import UntransposeWeights
from irquant.targets import load_target
from tests.passes.beside_data import beside_data

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
HEADS, LENGTH, SIZE = 3, 7, 8
#: The device's fault is another one from one compilation to the next.
COMPILATIONS = 4


def learned_keys(stored: str, *, is_whole: bool) -> ov.Model:
    """Attention to keys that are constants, stored in some way; queries and values are data."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(1, HEADS, LENGTH, SIZE)).astype(np.float32)
    q, v = (op.parameter([1, HEADS, LENGTH, SIZE], np.float32, name=name) for name in "qv")
    keys: dict[str, Any] = {
        "as they are": lambda: op.constant(drawn),
        "moved": lambda: op.transpose(op.constant(np.moveaxis(drawn, 1, 2).copy()), op.constant([0, 2, 1, 3])),
        "reshaped": lambda: op.reshape(op.constant(drawn.reshape(-1, SIZE)), op.constant([*drawn.shape]), False),
        "unsqueezed": lambda: op.unsqueeze(op.constant(drawn[0]), op.constant([0])),
        "halves": lambda: op.convert(op.constant(drawn.astype(np.float16)), "f32"),
        "computed": lambda: op.sin(op.constant(drawn)),
    }
    k, y = keys[stored](), op.multiply(q, np.float32(0.9))
    if is_whole:
        y = op.scaled_dot_product_attention(y, k, op.multiply(v, np.float32(0.9)))
    else:
        weights = op.softmax(op.multiply(op.matmul(y, k, False, True), np.float32(0.3)), -1)
        y = op.matmul(weights, op.multiply(v, np.float32(0.9)), False, False)
    return ov.Model([op.result(y)], [q, v], "m")


@pytest.mark.parametrize(
    ("stored", "is_whole"),
    [
        ("as they are", False),
        ("halves", True),
        *(
            pytest.param(each, False, marks=pytest.mark.slow)
            for each in ("moved", "reshaped", "unsqueezed", "halves", "computed")
        ),
        *(pytest.param(each, True, marks=pytest.mark.slow) for each in ("as they are", "moved")),
    ],
)
def test_attention_to_constant_keys_runs_int8_and_is_right_however_they_are_stored(stored: str, is_whole: bool) -> None:
    rng, reports = np.random.default_rng(1), list[Report]()
    model = learned_keys(stored, is_whole=is_whole)
    samples = [list(rng.normal(size=(2, 1, HEADS, LENGTH, SIZE)).astype(np.float32)) for _ in range(12)]
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    assert {each.decision.int8 for each in reports[0].layers} == {True}
    assert not any("left float" in each for each in beside_data(reports[0]))
    exact = ov.compile_model(model, "CPU", F32)
    floats = [exact(each)[0].copy() for each in samples]
    for _ in range(COMPILATIONS):
        compiled = ov.compile_model(quantized, "CPU", F32)
        assert sqnr(floats, [compiled(each)[0] for each in samples]) > 25


def test_a_square_matrix_is_right_for_all_its_products() -> None:
    """The runtime gives garbage for the float model itself: its outputs are computed here."""
    rng, reports = np.random.default_rng(0), list[Report]()
    matrix = rng.normal(size=(16, 16)).astype(np.float32)
    x, table = op.parameter([1, 4, 16], np.float32, name="x"), op.constant(matrix)
    products = [op.matmul(op.multiply(x, np.float32(0.9)), table, False, each) for each in (True, False)]
    samples = [rng.normal(size=(1, 4, 16)).astype(np.float32) for _ in range(12)]
    quantized = quantize(ov.Model(products, [x], "m"), samples, report=reports.append)
    assert ([each.decision.int8 for each in reports[0].layers], beside_data(reports[0])) == ([True, True], ())
    compiled = ov.compile_model(quantized, "CPU", F32)
    found = [[compiled(each)[number] for each in samples] for number in range(2)]
    for weights, outputs in zip((matrix.T, matrix), found, strict=True):
        assert sqnr([each * np.float32(0.9) @ weights for each in samples], outputs) > 30


STACKS = """
    q: f32[2,1,2] = Parameter()
    k: f32[2,3,2] = Const() [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    scores: f32[2,1,3] = MatMul(q, k) transpose_a="false" transpose_b="true"
    r = Result(scores)
"""


def test_several_matrices_are_stored_as_they_are_multiplied() -> None:
    check_pass(
        UntransposeWeights(),
        before=STACKS,
        after="""
            q: f32[2,1,2] = Parameter()
            scores/turned: f32[2,2,3] = Const() [1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12]
            scores: f32[2,1,3] = MatMul(q, scores/turned) transpose_a="false" transpose_b="false"
            r = Result(scores)
        """,
    )


SQUARES = """
    x: f32[1,2] = Parameter()
    c: f32[2,2] = Const() [1, 2, 3, 4]
    y: f32[1,2] = MatMul(x, c) transpose_a="false" transpose_b="false"
    z: f32[1,2] = MatMul(x, c) transpose_a="false" transpose_b="true"
    ry = Result(y)
    rz = Result(z)
"""


def test_a_square_matrix_that_others_multiply_as_it_is_is_stored_twice() -> None:
    check_pass(
        UntransposeWeights(),
        before=SQUARES,
        after="""
            x: f32[1,2] = Parameter()
            c: f32[2,2] = Const() [1, 2, 3, 4]
            y: f32[1,2] = MatMul(x, c) transpose_a="false" transpose_b="false"
            z/turned: f32[2,2] = Const() [1, 3, 2, 4]
            z: f32[1,2] = MatMul(x, z/turned) transpose_a="false" transpose_b="false"
            ry = Result(y)
            rz = Result(z)
        """,
    )


def changed(text: str, target: str = "cpu") -> int:
    return UntransposeWeights().run(from_text(text), Context(load_target(target)))


@pytest.mark.parametrize(
    ("k", "transposes"),
    [
        ("k: f32[2,3,2] = Parameter()", "true"),
        ("k: f32[3,2] = Const() [1, 2, 3, 4, 5, 6]", "true"),
        ("k: f32[1,3,2] = Const() [1, 2, 3, 4, 5, 6]", "true"),
        ("k: f32[2,2,3] = Const() [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "false"),
    ],
    ids=["data", "one matrix", "a stack of one", "untransposed"],
)
def test_other_second_operands_are_left_alone(k: str, transposes: str) -> None:
    lines = STACKS.replace('"true"', f'"{transposes}"').splitlines()
    assert changed("\n".join(k if line.strip().startswith("k:") else line for line in lines)) == 0


@pytest.mark.parametrize(("target", "count"), [("cpu_spr", 1), ("gpu", 1), ("npu", 0), ("gna", 0)])
def test_the_target_says_whether_several_matrices_are_misread(target: str, count: int) -> None:
    assert changed(STACKS, target) == count
    assert changed(SQUARES, target) == 1


def test_products_share_what_is_stored_and_halves_stay_halves() -> None:
    graph = from_text(
        SQUARES
        + STACKS.replace("r =", "rs =")
        + """
        more: f32[2,1,3] = MatMul(q, k) transpose_a="false" transpose_b="true"
        rmore = Result(more)
    """
    )
    context = Context(load_target("cpu"))
    context.halves.add(((), graph.node("k").id))
    assert [UntransposeWeights().run(graph, context) for _ in range(2)] == [3, 0]
    (stored,) = {graph.node(name).source(1).node for name in ("scores", "more")}
    assert ((), stored.id) in context.halves
    assert ((), graph.node("z").source(1).node.id) not in context.halves
