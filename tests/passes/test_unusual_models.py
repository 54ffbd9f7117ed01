"""Models that are legal but rarely drawn: each must come out close to the float model, whole, and in int8."""

from collections.abc import Callable
from typing import Any, cast

import ml_dtypes
import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.infra.execution import Execution
from irquant.passes.runtime.core import THREADS
from tests.passes.runs_int8.nets import some_slow

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
#: A model, the shape of its input, and how many layers run in int8 out of how many.
Case = tuple[ov.Model, tuple[int, ...], tuple[int, int]]


def weights(*shape: int, dtype: Any = np.float32) -> Any:
    fan_in = int(np.prod(shape[1:]))
    return op.constant((np.random.default_rng(1).normal(size=shape) / np.sqrt(fan_in)).astype(dtype))


def conv(data: Any, kernel: Any) -> Any:
    rank = len(kernel.shape) - 2
    return op.convolution(data, kernel, [1] * rank, [1] * rank, [1] * rank, [1] * rank)


def image(*shape: int, dtype: Any = np.float32) -> Any:
    parameter = op.parameter(list(shape or (1, 4, 8, 8)), dtype, name="image")
    parameter.output(0).set_names({"image"})
    return parameter


def shared_weights() -> Case:
    x, kernel = image(), weights(4, 4, 3, 3)
    return ov.Model([conv(op.relu(conv(x, kernel)), kernel)], [x]), (1, 4, 8, 8), (2, 2)


def shared_bias() -> Case:
    x, bias = image(), weights(1, 4, 1, 1)
    first = op.relu(op.add(conv(x, weights(4, 4, 3, 3)), bias))
    return ov.Model([op.add(conv(first, weights(4, 4, 3, 3)), bias)], [x]), (1, 4, 8, 8), (2, 2)


def one_name_for_all() -> Case:
    x = image()
    layers = [first := conv(x, weights(4, 4, 3, 3)), second := op.relu(first), conv(second, weights(4, 4, 3, 3))]
    for layer in layers:
        layer.set_friendly_name("a layer/ü,0")
    return ov.Model([layers[-1]], [x]), (1, 4, 8, 8), (2, 2)


def several_samples_at_once() -> Case:
    x = image(3, 4, 8, 8)
    return ov.Model([conv(op.relu(conv(x, weights(4, 4, 3, 3))), weights(4, 4, 3, 3))], [x]), (3, 4, 8, 8), (2, 2)


def all_sizes_dynamic() -> Case:
    x = image(-1, 4, -1, -1)
    return ov.Model([conv(op.relu(conv(x, weights(4, 4, 3, 3))), weights(4, 4, 3, 3))], [x]), (2, 4, 9, 7), (2, 2)


def one_dimension() -> Case:
    x = image(1, 4, 32)
    return ov.Model([conv(op.relu(conv(x, weights(6, 4, 3))), weights(6, 6, 3))], [x]), (1, 4, 32), (2, 2)


def three_dimensions() -> Case:
    x = image(1, 4, 6, 6, 6)
    model = ov.Model([conv(op.relu(conv(x, weights(6, 4, 3, 3, 3))), weights(6, 6, 3, 3, 3))], [x])
    return model, (1, 4, 6, 6, 6), (2, 2)


def transposed_with_a_wished_size() -> Case:
    x = image()
    grown = op.convolution_backprop_data(
        op.relu(x), weights(4, 6, 4, 4), [2, 2], output_shape=op.constant([16, 16]), auto_pad="same_upper"
    )
    return ov.Model([conv(op.relu(grown), weights(4, 6, 3, 3))], [x]), (1, 4, 8, 8), (2, 2)


def groups() -> Case:
    x, ones = image(1, 8, 8, 8), [1, 1]
    grouped = op.group_convolution(op.relu(x), weights(2, 4, 4, 3, 3), ones, ones, ones, ones)
    return ov.Model([conv(op.relu(grouped), weights(4, 8, 3, 3))], [x]), (1, 8, 8, 8), (2, 2)


def bias_in_front() -> Case:
    x = image(2, 8)
    first = op.add(weights(5), op.matmul(x, weights(8, 5), False, False))
    return ov.Model([op.matmul(op.relu(first), weights(5, 5), False, True)], [x]), (2, 8), (2, 2)


def transposed_data() -> Case:
    x = image(2, 8, 6)
    return ov.Model([op.matmul(x, weights(8, 5), True, False)], [x]), (2, 8, 6), (1, 1)


def a_matrix_a_sample() -> Case:
    x = image(3, 6, 8)
    return ov.Model([op.matmul(op.relu(x), weights(3, 8, 5), False, False)], [x]), (3, 6, 8), (1, 1)


def a_dead_channel() -> Case:
    x, kernel = image(), np.random.default_rng(1).normal(size=(4, 4, 3, 3)).astype(np.float32)
    kernel[2] = 0
    return ov.Model([conv(op.relu(conv(x, op.constant(kernel))), weights(4, 4, 3, 3))], [x]), (1, 4, 8, 8), (2, 2)


