"""Transformers are recognised by their attention; attention that is one operation is written out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, from_text, to_text, verify
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.analysis.attention import attention_blocks
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.options.ignored import Ignored
from irquant.passes.placement.placement import plan_placement
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.testing import check_pass
from irquant.passes.transforms.decompose_attention import DecomposeAttention
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.restore_attention import RestoreAttention
from irquant.passes.transforms.untranspose_weights import UntransposeWeights
from irquant.targets import load_target
from tests.passes.attention_forms import CAUSAL, NONE, OF_COUNTED_TOKENS, OTHERS, UNMASKED, Form, attention, data

Array = np.ndarray[Any, np.dtype[Any]] | np.float32
HEAD = """
    q: f32[1,2,4,8] = Parameter()
    k: f32[1,2,5,8] = Parameter()
    v: f32[1,2,5,8] = Parameter()
"""
FLOAT = QuantizationConfig(ignored=Ignored(scope=("re:.*",)))
WRITTEN_OUT = """
    s: f32[1,2,4,5] = MatMul(q, k) transpose_a="false" transpose_b="true"
    c: f32[] = Const() [0.5]
    d: f32[1,2,4,5] = {between} auto_broadcast="numpy"
    p: f32[1,2,4,5] = SoftMax(d) axis="3"
    y: f32[1,2,4,8] = MatMul({product}) transpose_a="false" transpose_b="false"
    out = Result(y)
