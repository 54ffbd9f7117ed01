"""The device is asked whether it computes what the FakeQuantizes mean, in f32, in its own precision and with one thread."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array, Graph
from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy import device
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs
from irquant.passes.analysis.picked_by import PickedBy
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.core import THREADS, own_precision
from irquant.passes.runtime.emulation import quantize_by_tensor
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.loaded import Loaded
from irquant.passes.runtime.modes import (
    ALL_THREADS,
    EMULATION,
    INSPECTION,
    LATENCY,
    ONE_THREAD,
    ONE_THREAD_F32,
    OWN_PRECISION,
    PROFILING,
    THROUGHPUT,
)
from irquant.passes.runtime.samples import Sample, ValidationSample
from irquant.targets import Target, load_target
from tests.passes.beside_data import beside_data
from tests.passes.doubled_by_if import doubled_by_if

RNG = np.random.default_rng(0)


def learned_queries() -> tuple[ov.Model, list[Array]]:
    """One product around the softmax has constants, and as many tokens as numbers a head: 8."""
    x = op.parameter([1, 2, 8, 8], np.float32)
    queries = op.constant(RNG.normal(size=(1, 2, 4, 8)).astype(np.float32))
    mixed = op.matmul(op.softmax(op.matmul(queries, x, False, True), -1), op.relu(x), False, False)
    return ov.Model([op.result(mixed)], [x], "m"), [RNG.normal(size=(1, 2, 8, 8)).astype(np.float32) for _ in range(12)]


def careless() -> Target:
    """The CPU as if it could run one of the products around a softmax in int8 and the other in bf16."""
    rules = tuple(rule.model_copy(update={"mixes_up_products": False}) for rule in load_target("cpu").rules)
    return load_target("cpu").model_copy(update={"rules": rules})


def spoilt_with(config: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, a model with FakeQuantizes gives zeros with these properties."""
    run = device.run_with

    def run_with(given: dict[str, str], model: Loaded, samples: Sequence[ValidationSample]) -> device.Run:
        found, failure = run(given, model, samples)
        is_rounded = any(node.get_type_name() == "FakeQuantize" for node in model.model.get_ops())
        is_spoilt = given == config and is_rounded
        return ([[np.zeros_like(each) for each in outputs] for outputs in found] if is_spoilt else found), failure

    monkeypatch.setattr(device, "run_with", run_with)


def test_what_is_wrong_in_bf16_alone_is_left_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "own_precision", lambda: "bf16")
    spoilt_with(OWN_PRECISION, monkeypatch)
    model, samples = learned_queries()
    graph, report = quantize_graph(from_runtime(model), samples, careless(), QuantizationConfig(guard=False))
    assert [each.rpartition(": ")[2] for each in beside_data(report)] == [
        f"{device.OTHERWISE}, {device.IN_OWN_PRECISION.format('bf16')}"
    ]
    assert not graph.in_file_order("FakeQuantize")


def small_products() -> tuple[ov.Model, list[Array]]:
    """Two small products with something element-wise in between: with one thread, the plugin merges them."""
    size = 16
    x = op.parameter([1, size], np.float32)
    first = op.relu(op.matmul(x, op.constant(RNG.normal(0, 0.25, (size, size)).astype(np.float32)), False, True))
    scaled = op.multiply(first, op.constant(RNG.uniform(0.5, 2, (1, size)).astype(np.float32)))
    second = op.matmul(scaled, op.constant(RNG.normal(0, 0.25, (size, size)).astype(np.float32)), False, True)
    model = ov.Model([op.result(op.add(second, op.constant(np.float32(1))))], [x], "m")
    return model, [RNG.normal(size=(1, size)).astype(np.float32) for _ in range(24)]


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The properties with which models run from now on, besides those of every check."""
    asked, run = list[dict[str, str]](), device.run_with

    def run_with(config: dict[str, str], *others: Any) -> device.Run:
        asked.append(config)
        return run(config, *others)

    monkeypatch.setattr(device, "run_with", run_with)
    return asked


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_small_products_are_also_run_with_one_thread_in_each_precision(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPUs without bf16 take f32 with one thread, even if this one does not."""
    monkeypatch.setenv(THREADS, "2")
    monkeypatch.setattr(device, "own_precision", lambda: precision)
    asked = recorded(monkeypatch)
    model, samples = small_products()
    quantize_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig(guard=False))
    assert ONE_THREAD in asked
    assert (ONE_THREAD_F32 in asked) == (precision != "f32")


