"""Attention over a cache stays float, whatever keeps the cache and whatever way the attention is written."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from openvino.op.util import Variable, VariableInfo

from irquant.passes import Context, Report, quantize
from irquant.passes.analysis.caches import GROWS, attention_over_caches, joins_of_caches
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.decompose_attention import DecomposeAttention
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.targets import load_target

HEADS, SIZE = 2, 16
WIDTH = HEADS * SIZE


def linear(tensor: Any, seed: int) -> Any:
    weights = np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)) / 6
    return op.matmul(tensor, op.constant(weights.astype(np.float32)), False, True, name=f"layer{seed}")


def in_heads(tensor: Any) -> Any:
    return op.transpose(op.reshape(tensor, op.constant([1, -1, HEADS, SIZE]), False), op.constant([0, 2, 1, 3]))


def attention(query: Any, key: Any, value: Any, form: str) -> Any:
    if form == "fused":
        return op.scaled_dot_product_attention(query, key, value, name="attention")
    if form == "grouped":  # heads that share keys and values, which are repeated behind the cache
        key, value = (
            op.reshape(op.broadcast(each, [1, 1, 1, 1], broadcast_spec="BIDIRECTIONAL"), [1, HEADS, -1, SIZE], False)
            for each in (key, value)
        )
    weights = op.softmax(op.multiply(op.matmul(query, key, False, True, name="scores"), np.float32(0.25)), -1)
    return op.matmul(weights, value, False, False, name="mixed")


def stateful(form: str) -> ov.Model:
    """One layer of attention over a cache that is a state, behind a Gather by beam."""
    x, beams = op.parameter([1, -1, WIDTH], np.float32, name="x"), op.parameter([1], np.int32, name="beams")
    sinks: list[Any] = []

    def kept(tensor: Any, name: str) -> Any:
        info = VariableInfo()
        info.data_shape, info.data_type, info.variable_id = ov.PartialShape([1, HEADS, -1, SIZE]), ov.Type.f32, name
        variable = Variable(info)
        empty = op.constant(np.zeros((1, HEADS, 0, SIZE), np.float32))
        whole = op.concat([op.gather(ov.opset6.read_value(empty, variable), beams, op.constant(0)), tensor], 2)
        sinks.append(ov.opset6.assign(whole, variable))
        return whole

    query, key, value = (in_heads(linear(x, seed)) for seed in (1, 2, 3))
    mixed = attention(query, kept(key, "key"), kept(value, "value"), form)
    y = linear(op.reshape(op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([1, -1, WIDTH]), False), 4)
    return ov.Model([op.result(y)], sinks, [x, beams], "decoder")


def with_past_inputs(form: str, *, joins: bool = True) -> ov.Model:
    """The same with a cache that comes in and goes out; without `joins`, keys and values are inputs themselves."""
    x = op.parameter([1, 1, WIDTH], np.float32, name="x")
    pasts = [op.parameter([1, HEADS, 8, SIZE], np.float32, name=name) for name in ("past_key", "past_value")]
    query, key, value = (in_heads(linear(x, seed)) for seed in (1, 2, 3))
    wholes = [op.concat([past, new], 2) for past, new in zip(pasts, (key, value), strict=True)] if joins else pasts
    mixed = attention(query, wholes[0], wholes[1], form)
    y = linear(op.reshape(op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([1, -1, WIDTH]), False), 4)
    presents = [op.result(each) for each in wholes] if joins else []
    return ov.Model([op.result(y), *presents], [x, *pasts], "decoder")


@pytest.mark.parametrize("form", ["fused", "written out", "grouped"])
@pytest.mark.parametrize("build", [stateful, with_past_inputs])
def test_attention_over_a_cache_stays_float_and_the_layers_around_it_run_int8(build: Any, form: str) -> None:
    graph, context = from_runtime(build(form)), Context(load_target("cpu"))
    assert DecomposeAttention().run(graph, context) == 0
    PlanPlacement().run(graph, context)
    assert (context.plan.attention, context.preset) == (1, "mixed")
    decisions = {node.name: each for node, each in context.plan.decisions.items()}
    products = {"attention"} if form == "fused" else {"scores", "mixed"}
    assert {name for name, each in decisions.items() if not each.int8} == products
    assert {decisions[name].reason for name in products} == {GROWS}
    quantized = {site.source.node.type for site in context.plan.sites}
    assert not quantized & {"Concat", "Gather", "ReadValue", "Softmax", "Broadcast"}, "the cache keeps its precision"


@pytest.mark.parametrize("form", ["fused", "written out"])
def test_keys_and_values_that_no_token_is_added_to_are_no_cache(form: str) -> None:
    graph = from_runtime(with_past_inputs(form, joins=False))
    assert attention_over_caches(graph) == joins_of_caches(graph) == []


def test_a_layer_behind_a_cache_ends_it() -> None:
    x, past = op.parameter([1, 1, WIDTH], np.float32), op.parameter([1, 8, WIDTH], np.float32)
    whole = op.concat([past, op.relu(x)], 1)
    query, key, value = (in_heads(linear(each, seed)) for seed, each in enumerate((x, whole, whole)))
    mixed = attention(query, key, value, form="written out")
    assert attention_over_caches(from_runtime(ov.Model([op.result(mixed)], [x, past], "m"))) == []


def test_a_decoder_runs_step_by_step_with_its_state() -> None:
    rng, reports = np.random.default_rng(0), list[Report]()
    beams = np.zeros(1, np.int32)
    samples = [{"x": rng.normal(size=(1, 6, WIDTH)).astype(np.float32), "beams": beams} for _ in range(8)]
    model = stateful("fused")
    result = quantize(model, samples, report=reports.append)
    assert [each.type for each in reports[0].layers if not each.is_int8] == ["ScaledDotProductAttention"]
    requests = [
        ov.Core().compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        for each in (model, result)
    ]
    signal = noise = 0.0
    for _ in range(12):
        token = {"x": rng.normal(size=(1, 1, WIDTH)).astype(np.float32), "beams": beams}
        one, other = (np.array(request.infer(token)[0]) for request in requests)
        signal, noise = signal + float(np.sum(one**2)), noise + float(np.sum((one - other) ** 2))
    assert 10 * np.log10(signal / noise) > 20
    lengths = [[state.state.shape for state in request.query_state()] for request in requests]
    assert lengths[0] == lengths[1]
