"""Einsums that are matrix products are written out as that; all others are left alone, with the reason."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text, verify
from irquant.passes import Context
from irquant.passes.placement.placement import plan_placement
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.testing import check_pass
from irquant.passes.transforms.decompose_einsum import DecomposeEinsum
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

#: Equation, shapes of the operands, and which of them is a constant.
PRODUCTS = [
    ("bqhd,bkhd->bhqk", [2, 3, 4, 5], [2, 6, 4, 5], None),
    ("bhqk,bkhd->bqhd", [2, 4, 3, 6], [2, 6, 4, 5], None),
    ("bhqd,bhkd->bhqk", [2, 4, 3, 5], [2, 4, 6, 5], None),
    ("bsd,dhe->bshe", [2, 3, 4], [4, 5, 6], 1),
    ("bshe,hed->bsd", [2, 3, 5, 6], [5, 6, 4], 1),
    ("ts,bsd->btd", [5, 3], [2, 3, 4], 0),
    ("bhd,hde->bhe", [2, 3, 4], [3, 4, 5], 1),
    ("ij,jk", [2, 3], [3, 4], 1),
    ("bk,bk->b", [2, 3], [2, 3], None),
    ("abij,jikc->kabc", [2, 3, 4, 5], [5, 4, 6, 7], 1),
    ("k,kn->n", [3], [3, 4], 1),
]
CPU = load_target("cpu")


def einsum(equation: str, first: list[int], second: list[int], constant: int | None, *, dynamic: bool) -> ov.Model:
    rng = np.random.default_rng(0)
    inputs: list[Any] = []
    operands: list[Any] = []
    for index, shape in enumerate((first, second)):
        if index == constant:
            operands.append(op.constant(rng.normal(size=shape).astype(np.float32)))
        else:
            inputs.append(op.parameter(ov.PartialShape([-1, *shape[1:]] if dynamic else shape), np.float32))
            operands.append(inputs[-1])
    return ov.Model([op.result(op.einsum(operands, equation))], inputs, "m")


@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("equation", "first", "second", "constant"), PRODUCTS)
def test_written_out_it_computes_the_same(
    equation: str, first: list[int], second: list[int], constant: int | None, *, dynamic: bool
) -> None:
    model = einsum(equation, first, second, constant, dynamic=dynamic)
    graph = from_runtime(model)
    name = graph.in_file_order("Einsum")[0].name
    assert DecomposeEinsum().run(graph, Context(CPU)) == 1
    verify(graph)
    assert [node.name for node in graph.nodes("Einsum", "MatMul")] == [name]
    rng = np.random.default_rng(1)
    data = [rng.normal(size=shape).astype(np.float32) for i, shape in enumerate((first, second)) if i != constant]
    expected, found = (
        ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(data)[0]
        for each in (model, to_runtime(graph))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "first", "second", "constant"), [each for each in PRODUCTS if each[3] is not None]
)
def test_a_constant_becomes_the_weights(equation: str, first: list[int], second: list[int], constant: int) -> None:
    graph = from_runtime(einsum(equation, first, second, constant, dynamic=False))
    for pass_ in (DecomposeEinsum(), Normalize()):
        pass_.run(graph, Context(CPU))
    (decision,) = plan_placement(graph, CPU).decisions.values()
    assert decision.int8


@pytest.mark.parametrize(
    "equation",
    [
        "ii,ij->ij",  # a diagonal
        "ij,jk->k",  # a sum over one operand
        "ij,kl->ijkl",  # nothing is summed
        "ij,ij->ij",
        "...j,jk->...k",
        "ij->ji",
    ],
)
def test_what_is_no_matrix_product_is_left_alone(equation: str) -> None:
    operands = "x, y" if "," in equation else "x"
    rank = 4 if equation == "ij,kl->ijkl" else 1 if equation.endswith(">k") else 2
    graph = f"""
        x: f32[4,4] = Parameter()
        y: f32[4,4] = Parameter()
        e: f32[{",".join("4" * rank)}] = Einsum.opset7({operands}) equation="{equation}"
        s: f32[4,4] = Sigmoid(y)
        out = Result(e)
        other = Result(s)
    """
    check_pass(DecomposeEinsum(), before=graph, after=graph)
    (decision,) = plan_placement(from_text(graph), CPU).decisions.values()
    assert (decision.int8, decision.reason) == (
        False,
        "only a product of two operands that share or sum their other axes can be written out as a MatMul",
    )


def test_a_reshape_with_two_sizes_that_only_the_data_tell_is_not_written() -> None:
    graph = """
        x: f32[2,?,?,4] = Parameter()
        y: f32[2,?,4] = Parameter()
        e: f32[2,?,?,?] = Einsum.opset7(x, y) equation="bijd,bkd->bijk"
        out = Result(e)
    """
    check_pass(DecomposeEinsum(), before=graph, after=graph)


@pytest.mark.parametrize(
    ("equation", "first", "second", "constant"),
    [("bqhd,hde->bqe", [2, 3, 4, 5], [1, 5, 6], 1), ("bhi,bhj->bij", [4, 1, 3], [4, 6, 3], None)],
)
def test_sizes_of_one_that_are_broadcast_are_left_to_it(
    equation: str, first: list[int], second: list[int], constant: int | None
) -> None:
    graph = from_runtime(einsum(equation, first, second, constant, dynamic=False))
    assert DecomposeEinsum().run(graph, Context(CPU)) == 0


def test_a_target_without_a_rule_keeps_it() -> None:
    graph = """
        x: f32[2,3] = Parameter()
        y: f32[3,4] = Parameter()
        e: f32[2,4] = Einsum.opset7(x, y) equation="ij,jk->ik"
        out = Result(e)
    """
    target = CPU.model_copy(update={"rules": tuple(rule for rule in CPU.rules if rule.op != ("Einsum",))})
    check_pass(DecomposeEinsum(), before=graph, after=graph, context=Context(target))
    (decision,) = plan_placement(from_text(graph), target).decisions.values()
    assert decision.reason == "target 'cpu' has no rule for Einsum"


def test_an_output_keeps_its_names() -> None:
    check_pass(
        DecomposeEinsum(),
        before="""
            x: f32[2,3] = Parameter()
            y: f32[4,3] = Parameter()
            e: f32[4,2]<out> = Einsum.opset7(x, y) equation="id,jd->ji"
            r = Result(e)
        """,
        after="""
            x: f32[2,3] = Parameter()
            y: f32[4,3] = Parameter()
            e: f32[2,4] = MatMul(x, y) transpose_a="false" transpose_b="true"
            e/result/order: i64[2] = Const() [1, 0]
            e/result: f32[4,2]<out> = Transpose(e, e/result/order)
            r = Result(e/result)
        """,
    )
