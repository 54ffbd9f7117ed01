"""Layers that int8 makes slower: whose time is whose, when latency is measured, and what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Context, QuantizationConfig, Report
from irquant.passes.accuracy import device
from irquant.passes.analysis.layer_times import (
    LayerTime,
    SlowLayer,
    are_possible,
    in_both,
    joined_with_readers,
    layer_edges,
    layer_seconds,
    layer_times,
    looks_slow,
    originals,
    run_as_one,
    slower_layers,
    surely_slower,
)
from irquant.passes.evaluation import latency as latency_module
from irquant.passes.evaluation.latency import Latencies, Latency, Mode, measure_gain
from irquant.passes.evaluation.profiled_blocks import ProfiledBlocks
from irquant.passes.infra.execution import Asked
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.executed import Executed
from irquant.passes.runtime.modes import LATENCY
from irquant.targets import load_target
from irquant.tools.report.values import report_values
from tests.passes.beside_data import beside_data

Array = np.ndarray[Any, np.dtype[Any]]
LAYERS = ["conv", "up"]


def node(name: str, fused: str = "", kind: str = "Convolution") -> Executed:
    return Executed(name, kind, "", fused or name)


def net() -> tuple[Graph, list[Array]]:
    rng = np.random.default_rng(0)
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    kernel = rng.normal(size=(4, 4, 3, 3)).astype(np.float32)
    first = op.relu(op.convolution(x, kernel, *[[1, 1]] * 4, name="conv"))
    second = op.convolution(first, kernel, *[[1, 1]] * 4, name="up")
    samples = [rng.normal(size=(1, 4, 8, 8)).astype(np.float32) for _ in range(10)]
    return from_runtime(ov.Model([op.result(second)], [x], "m")), samples


def test_a_layer_pays_for_the_quantizers_on_its_inputs() -> None:
    profile = [
        (node("conv/DequantizationMultiply", "conv,relu"), 1.0),
        (node("any", "up/fq_weights_1/decompress", "Eltwise"), 4.0),
        (node("up_original"), 2.0),
        (node("up/fq_input_0", kind="FakeQuantize"), 0.5),
        (node("else", kind="Reorder"), 9.0),
    ]
    assert layer_seconds(profile, run_as_one(LAYERS, profile)) == {"conv": 1.0, "up": 6.5}


def test_a_layer_pays_for_what_prepares_its_input_and_the_last_one_for_what_follows() -> None:
    profile = [
        (Executed("x", "Input", ""), 0.1),
        (Executed("r", "Reorder", "", sources=("x",)), 0.2),
        (Executed("conv", "Convolution", "", sources=("r",)), 1.0),
        (Executed("pool", "Pooling", "", sources=("conv",)), 0.4),
        (Executed("up", "Convolution", "", sources=("pool",)), 2.0),
        (Executed("out", "Reorder", "", sources=("up",)), 0.5),
    ]
    found = layer_seconds(profile, run_as_one(LAYERS, profile))
    assert {name: round(seconds, 6) for name, seconds in found.items()} == {"conv": 1.3, "up": 2.9}


def test_layers_are_neighbours_past_what_is_between_them() -> None:
    nodes = [node("conv"), Executed("r", "Reorder", "", sources=("conv",)), Executed("up", "", "", sources=("r",))]
    assert layer_edges(nodes, {"conv": "conv", "up": "up"}) == {("conv", "up")}
    assert layer_edges(nodes, {"conv": "conv", "up": "conv"}) == set()


def test_layers_that_the_float_model_does_not_show_join_those_that_read_them() -> None:
    floats = [(node("up"), 1.0)]
    quantized = [(node("conv"), 1.0), (Executed("up", "", "", sources=("conv",)), 1.0)]
    own = {name: name for name in LAYERS}
    assert joined_with_readers(own, floats, quantized) == {"conv": "up", "up": "up"}
    assert joined_with_readers(own, quantized, quantized) == own


def test_layers_that_one_of_the_models_runs_as_one_are_compared_together() -> None:
    joined, apart = [(node("conv", "conv,up"), 5.0)], [(node("conv"), 1.0), (node("up"), 2.0)]
    groups = run_as_one(LAYERS, joined, apart)
    assert [layer_seconds(each, groups) for each in (joined, apart)] == [{"conv": 5.0}, {"conv": 3.0}]


def test_names_may_hold_the_commas_that_join_them() -> None:
    assert list(originals(node("x", "a, b,relu"), {"a, b"})) == ["a, b"]


def test_a_slower_layer_takes_longer_by_a_share_and_by_what_is_notable() -> None:
    graph, _ = net()
    slow = slower_layers(graph, {"conv": 1.0, "up": 0.2}, {"conv": 3.0, "up": 0.9}, 10.0)
    assert slow == [SlowLayer("conv", "Convolution", 1.0, 3.0), SlowLayer("up", "Convolution", 0.2, 0.9)]
    assert slower_layers(graph, {"conv": 1.0}, {"conv": 1.19}, 1.0) == []
    assert slower_layers(graph, {"conv": 0.01}, {"conv": 0.1}, 10.0) == []
    assert slower_layers(graph, {"conv": 1.0}, {}, 1.0) == [], "it was fused into another"


def test_only_layers_that_are_slower_twice_count_with_the_smaller_loss() -> None:
    one, two = SlowLayer("conv", "Convolution", 1.0, 9.0), SlowLayer("up", "Convolution", 1.0, 4.0)
    again = [SlowLayer("up", "Convolution", 1.0, 3.0), SlowLayer("other", "MatMul", 1.0, 9.0)]
    assert in_both([one, two], again) == [SlowLayer("up", "Convolution", 1.0, 3.0)]
    assert in_both([one], []) == []


@pytest.mark.parametrize(
    ("loss", "expected"),
    [((1.0, 4.0), True), ((0.1, 8.5), False), ((0.1, 12.0), False)],
    ids=["the others make up for it", "they would be twelve times as fast", "longer than the model"],
)
def test_losses_must_fit_to_the_time_of_the_whole_model(loss: tuple[float, float], *, expected: bool) -> None:
    assert are_possible([SlowLayer("up", "Convolution", *loss)], 10.0, 9.3) is expected


@pytest.mark.parametrize(("again", "expected"), [(1.0, []), (3.0, ["up"])])
def test_a_loss_that_a_second_measurement_does_not_show_is_not_told(
    monkeypatch: pytest.MonkeyPatch, again: float, expected: list[str]
) -> None:
    graph, samples = net()
    feed = {"x": samples[0]}
    taken = iter([[LayerTime(("up",), 1.0, 3.0)], [LayerTime(("up",), 1.0, again)]])
    monkeypatch.setattr(latency_module, "layer_times", lambda *_: next(taken))
    timed: Any = latency_module._timed  # pyright: ignore[reportPrivateUsage]

    def as_long(*given: object) -> Latencies:
        timed(*given)
        return latencies(latency(5.0, 5.0), latency(6.0, 6.0))

    monkeypatch.setattr(latency_module, "_timed", as_long)
    found = measure_gain(graph, graph, [(feed, feed)], seconds=0.01)
    assert [each.name for each in found.slower] == expected


@pytest.mark.parametrize(
    ("executed", "expected"),
    [({"conv": 3e-3, "up": 1e-3}, False), ({"conv": 9e-3, "up": 0.5e-3}, True), ({"conv": 1e-3, "up": 5e-3}, True)],
    ids=["clearly faster", "hardly faster", "one layer slower"],
)
def test_the_first_look_takes_the_emulation_without_its_quantizers_for_the_float_model(
    executed: dict[str, float], *, expected: bool
) -> None:
    graph, _ = net()
    emulated = [(node("conv"), 8e-3), (node("up"), 2e-3), (node("up/fq_input_0", kind="FakeQuantize"), 50e-3)]
    assert looks_slow(emulated, [(node(name), seconds) for name, seconds in executed.items()], graph) is expected


def test_models_as_short_as_a_call_are_not_looked_at() -> None:
    graph, _ = net()
    assert not looks_slow([(node("conv"), 0.9e-3)], [(node("conv"), 5e-3)], graph)


def test_the_layers_of_two_models_are_timed_by_their_names() -> None:
    graph, samples = net()
    feed = {"x": samples[0]}
    found = measure_gain(graph, graph, [(feed, feed)], seconds=0.2)  # means of whole microseconds
    assert (found.rounds >= 5, found.first.median > 0) == (True, True)
    assert [each.names for each in found.layers] == [("conv",), ("up",)]
    assert all(each.before > 0 < each.after for each in found.layers)


def test_layers_that_run_as_one_have_one_time_and_those_that_are_not_shown_have_none() -> None:
    groups = {"a": "a", "b": "a", "c": "c"}
    assert layer_times(groups, [{"a": 3.0, "c": 1.0}], [{"a": 2.0}]) == [LayerTime(("a", "b"), 3.0, 2.0)]


@pytest.mark.parametrize(
    ("after", "median", "is_sure"),
    [
        ([4.0, 4.5, 4.2, 4.1, 4.3], 4.2, True),
        ([0.04, 0.05, 90.0, 0.04, 0.04], 0.04, False),  # one block was disturbed
        ([1.2, 0.9, 1.4, 1.3, 1.5], 1.3, False),
        ([0.5, 0.4, 0.9, 0.6, 0.5], 0.5, True),
    ],
)
def test_the_time_of_a_layer_is_a_median_and_unsure_where_blocks_disagree(
    after: list[float], median: float, *, is_sure: bool
) -> None:
    blocks = [{"up": each} for each in after]
    (time,) = layer_times({"up": "up"}, [{"up": 1.0}] * 5, blocks)
    assert time == LayerTime(("up",), 1.0, median, is_sure)
    graph, _ = net()
    named = [each.name for each in surely_slower(graph, [time], 10.0)]
    assert named == (["up"] if is_sure and median > 1.2 else [])


class Profiled:
    """An engine whose only node takes as long as the block number says."""

    def __init__(self) -> None:
        self.inferences = 0

    def mark(self) -> int:
        return self.inferences

    def profile(self, since: int, until: int) -> tuple[int, int]:
        return since, until


@pytest.mark.parametrize(
    ("rounds", "seconds", "ends"),
    [(5, 0.0, [1, 2, 3, 4, 5]), (3, 0.0, [1, 2, 3]), (1000, 1e9, [200, 400, 600, 800, 1000]), (7, 1e9, [7])],
)
def test_rounds_are_profiled_in_blocks(rounds: int, seconds: float, ends: list[int]) -> None:
    engine: Any = Profiled()
    blocks = ProfiledBlocks([engine], seconds, 1000)
    blocks.begin()
    for _ in range(rounds):
        engine.inferences += 1
        blocks.done()
    profiles: Any = blocks.profiles()
    assert profiles == [[*pairwise([0, *ends])]]


@dataclass
class Request:
    """Takes as long for an inference as its input says, and tells means of all of them, as the plugin does."""

    took: list[float] = field(default_factory=list[float])

    def infer(self, feed: Mapping[int, Array]) -> None:
        self.took.append(float(feed[0]))

    def get_profiling_info(self) -> list[SimpleNamespace]:
        mean = timedelta(seconds=sum(self.took) / len(self.took))
        return [SimpleNamespace(node_name="relu", real_time=mean)]


def test_a_profile_is_of_the_inferences_since_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first inference prepares much that the next ones find."""
    x = op.parameter([1], np.float32, name="x")
    engine = Engine(from_runtime(ov.Model([op.relu(x, name="relu")], [x], "m")), LATENCY)
    monkeypatch.setattr(engine, "_lane", SimpleNamespace(request=Request(), last=None))
    engine.infer({"x": np.array(9.0)})
    mark = engine.mark()
    for seconds in (1.0, 2.0):
        engine.infer({"x": np.array(seconds)})
    assert {node.name: seconds for node, seconds in engine.profile(mark)}["relu"] == pytest.approx(1.5)