@pytest.mark.parametrize(("heads", "is_small"), [(4, True), (12, False)])
def test_a_small_attention_is_also_run_with_one_thread(
    heads: int, is_small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more heads, the plugin merges it with any number of threads."""
    monkeypatch.setenv(THREADS, "2")
    asked = recorded(monkeypatch)
    width = 8 * heads

    def operand() -> ov.Node:
        weights = op.constant(RNG.normal(0, 0.25, (width, width)).astype(np.float32))
        split = op.reshape(op.matmul(x, weights, False, True), op.constant([0, 0, heads, 8]), True)
        return op.transpose(split, op.constant([0, 2, 1, 3]))

    x = op.parameter([1, 16, width], np.float32)
    scores = op.matmul(operand(), operand(), False, True)
    model = ov.Model([op.result(op.matmul(op.softmax(scores, -1), operand(), False, False))], [x], "m")
    samples = [RNG.normal(size=(1, 16, width)).astype(np.float32) for _ in range(24)]
    quantize_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig(guard=False))
    assert (ONE_THREAD in asked) == is_small


def test_what_is_wrong_with_one_thread_alone_is_left_float(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two products that the plugin merges do not give the result of the two."""
    monkeypatch.setenv(THREADS, "2")
    model, samples = small_products()
    reports: list[Report] = []
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    wanted = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = ov.compile_model(quantized, "CPU", {"INFERENCE_NUM_THREADS": "1"})
    assert sqnr([wanted(each)[0].copy() for each in samples], [found(each)[0].copy() for each in samples]) > 25
    reasons = {each.rpartition(": ")[2] for each in beside_data(reports[0])}
    assert reasons <= {f"{device.OTHERWISE}, {device.WITH_ONE_THREAD}"}, "a runtime that merges them rightly needs none"


@pytest.mark.skipif(own_precision() == "f32", reason="this device computes in f32 if nobody asks for another precision")
def test_a_float_model_that_is_lost_in_that_precision_is_told() -> None:
    """In bf16, the plugin mistakes the axes of float attention with as many tokens as heads."""
    size, width = 4, 64

    def linear(data: ov.Node) -> ov.Node:
        return op.matmul(data, op.constant(RNG.normal(0, 0.25, (width, width)).astype(np.float32)), False, True)

    def heads(order: list[int]) -> ov.Node:
        return op.transpose(op.reshape(linear(x), op.constant([0, 0, size, 16]), True), op.constant(order))

    x = op.parameter([2, size, width], np.float32)
    found = op.matmul(heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), False, False, name="scores")
    mixed = op.matmul(op.softmax(found, -1), heads([0, 2, 1, 3]), False, False, name="mixed")
    joined = op.reshape(op.transpose(mixed, op.constant([0, 2, 1, 3])), op.constant([0, 0, width]), True)
    model = ov.Model([op.result(linear(joined), name="y")], [x], "m")
    samples = [RNG.normal(size=(2, size, width)).astype(np.float32) for _ in range(12)]
    config = QuantizationConfig.checked(guard=False, ignored={"scope": ["scores", "mixed"]})
    _, report = quantize_graph(from_runtime(model), samples, load_target("cpu"), config)
    (warning,) = beside_data(report)
    assert re.sub(r"-?\d+\.\d dB", "# dB", warning) == (
        f"in {own_precision()}, the device's own precision, the float model itself gives # dB at output 'y' (its results "
        "in f32 are the reference): run it, and the INT8 model, with INFERENCE_PRECISION_HINT=f32"
    )


def test_nobody_asks_twice_where_that_precision_is_f32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "own_precision", lambda: "f32")
    monkeypatch.setenv(THREADS, "1")
    monkeypatch.setattr(device, "cores", lambda: 1)
    model, samples = learned_queries()
    _, report = quantize_graph(from_runtime(model), samples, careless(), QuantizationConfig(guard=False))
    assert beside_data(report) == ()


def test_fewer_threads_than_cores_are_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "own_precision", lambda: "f32")
    monkeypatch.setenv(THREADS, "1")
    monkeypatch.setattr(device, "cores", lambda: 2)
    spoilt_with(ALL_THREADS, monkeypatch)
    model, samples = learned_queries()
    _, report = quantize_graph(from_runtime(model), samples, careless(), QuantizationConfig(guard=False))
    assert [warning.rpartition(", ")[2] for warning in beside_data(report)] == ["with all threads"]