def half_precision() -> Case:
    x = image(1, 4, 8, 8, dtype=np.float16)
    first = op.relu(conv(x, weights(4, 4, 3, 3, dtype=np.float16)))
    return ov.Model([conv(first, weights(4, 4, 3, 3, dtype=np.float16))], [x]), (1, 4, 8, 8), (2, 2)


def bfloat_weights() -> Case:
    x, plain = image(), np.random.default_rng(1).normal(size=(4, 4, 3, 3)).astype(np.float32)
    kernel = op.convert(op.constant(plain, ov.Type.bf16), "f32")
    return ov.Model([conv(op.relu(conv(x, kernel)), weights(4, 4, 3, 3))], [x]), (1, 4, 8, 8), (2, 2)


def no_channels_to_join() -> Case:
    x = image()
    joined = op.concat([op.relu(x), op.constant(np.zeros((1, 0, 8, 8), np.float32))], 1)
    return ov.Model([conv(joined, weights(4, 4, 3, 3))], [x]), (1, 4, 8, 8), (1, 1)


def squeeze_and_excitation() -> Case:
    x = image(1, 8, 8, 8)
    body = op.relu(conv(x, weights(8, 8, 3, 3)))
    mean = op.reduce_mean(body, op.constant([2, 3]), keep_dims=True)
    ones, none = [1, 1], [0, 0]
    hidden = op.relu(op.convolution(mean, weights(4, 8, 1, 1), ones, none, none, ones))
    gate = op.sigmoid(op.convolution(hidden, weights(8, 4, 1, 1), ones, none, none, ones))
    return ov.Model([conv(op.multiply(body, gate), weights(8, 8, 3, 3))], [x]), (1, 8, 8, 8), (2, 4)


def inner_output() -> Case:
    x = image()
    inner = op.relu(conv(x, weights(4, 4, 3, 3)))
    return ov.Model([inner, conv(inner, weights(4, 4, 3, 3))], [x]), (1, 4, 8, 8), (2, 2)


def state() -> Case:
    x = image()
    start = op.constant(np.zeros((1, 4, 8, 8), np.float32))
    kept = cast(Any, op6).read_value(start, "state", ov.Type.f32, ov.PartialShape([1, 4, 8, 8]))
    total = op.add(kept, op.relu(conv(x, weights(4, 4, 3, 3))))
    keep = cast(Any, op6).assign(total, "state")
    model = ov.Model([op.result(conv(total, weights(4, 4, 3, 3)))], [keep], [x], "state")
    return model, (1, 4, 8, 8), (1, 2)  # samples of one step do not show what the state becomes


CASES: list[Callable[[], Case]] = [
    shared_weights,
    shared_bias,
    one_name_for_all,
    several_samples_at_once,
    all_sizes_dynamic,
    one_dimension,
    three_dimensions,
    transposed_with_a_wished_size,
    groups,
    bias_in_front,
    transposed_data,
    a_matrix_a_sample,
    a_dead_channel,
    half_precision,
    bfloat_weights,
    no_channels_to_join,
    squeeze_and_excitation,
    inner_output,
    state,
]


def ports(model: ov.Model) -> list[tuple[set[str], str, str]]:
    return [
        (each.get_names(), str(each.get_partial_shape()), str(each.get_element_type()))
        for each in (*model.inputs, *model.outputs)
    ]