def reported(monkeypatch: pytest.MonkeyPatch, found: Latencies, *, slow: bool, shape: str = "") -> Report:
    """A run that finds what is given, perhaps of a model with other sizes."""
    ask = device.ask

    def asked(graph: Graph, context: Context, floats: device.RunFloat, **options: Any) -> device.Answer:
        answer = ask(graph, context, floats, **options)
        return replace(answer, asked=replace(answer.asked or Asked(), looks_slow=slow))

    monkeypatch.setattr(device, "ask", asked)
    monkeypatch.setattr(latency_module, "measure_gain", lambda *_, **__: found)
    graph, samples = net()
    if shape:
        model = to_runtime(graph)
        model.reshape(ov.PartialShape(shape))
        graph = from_runtime(model)
    return quantize_graph(graph, samples, load_target("cpu"), QuantizationConfig())[1]


SLOW = SlowLayer("up", "Convolution", 1e-3, 4e-3)
MODE = Mode("bf16", "latency", is_default=True)


def latency(median: float, p10: float) -> Latency:
    return Latency(median, p10, 1.1 * median, 1.2 * median)


def latencies(first: Latency, second: Latency, *slower: SlowLayer) -> Latencies:
    return Latencies(first, second, 9, 2, MODE, slower=slower)


def test_what_is_not_faster_is_told_with_the_layers_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    report = reported(monkeypatch, latencies(latency(5e-3, 4e-3), latency(6e-3, 5e-3), SLOW), slow=True)
    assert beside_data(report)[-2:] == (
        "the INT8 model is not faster here: 6.00 ms an inference, the float model 5.00 ms (medians of 9 in turn, 2 threads)",
        "1 layer runs slower in int8 than in float here: Convolution 'up' 1.00 -> 4.00 ms; tune=True finds the "
        "layers that are faster in float",
    )
    monkeypatch.setenv("IRQUANT_THREADS", "1")
    monkeypatch.setattr("irquant.passes.reporting.report.cores", lambda: 4)
    monkeypatch.setattr("irquant.passes.runtime.core.cores", lambda: 4)
    beside = reported(monkeypatch, latencies(latency(5e-3, 4e-3), latency(6e-3, 5e-3), SLOW), slow=True)
    shared = "2 threads of 4 cores, others may be busy: measure it alone"
    assert beside.warnings[-2:] == (
        f"the INT8 model may be no faster here: 6.00 ms an inference, the float model 5.00 ms (medians of 9 in turn, {shared})",
        f"1 layer may run slower in int8 than in float here ({shared}): Convolution 'up' 1.00 -> 4.00 ms; tune=True finds the "
        "layers that are faster in float",
    )
    values = report_values(report, "m.xml", "m_int8.xml")["latency"]
    assert values == {
        "before_ms": 5.0,
        "after_ms": 6.0,
        "faster": False,
        "unclear": False,
        "modes": [
            {
                "precision": "bf16",
                "hint": "latency",
                "default": True,
                "first": {"median_ms": 5.0, "p10_ms": 4.0, "p90_ms": 5.5, "p99_ms": 6.0},
                "second": {"median_ms": 6.0, "p10_ms": 5.0, "p90_ms": 6.6, "p99_ms": 7.2},
                "speedup": 0.833,
                "rounds": 9,
                "at_once": 1,
                "threads": 2,
            }
        ],
        "rounds": 9,
        "threads": 2,
        "slower_layers": [{"name": "up", "type": "Convolution", "before_ms": 1.0, "after_ms": 4.0}],
    }