"""


@pytest.mark.parametrize(
    ("between", "product", "count"),
    [
        ("Multiply(s, c)", "p, v", 1),
        ("Add(s, c)", "p, v", 1),
        ("Power(s, c)", "p, v", 0),  # some other use of a softmax
        ("Multiply(s, c)", "s, v", 0),  # the softmax leads nowhere
    ],
)
def test_an_attention_block_is_a_softmax_between_two_products(between: str, product: str, count: int) -> None:
    assert len(attention_blocks(from_text(HEAD + WRITTEN_OUT.format(between=between, product=product)))) == count


def test_a_softmax_behind_a_layer_with_weights_is_none() -> None:
    text = (
        HEAD
        + """
        w: f32[2,8] = Const() [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        s: f32[1,2,4,2] = MatMul(q, w) transpose_a="false" transpose_b="true"
        p: f32[1,2,4,2] = SoftMax(s) axis="3"
        y: f32[1,2,2,8] = MatMul(p, q) transpose_a="true" transpose_b="false"
        out = Result(y)
    """
    )
    assert attention_blocks(from_text(text)) == []


FORMS = {"counted": OF_COUNTED_TOKENS, "causal": CAUSAL, "all": UNMASKED, "other": OTHERS}


@pytest.mark.parametrize("crossed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind, forms in FORMS.items() for form in forms])
def test_attention_is_recognised_in_the_form_of_any_exporter(kind: str, form: str, *, crossed: bool) -> None:
    context = planned(FORMS[kind][form], crossed=crossed)
    assert (context.plan.attention, context.preset, context.is_transformer) == (1, "mixed", True)


@pytest.mark.parametrize("form", NONE)
def test_what_looks_like_attention_is_none(form: str) -> None:
    context = planned(NONE[form])
    assert (context.plan.attention, context.preset, context.is_transformer) == (0, "performance", False)


def planned(form: Form, *, crossed: bool = False) -> Context:
    """What the default passes up to the plan leave."""
    graph, context = from_runtime(attention(form, crossed=crossed)), Context(load_target("cpu"))
    passes = iter(default_quantization())
    while not context.plan.decisions:
        next(passes).run(graph, context)
    return context


@pytest.mark.parametrize(
    "kind", ["causal", *(pytest.param(each, marks=pytest.mark.slow) for each in ("counted", "all"))]
)
def test_a_form_costs_no_accuracy(kind: str) -> None:
    """Forms that compute the same come within a dB of one another; what stays one float operation may be better."""
    found = {name: quality(form) for name, form in FORMS[kind].items()}
    worst = min(found.values())
    assert worst > 20, found
    assert all(each < worst + 1 for name, each in found.items() if not name.startswith("fused")), found


def quality(form: Form) -> float:
    """The ratio of signal to error behind quantization, in dB."""
    model = attention(form)
    quantized = quantize(model, data(model, 24))
    samples = data(model, 12, seed=1)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    one, other = (ov.compile_model(each, "CPU", config) for each in (model, quantized))
    return sqnr([one(each)[0].copy() for each in samples], [other(each)[0].copy() for each in samples])


@pytest.mark.parametrize(
    ("config", "preset"),
    [
        (QuantizationConfig(), "mixed"),
        (QuantizationConfig(preset="performance"), "performance"),
        (QuantizationConfig(preset="mixed"), "mixed"),
    ],
)
@pytest.mark.better
def test_transformers_are_asymmetric_unless_the_user_says_otherwise(config: QuantizationConfig, preset: str) -> None:
    context = Context(load_target("cpu"), config)
    PlanPlacement().run(from_text(HEAD + WRITTEN_OUT.format(between="Multiply(s, c)", product="p, v")), context)
    assert (context.plan.attention, context.preset) == (1, preset)


def test_the_user_may_call_anything_a_transformer() -> None:
    assert Context(load_target("cpu"), QuantizationConfig(model_type="transformer")).preset == "mixed"
    assert Context(load_target("cpu")).preset == "performance"


def test_attention_is_written_out() -> None:
    check_pass(
        DecomposeAttention(),
        before=HEAD
        + """
            a: f32[1,2,4,8]<y> = ScaledDotProductAttention.opset13(q, k, v) causal="false"
            out = Result(a)
        """,
        after=HEAD
        + """
            a/scores: f32[1,2,4,5] = MatMul(q, k) transpose_a="false" transpose_b="true"
            a/scale: f32[] = Const() [0.35355338]
            a/scaled: f32[1,2,4,5] = Multiply(a/scores, a/scale) auto_broadcast="numpy"
            a/weights: f32[1,2,4,5] = SoftMax.opset8(a/scaled) axis="3"
            a: f32[1,2,4,8]<y> = MatMul(a/weights, v) transpose_a="false" transpose_b="false"
            out = Result(a)
        """,
    )


EXTRAS: dict[str, list[Array]] = {
    "none": [],
    "mask": [np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)],
    "mask and scale": [np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32), np.float32(0.7)],
    "zero mask": [np.float32(0)],
    "zero mask of a larger batch": [np.zeros((3, 1, 4, 5), np.float32)],
    "scale": [np.float32(0), np.float32(0.7)],
    "scale of one": [np.float32(0), np.float32(1)],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "size"),
    [*((each, 8) for each in EXTRAS), *((each, -1) for each in EXTRAS if "scale" in each)],  # else it follows from that
)
def test_written_out_it_computes_the_same(extra: str, size: int) -> None:
    rng = np.random.default_rng(0)
    shapes = ([1, 2, 4, 8], [1, 2, 5, 8], [1, 2, 5, 8])
    inputs = [op.parameter([*shape[:3], size], np.float32) for shape in shapes]
    more = [op.constant(each) for each in EXTRAS[extra]]
    model = ov.Model([op.result(op.scaled_dot_product_attention(*inputs, *more))], inputs, "m")
    graph, context = from_runtime(model), Context(load_target("cpu"), FLOAT)
    assert DecomposeAttention().run(graph, context) == 1
    written_out = to_runtime(graph)
    PlanPlacement().run(graph, context)
    assert RestoreAttention().run(graph, context) == 1
    assert [node.type for node in context.plan.decisions] == ["ScaledDotProductAttention"]
    feed = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    one, *others = (
        ov.Core().compile_model(each, "CPU", config)(feed)[0] for each in (model, written_out, to_runtime(graph))
    )
    for other in others:
        np.testing.assert_allclose(other, one, atol=1e-5)


WHOLE = HEAD + '    a: f32[1,2,4,8] = ScaledDotProductAttention.opset13(q, k, v) causal="false"\n    out = Result(a)\n'


def restored(config: QuantizationConfig, change: Callable[[Graph], None] = lambda _: None) -> Graph:
    """Attention after it was written out, changed and restored."""
    graph, context = from_text(WHOLE), Context(load_target("cpu"), config)
    assert DecomposeAttention().run(graph, context) == 1
    change(graph)
    PlanPlacement().run(graph, context)
    RestoreAttention().run(graph, context)
    return graph


def test_what_stays_float_is_one_operation_again() -> None:
    assert to_text(restored(FLOAT)) == to_text(from_text(WHOLE))


def test_keys_that_were_stored_as_they_are_multiplied_are_stored_as_the_operation_takes_them() -> None:
    keys = ", ".join(map(str, range(80)))
    text = WHOLE.replace("k: f32[1,2,5,8] = Parameter()", f"k: f32[1,2,5,8] = Const() [{keys}]")
    assert text != WHOLE
    graph, context = from_text(text), Context(load_target("cpu"), FLOAT)
    context.halves.add(((), graph.node("k").id))
    changes = [each.run(graph, context) for each in (DecomposeAttention(), Normalize(), UntransposeWeights())]
    PlanPlacement().run(graph, context)
    assert [*changes, RestoreAttention().run(graph, context)] == [1, 0, 1, 1]
    verify(graph)
    (key,) = (node.source(1).node for node in graph.nodes("ScaledDotProductAttention"))
    assert (key.array.ravel().tolist(), ((), key.id) in context.halves) == ([*range(80)], True)


def test_what_runs_int8_stays_written_out() -> None:
    assert not restored(QuantizationConfig()).in_file_order("ScaledDotProductAttention")


def test_what_another_pass_changed_stays_written_out() -> None:
    def read_the_weights(graph: Graph) -> None:
        graph.add("Result", "seen", [graph.node("a/weights").output()], [])

    assert not restored(FLOAT, read_the_weights).in_file_order("ScaledDotProductAttention")


@pytest.mark.parametrize(
    ("inputs", "causal", "reason"),
    [
        ("q, k, v", "true", "it is causal, and stays one operation, which runs in float"),
        ("q, k, v, b", "false", "it has a boolean mask, and stays one operation, which runs in float"),
        ("q, k, v, n, n", "false", ""),
        ("q, k, u", "false", "it has inputs of unknown or unequal ranks, and stays one operation, which runs in float"),
        ("d, k, v", "false", "it has an unknown scale, and stays one operation, which runs in float"),
        (
            "q, k, v, n, n, n",
            "false",
            "it has more inputs than a mask and a scale, and stays one operation, which runs in float",
        ),
    ],
)
def test_attention_that_cannot_be_written_out_stays_with_the_reason(inputs: str, causal: str, reason: str) -> None:
    more = """
    b: boolean[4,5] = Parameter()
    n: f32[] = Parameter()
    u: f32[2,5,8] = Parameter()
    d: f32[1,2,4,?] = Parameter()
"""
    operation = f'    a: f32[1,2,4,8] = ScaledDotProductAttention.opset13({inputs}) causal="{causal}"\n'
    text, context = HEAD + more + operation + "    out = Result(a)\n", Context(load_target("cpu"))
    assert DecomposeAttention().run(from_text(text), context) == int(not reason)
    graph = from_text(text)
    PlanPlacement().run(graph, context)
    decision = context.plan.decisions[graph.node("a")]
    written_out = "only written out do both of its matrix products run int8"
    assert (decision.int8, decision.reason) == (False, reason or written_out)


def test_a_device_with_a_kernel_of_its_own_keeps_it() -> None:
    assert DecomposeAttention().run(from_text(WHOLE), Context(load_target("gpu"))) == 0


@pytest.mark.parametrize(
    ("tokens", "target", "int8"),
    [(8, "cpu", 0), (5, "cpu", 1), (-1, "cpu", 0)],  # -1: any number, 8 among them
)
def test_of_the_products_around_a_softmax_both_run_int8_or_neither(tokens: int, target: str, int8: int) -> None:
    """Alone in int8, one of them gave -8 dB in bf16 where there were as many tokens as numbers a head."""
    x = op.parameter([1, 2, tokens, 8], np.float32)
    queries = op.constant(np.random.default_rng(0).normal(size=(1, 2, 4, 8)).astype(np.float32))
    scores = op.matmul(queries, x, False, True)  # a constant comes first: float
    mixed = op.matmul(op.softmax(scores, -1), op.relu(x), False, False)
    graph = from_runtime(ov.Model([op.result(mixed)], [x], "m"))
    plan = plan_placement(graph, load_target(target))
    assert sum(each.int8 for each in plan.decisions.values()) == int8


@pytest.mark.slow
@pytest.mark.parametrize("learned", [False, True])
def test_attention_is_right_in_the_precision_that_the_device_likes_best(*, learned: bool) -> None:
    """As many tokens as numbers a head: 6."""
    x = op.parameter([1, 6, 12], np.float32, name="x")
    rng = np.random.default_rng(0)

    def head(source: object) -> object:
        y = op.matmul(source, rng.normal(size=(12, 12)).astype(np.float32) / 3, False, True)
        return op.transpose(op.reshape(y, op.constant([0, 0, 2, 6]), True), op.constant([0, 2, 1, 3]))

    source = op.constant(rng.normal(size=(1, 6, 12)).astype(np.float32)) if learned else x
    y = op.scaled_dot_product_attention(head(source), head(x), head(x))
    model = ov.Model([op.result(y)], [x], "m")
    data = [rng.normal(size=(1, 6, 12)).astype(np.float32) for _ in range(12)]
    quantized = quantize(model, data)
    wanted, found = (ov.compile_model(each, "CPU")(data[0])[0] for each in (model, quantized))
    assert sqnr([wanted], [found]) > 20