def test_a_model_that_is_wrong_only_where_all_layers_are_shown_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody runs it like this; the attention of a generated network was wrong with SNIPPETS_MODE=DISABLE alone."""
    monkeypatch.setattr(device, "own_precision", lambda: "bf16")
    outputs, asked = Engine.outputs, list[str]()

    def spoilt(self: Engine, sample: ValidationSample) -> Sequence[Array]:
        found = outputs(self, sample)
        asked.append(self._config.get("SNIPPETS_MODE", ""))
        return [np.zeros_like(each) for each in found] if asked[-1] else found

    monkeypatch.setattr(Engine, "outputs", spoilt)
    weights = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    x = op.parameter([1, 3, 8, 8], np.float32)
    model = ov.Model([op.result(op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1]))], [x], "m")
    samples = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
    _, report = quantize_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig(guard=False))
    assert "DISABLE" in asked
    assert [layer.is_int8 for layer in report.layers] == [True]
    assert beside_data(report) == ()


@pytest.mark.parametrize(
    ("precision", "executed"),
    [("f32", [LATENCY | PROFILING]), ("bf16", [INSPECTION | PROFILING, OWN_PRECISION])],
)
def test_a_right_model_is_compiled_once_for_each_question(
    precision: str, executed: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To measure ranges, as it runs in f32, with FakeQuantizes in float, and in the device's own precision."""
    monkeypatch.setattr(device, "own_precision", lambda: precision)
    compiled: list[dict[str, str]] = []
    make = Engine.__init__

    def counted(self: Engine, model: Graph, config: dict[str, str]) -> None:
        compiled.append(config)
        make(self, model, config)

    monkeypatch.setattr(Engine, "__init__", counted)
    weights = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
    x = op.parameter([1, 3, 8, 8], np.float32)
    convolution = op.convolution(x, op.constant(weights), [1, 1], [0, 0], [0, 0], [1, 1])
    samples = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
    quantize_graph(from_runtime(ov.Model([convolution], [x], "m")), samples, load_target("cpu"), QuantizationConfig())
    wanted = [THROUGHPUT, EMULATION | PROFILING, *executed]
    assert sorted(map(str, compiled)) == sorted(map(str, wanted))


def test_an_exact_output_does_not_hide_a_wrong_one() -> None:
    """One that nothing rounded goes into is exact as meant, and a float off as executed: infinitely far apart."""
    exact, other = RNG.normal(size=(2, 1, 64)).astype(np.float32)
    outputs = Outputs(tuple(Output(name, OutputKind.VALUES, (k,)) for k, name in enumerate(("exact", "other"))))
    samples = [ValidationSample(Sample("sample 0", {}), {}, [exact, other])]
    meant, made = [[exact, other + np.float32(0.01)]], [[np.nextafter(exact, np.float32(9)), -other]]
    found = device.compared(outputs, samples, meant, made)
    assert (found.output, found.wrong) == ("other", device.OTHERWISE)


@pytest.mark.parametrize("is_concentrated", [True, False])
def test_errors_that_are_in_one_number_scatter_as_one_number(is_concentrated: bool) -> None:
    """Of eight pairs of probabilities, seven are decided: the error is that of the eighth, be it of any size."""
    outputs = Outputs((Output("probabilities", OutputKind.VALUES, (0,)),))
    wanted = np.array([[0.0, 1.0]] * 7 + [[0.25, 0.75]], np.float32)
    weights = np.array([[0.0, 0.0]] * 7 + [[1, -1]]) if is_concentrated else np.array([[0.5, -0.5]] * 4 + [[0, 0]] * 4)
    samples = [ValidationSample(Sample(f"sample {k}", {}), {}, [row]) for k, row in enumerate(wanted)]
    meant, made = ([[row] for row in (wanted + factor * weights).astype(np.float32)] for factor in (0.01, 0.03))
    assert bool(device.compared(outputs, samples, meant, made).wrong) != is_concentrated


def test_an_error_everywhere_is_no_scatter_of_the_one_number_that_was_expected_to_be_off() -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),))
    wanted = RNG.normal(size=(1, 1000)).astype(np.float32)
    meant = wanted + np.float32(0.01) * RNG.normal(size=wanted.shape).astype(np.float32)
    meant[0, 0] += 2
    made = wanted + np.float32(0.4) * RNG.normal(size=wanted.shape).astype(np.float32)
    samples = [ValidationSample(Sample("sample 0", {}), {}, [wanted])]
    assert device.compared(outputs, samples, [[meant]], [[made]]).wrong


def selected(boxes: Sequence[Array], made: Sequence[Array], blurred: Sequence[Array] = ()) -> bool:
    """Whether boxes are found wrong; the scores in front of the selection are as they should be."""
    scores = RNG.normal(size=200).astype(np.float32)
    outputs = Outputs((Output("boxes", OutputKind.DETECTIONS, (1,)),))
    samples = [ValidationSample(Sample(f"sample {n}", {}), {}, [each, scores]) for n, each in enumerate(boxes)]
    found = ([[each, scores] for each in some] for some in (boxes, made, blurred))
    return bool(device.compared(outputs, samples, *found).wrong)


BOXES = [RNG.normal(size=(64, 4)).astype(np.float32), RNG.normal(size=(60, 4)).astype(np.float32)]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [(lambda x: x[::-1], False), (lambda x: 1 + np.abs(x), True), (lambda x: x * np.float32(np.nan), True)],
    ids=["in another order", "something else", "NaN"],
)
def test_what_is_computed_behind_a_selection_is_compared_in_any_order(
    *, change: Callable[[Array], Array], wrong: bool
) -> None:
    assert selected(BOXES, [change(each) for each in BOXES]) is wrong


