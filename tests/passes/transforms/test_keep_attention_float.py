"""The product of probabilities and values is float where 8 bits are too coarse for its probabilities, if the target says so."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, QuantizationConfig, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.infra.manager import PassManager
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.options.quantization import RangeEstimator
from irquant.passes.placement.placement import MIXED_UP
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.keep_attention_float import KeepAttentionFloat
from irquant.targets import Target, load_target
from tests.passes.attention_forms import SIZE, UNMASKED, WIDTH, cut, in_heads, linear, numbers, turned

TOKENS = 200
NAME = "keep-attention-float"
CONFIG = QuantizationConfig()
Array = np.ndarray[Any, np.dtype[Any]]


def target(least: float) -> Target:
    return load_target("cpu").model_copy(update={"attention_sqnr": least})


def model(form: str = "fused", *, tokens: int = TOKENS, queries: int | None = None, sharpness: float = 5.0) -> ov.Model:
    """Attention with a head whose rows may be sharp, and another whose rows are spread over all tokens."""
    x = op.parameter([1, tokens, WIDTH], np.float32, name="x")
    q, k, v = (in_heads(linear(x, seed)) for seed in (1, 2, 3))
    q = cut(op.multiply(q, numbers([[[[sharpness]], [[0.01]]]])), queries or tokens, 2)
    heads = UNMASKED[form](q, k, v, None)
    y = linear(op.reshape(turned(heads, 0, 2, 1, 3), op.constant([0, 0, WIDTH]), True), 4)
    return ov.Model([op.result(y)], [x], "m")


def data(tokens: int = TOKENS) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(1, tokens, WIDTH)).astype(np.float32) for _ in range(12)]


def after_default_passes(
    found: ov.Model, least: float, config: QuantizationConfig | None = None, tokens: int = TOKENS
) -> tuple[Graph, Context, int]:
    """The graph, the context, and how many blocks the pass left float."""
    graph, context = from_runtime(found), Context(target(least), config or QuantizationConfig(), data(tokens))
    results = PassManager(default_quantization()).run(graph, context)
    return graph, context, results[NAME].changes


@pytest.mark.parametrize("form", UNMASKED)
def test_the_product_with_the_values_is_float_with_the_reason(form: str) -> None:
    graph, context, changes = after_default_passes(model(form), 30)
    floats = [each.reason for each in context.plan.decisions.values() if not each.int8]
    assert floats == ["probabilities spread over 200 tokens: 8 bits leave 19 dB, and target 'cpu' asks for 30"]
    (product,) = (port.node for node in graph.nodes("SoftMax") for port in node.output().consumers)
    assert (changes, product.type, product.source(1).node.type) == (1, "MatMul", "Transpose")  # no FakeQuantize


@pytest.mark.parametrize("form", UNMASKED)
def test_both_products_are_float_if_the_device_may_mix_them_up(form: str) -> None:
    """As many tokens as numbers a head."""
    graph, context, changes = after_default_passes(model(form, tokens=SIZE, sharpness=20), 100, tokens=SIZE)
    reasons = {each.reason for each in context.plan.decisions.values() if not each.int8}
    is_whole = form == "fused"  # one operation again
    assert (changes, len(reasons), MIXED_UP in reasons) == (1, 1 if is_whole else 2, not is_whole)
    assert len(graph.in_file_order("ScaledDotProductAttention")) == is_whole


def test_a_further_run_changes_nothing() -> None:
    graph, context, _ = after_default_passes(model("written out"), 30)
    assert KeepAttentionFloat().run(graph, context) == 0


@pytest.mark.parametrize("queries", [TOKENS, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "precision",
    [{"INFERENCE_PRECISION_HINT": "f32"}, pytest.param({}, marks=pytest.mark.slow)],
    ids=["f32", "own precision"],
)
def test_the_result_is_closer_to_that_of_the_float_model(precision: dict[str, str], queries: int) -> None:
    found, ratios = model(queries=queries), list[float]()
    for least in (0, 30):
        quantized = quantize(found, data(), config=QuantizationConfig(guard=False), target=target(least))
        one, other = (ov.compile_model(each, "CPU", precision) for each in (found, quantized))
        ratios.append(sqnr([one(each)[0].copy() for each in data()], [other(each)[0].copy() for each in data()]))
    assert ratios[1] > ratios[0] + 0.5, ratios


@pytest.mark.parametrize(
    ("found", "least", "config", "tokens"),
    [
        (model(), 0, QuantizationConfig(), TOKENS),  # a target that does not ask for it
        (model(), 15, QuantizationConfig(), TOKENS),  # or asks for less
        (model(sharpness=0.01), 30, QuantizationConfig(), TOKENS),  # the range is as small as the probabilities
        (model(tokens=8), 30, QuantizationConfig(), 8),
        (model(), 30, QuantizationConfig(range_estimator=RangeEstimator(preset="quantile")), TOKENS),
    ],
    ids=["not asked", "enough", "all spread", "few tokens", "the user's own ranges"],
)
def test_attention_runs_int8(found: ov.Model, least: float, config: QuantizationConfig, tokens: int) -> None:
    _, context, changes = after_default_passes(found, least, config, tokens)
    assert (changes, [each for each in context.plan.decisions.values() if not each.int8]) == (0, [])


def test_other_ranges_that_the_guard_tries_do_not_bring_the_product_back() -> None:
    """The calibration for the default ranges measured the values."""
    graph, context = from_runtime(model()), Context(target(15), QuantizationConfig(), data())
    passes = default_quantization()
    PassManager(passes[: [each.name for each in passes].index(NAME) + 1]).run(graph, context)
    named = QuantizationConfig(range_estimator=RangeEstimator(preset="default"))
    tried = Context(target(30), named)
    tried.plan, tried.statistics = context.plan, context.statistics
    assert KeepAttentionFloat().run(graph, tried) == 1


def test_a_tensor_that_only_matrix_products_read_since_then_was_not_measured_by_channel() -> None:
    """`smooth-quant` leaves it alone: the product with the values read it, too, when the calibration ran."""
    x = op.parameter([1, TOKENS, WIDTH], np.float32, name="x")
    y = op.relu(linear(x, 1))
    weights = op.softmax(op.multiply(op.matmul(linear(y, 2), linear(y, 3), False, True), numbers(0.1)), -1)
    mixed = op.matmul(weights, y, False, False)
    graph, context = (
        from_runtime(ov.Model([op.result(linear(mixed, 4))], [x], "m")),
        Context(target(100), CONFIG, data()),
    )
    results = PassManager(default_quantization(config=CONFIG)).run(graph, context)
    assert results[NAME].changes == 1