@pytest.mark.parametrize("case", some_slow(CASES, 2), ids=lambda case: case.__name__)
def test_close_whole_and_in_int8(case: Callable[[], Case]) -> None:
    model, shape, int8 = case()
    samples = [RNG.normal(size=shape).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    result = quantize(model, iter(samples), report=reports.append)
    assert ports(result) == ports(model)
    assert reports[0].check.execution == Execution(*int8)
    pairs: list[tuple[Array, Array]] = []
    compiled = [ov.Core().compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for each in (model, result)]
    for sample in samples:
        typed = sample.astype(model.inputs[0].get_element_type().to_dtype())
        one, other = (
            [np.array(array) for array in each.create_infer_request().infer([typed]).values()] for each in compiled
        )
        pairs += zip(one, other, strict=True)
    assert sqnr([one for one, _ in pairs], [other for _, other in pairs]) > 25


def test_a_state_may_lie_between_small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread, and so in a stream of throughput mode, the runtime ends the process, even with the float model."""
    monkeypatch.setenv(THREADS, "2")

    def scaled(data: Any) -> Any:
        for _ in range(2):
            data = op.multiply(op.relu(op.matmul(data, weights(16, 16), False, True)), weights(1, 16))
        return data

    x = op.parameter([1, 16], np.float32, name="x")
    kept = cast(Any, op6).read_value(weights(1, 16), "state", ov.Type.f32, ov.PartialShape([1, 16]))
    total = op.add(scaled(x), op.multiply(kept, op.constant(np.float32(0.5))))
    keep = cast(Any, op6).assign(total, "state")
    model = ov.Model([op.result(scaled(total))], [keep], [x], "state")
    reports: list[Report] = []
    quantize(model, [RNG.normal(size=(1, 16)).astype(np.float32) for _ in range(12)], report=reports.append)
    assert reports[0].check.execution


def test_an_input_may_be_a_scalar() -> None:
    x, wide = image(), op.parameter([], np.bool_, name="wide")
    wide.output(0).set_names({"wide"})
    chosen = op.select(wide, op.relu(x), x)
    model = ov.Model([conv(chosen, weights(4, 4, 3, 3))], [x, wide])
    samples = [(RNG.normal(size=(1, 4, 8, 8)).astype(np.float32), np.bool_(index % 2)) for index in range(4)]
    assert quantize(model, samples).inputs[1].get_partial_shape() == ov.PartialShape([])


@pytest.mark.parametrize("kind", [ov.Type.f64, ov.Type.bf16])
def test_what_computes_in_a_type_that_the_runtime_does_not_round_stays_float(kind: ov.Type) -> None:
    x = image(1, 4, 8, 8, dtype=kind)
    kernel = np.random.default_rng(1).normal(size=(4, 4, 3, 3))
    model = ov.Model([conv(op.relu(x), op.constant(kernel, kind))], [x])
    with pytest.raises(Exception, match="nothing to quantize") as caught:
        quantize(model, [np.zeros((1, 4, 8, 8))])
    assert type(caught.value).__name__ == "NothingToQuantizeError"


def test_a_source_may_fill_one_buffer_again_and_again() -> None:
    x = image()
    model = ov.Model([conv(op.relu(conv(x, weights(4, 4, 3, 3))), weights(4, 4, 3, 3))], [x])
    data = [RNG.normal(size=(1, 4, 8, 8)).astype(np.float32) for _ in range(30)]

    def refilled() -> Any:
        buffer = np.empty((1, 4, 8, 8), np.float32)
        for each in data:
            buffer[:] = each
            yield buffer

    reports: list[Report] = []
    quantize(model, data, report=reports.append)
    quantize(model, refilled(), report=reports.append)
    assert reports[0].check == reports[1].check


def test_inputs_and_outputs_may_be_bfloat16() -> None:
    """The runtime's arrays of it say that they are float16."""
    x = op.parameter([1, 8, 6, 6], ov.Type.bf16, name="x")
    y = op.relu(conv(op.convert(x, "f32"), weights(8, 8, 3, 3)))
    model = ov.Model([op.result(op.convert(y, "bf16"))], [x], "m")
    arrays = [np.random.default_rng(k).normal(size=(1, 8, 6, 6)).astype(ml_dtypes.bfloat16) for k in range(12)]
    tensors = [ov.Tensor(ov.Type.bf16, each.shape) for each in arrays]
    for tensor, array in zip(tensors, arrays, strict=True):
        tensor.data[...] = array.view(np.float16)
    reports: list[Report] = []
    results = [quantize(model, data, report=reports.append) for data in (arrays, tensors)]
    assert all(report.check.execution and report.check.execution.int8 == 1 for report in reports)
    sample = tensors[0]
    wanted, *found = (
        ov.compile_model(each, "CPU")(sample)[0].view(ml_dtypes.bfloat16).astype(np.float32)
        for each in (model, *results)
    )
    assert all(sqnr([wanted], [each]) > 30 for each in found)
    assert np.array_equal(*found)


@pytest.mark.slow
@pytest.mark.parametrize(("tokens", "heads"), [(4, 4), (12, 12), (6, 4)])
def test_attention_with_as_many_tokens_as_heads_keeps_its_axes(tokens: int, heads: int) -> None:
    """The plugin merges attention into one kernel, which mistakes axes of equal size behind a FakeQuantize."""
    width, rng = heads * 8, np.random.default_rng(2)
    x = op.parameter([2, tokens, width], np.float32, name="x")

    def linear(data: Any) -> Any:
        return op.matmul(
            data, op.constant(rng.normal(0, 2 * width**-0.5, (width, width)).astype(np.float32)), False, True
        )

    def moved(data: Any, *order: int) -> Any:
        return op.transpose(op.reshape(linear(data), op.constant([0, 0, heads, 8]), True), op.constant([*order]))

    found = op.matmul(moved(x, 0, 2, 1, 3), moved(x, 0, 2, 3, 1), False, False)
    mixed = op.matmul(op.softmax(found, -1), moved(x, 0, 2, 1, 3), False, False)
    joined = op.reshape(op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([0, 0, width]), True)
    model = ov.Model([linear(joined)], [x])
    data = [rng.normal(size=(2, tokens, width)).astype(np.float32) for _ in range(12)]
    reports: list[Report] = []
    result = quantize(model, data, report=reports.append)
    assert cast(Execution, reports[0].check.execution).int8 == 6
    f32 = {"INFERENCE_PRECISION_HINT": "f32"}
    merged, apart = (
        [each[0] for each in map(ov.compile_model(result, "CPU", f32 | mode), data)]
        for mode in ({}, {"SNIPPETS_MODE": "DISABLE"})
    )
    assert sqnr(apart, merged) > 60