def test_rows_in_the_order_of_a_selection_are_compared_in_ascending_order() -> None:
    """Two nearly equal scores that swap are no fault of the device."""
    outputs = Outputs((Output("logits", OutputKind.VALUES, (0,)),), rows={0: 0})
    samples = [ValidationSample(Sample("sample 0", {}), {}, [BOXES[0]])]
    swapped, wrong = BOXES[0][::-1], 1 + np.abs(BOXES[0])
    assert not device.compared(outputs, samples, [[BOXES[0]]], [[swapped]]).wrong
    assert device.compared(outputs, samples, [[BOXES[0]]], [[wrong]]).wrong


@pytest.mark.parametrize(
    ("common", "scale", "wrong"),
    [(9, 1.0, False), (9, 1.1, True), (2, 1.0, True)],
    ids=["a swapped row", "wrong rows", "few are the same"],
)
def test_rows_that_not_all_models_picked_are_no_fault_of_the_device(*, common: int, scale: float, wrong: bool) -> None:
    """As long as most rows are there."""
    rng = np.random.default_rng(0)
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),), rows={0: 1}, picked_by={0: PickedBy(1, 1)})
    rows, indices = rng.normal(size=(1, 10, 8)), np.arange(10)[np.newaxis]
    samples = [ValidationSample(Sample("sample 0", {}), {}, [rows, indices])]
    made, others = scale * rows, indices.copy()
    made[:, common:], others[:, common:] = 9, 70 + indices[:, common:]
    meant = [rows * 1.01, indices]
    assert bool(device.compared(outputs, samples, [meant], [[made, others]]).wrong) is wrong


def test_a_sample_with_another_number_of_boxes_says_nothing_the_others_do() -> None:
    assert selected(BOXES, [1 + np.abs(BOXES[0]), BOXES[1][:-1]])
    assert not selected(BOXES, [BOXES[0], BOXES[1][:-1]])


def test_what_the_precision_loses_behind_a_selection_is_no_fault_of_int8() -> None:
    lost = [1 + np.abs(each) for each in BOXES]
    assert not selected(BOXES, lost, lost)


def test_a_box_of_few_that_another_one_replaces_is_no_fault() -> None:
    few = [each[:3] for each in BOXES]
    assert not selected(few, [np.concatenate([each[:2], 9 * each[2:]]) for each in few])


@pytest.mark.parametrize(
    ("made", "wrong"), [(np.nan, True), (-5.0, True), (0.8, False)], ids=["NaN", "nothing is left", "something is left"]
)
def test_where_that_precision_leaves_little_something_must_be_left(*, made: float, wrong: bool) -> None:
    """The float model has 14 dB in it."""
    wanted = RNG.normal(size=64).astype(np.float32)
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),))
    samples = [ValidationSample(Sample("sample 0", {}), {}, [wanted])]
    found = device.compared(outputs, samples, [[wanted]], [[wanted * np.float32(made)]], [[wanted * np.float32(0.8)]])
    assert bool(found.wrong) is wrong


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_ranges_by_channel_are_emulated_by_tensor(kind: type[np.floating]) -> None:
    x = op.parameter([1, 3, 4, 5], kind)
    ends = [RNG.uniform(0.5, 2, size=(1, 3, 1, 1)).astype(kind) for _ in range(2)]
    before = ov.Model([op.result(op.fake_quantize(x, -ends[0], ends[1], -ends[0], ends[1], 256))], [x], "m")
    after = before.clone()
    assert quantize_by_tensor(after) == 1
    data = RNG.normal(size=(1, 3, 4, 5)).astype(kind)
    one, other = (
        ov.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(data)[0] for each in (before, after)
    )
    np.testing.assert_allclose(other, one, atol=0.02)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_first_inference_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch, *, is_lost: bool) -> None:
    """An If with outputs of dynamic sizes: the plugin may lose them in the first inference, and not in the next."""
    x, flag = op.parameter([-1, 8, 6], np.float32), op.parameter([], np.bool_)
    chosen = doubled_by_if(x, flag)
    weights = op.constant(RNG.normal(size=(16, 8, 3)).astype(np.float32))
    model = ov.Model([op.result(op.convolution(chosen, weights, [1], [1], [1], [1]))], [x, flag])
    samples = [[RNG.normal(size=(2, 8, 6)).astype(np.float32), np.array(True)] for _ in range(12)]

    def cold(engine: Engine, sample: ValidationSample) -> list[Array]:
        return [each * (not is_lost) for each in engine.outputs(sample)]

    monkeypatch.setattr(device, "_cold", cold)
    _, report = quantize_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig(guard=False))
    assert (device.WARM_UP in beside_data(report)) is is_lost