def test_sizes_that_are_not_fixed_are_told_with_a_model_that_is_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = latencies(latency(5e-3, 4e-3), latency(6e-3, 5e-3))
    (warning,) = beside_data(reported(monkeypatch, slow, slow=True, shape="[?,4,?,?]"))
    assert "is [?,4,?,?], and int8 may be slower for sizes that are not fixed: if yours are, give the model" in warning
    for shape in ("", "[?,4,8,8]"):
        (warning,) = beside_data(reported(monkeypatch, slow, slow=True, shape=shape))
        assert "fixed" not in warning


def test_a_call_that_takes_next_to_nothing_is_no_reason_to_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    report = reported(monkeypatch, latencies(latency(5e-5, 4e-5), latency(6e-5, 5e-5)), slow=True)
    assert not beside_data(report)


@pytest.mark.parametrize("after", [latency(3e-3, 2e-3), latency(6e-3, 3e-3), latency(4e-3, 5e-3)])
def test_one_unlucky_number_is_no_reason_to_warn(monkeypatch: pytest.MonkeyPatch, after: Latency) -> None:
    report = reported(monkeypatch, latencies(latency(5e-3, 4e-3), after), slow=True)
    assert (beside_data(report), report.latencies is not None) == ((), True)


def test_times_that_scatter_are_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    wild = replace(latency(6e-3, 5e-3), p90=30e-3)
    report = reported(monkeypatch, latencies(latency(5e-3, 4e-3), wild), slow=True)
    assert beside_data(report)[-1] == (
        "the INT8 model may be no faster here: 6.00 ms an inference, the float model 5.00 ms "
        "(medians of 9 in turn, 2 threads; the times scatter too much to be sure)"
    )
    values = report_values(report, "m.xml", "m_int8.xml")["latency"]
    assert (values["faster"], values["unclear"]) == (False, True)


def test_what_is_clearly_faster_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    report = reported(monkeypatch, latencies(latency(1, 1), latency(9, 9)), slow=False)
    assert (beside_data(report), report.latencies) == ((), None)
    assert report_values(report, "m.xml", "m_int8.xml")["latency"] is None
