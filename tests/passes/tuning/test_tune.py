"""The search for layers that are faster in float, with times that the tests make up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import QuantizationConfig
from irquant.passes.evaluation.latency import Mode
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.executed import Executed
from irquant.passes.tuning import tune as tune_module
from irquant.passes.tuning.tune import MOST_MODELS, TuningTimes, tune
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
LAYERS = ["a", "b", "c", "d"]
#: Layer -> its milliseconds in float and in int8.
Times = Mapping[str, tuple[float, float]]
FAST: Times = dict.fromkeys(LAYERS, (4.0, 1.0))


def net() -> tuple[Graph, list[Array]]:
    """Four convolutions in a row."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    y = x.output(0)
    for name in LAYERS:
        kernel = rng.normal(size=(4, 4, 3, 3)).astype(np.float32)
        y = op.relu(op.convolution(y, kernel, *[[1, 1]] * 4, name=name)).output(0)
    return from_runtime(ov.Model([op.result(y)], [x], "m")), [
        rng.normal(size=(1, 4, 8, 8)).astype(np.float32) for _ in range(10)
    ]


@dataclass
class Machine:
    """Takes as long for a model as its layers in float and in int8 do.

    Attributes:
        times: What the profiles say.
        real: What the whole model takes, if that is something else than the profiles' sum.
        is_lucky: Whether the gains of trials are chance: all quantized models take the same time in the last race.
        compiled: The layers in int8 of each model that was compiled.
    """

    times: Times
    real: Callable[[set[str]], float] | None = None
    is_lucky: bool = False
    compiled: list[set[str]] = field(default_factory=list[set[str]])

    def compile(self, graph: Graph, mode: Mode) -> "Runner":
        """A model that runs here."""
        int8 = {name for name in LAYERS if graph.node(name).source(1).node.type != "Const"}
        self.compiled.append(int8)
        return Runner(self, int8)

    def in_turn(self, engines: Sequence["Runner"], feeds: object, seconds: float, warmed_up: object) -> Array:
        """The seconds of some rounds."""
        took = [each.seconds for each in engines]
        if self.is_lucky and len(engines) == 3:
            took[2] = took[1]
        return np.array([took] * 50)


@dataclass
class Runner:
    """A compiled model."""

    machine: Machine
    int8: set[str]
    mark: object = None
    threads: int = 2

    @property
    def engine(self) -> "Runner":
        return self

    @property
    def seconds(self) -> float:
        real = self.machine.real
        return real(self.int8) if real else sum(seconds for _, seconds in self.profile)

    @property
    def profile(self) -> list[tuple[Executed, float]]:
        nodes = [
            Executed(name, "Convolution", "", name, sources=tuple(LAYERS[:index][-1:]))
            for index, name in enumerate(LAYERS)
        ]
        return [(node, self.machine.times[node.name][node.name in self.int8] * 1e-3) for node in nodes]


def tuned(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> tuple[list[str], TuningTimes]:
    graph, samples = net()
    config = QuantizationConfig(guard=False)
    _, attempt, calibrated = quantize_once(graph, samples, load_target("cpu"), config)
    monkeypatch.setattr(tune_module, "_Runner", type("Fake", (), {"of": staticmethod(machine.compile)}))
    monkeypatch.setattr(tune_module, "in_turn", machine.in_turn)
    layers, times = tune(attempt, calibrated, 1.0)
    assert machine.compiled[:2] == [set(), set(LAYERS)], "the float model, then the quantized one"
    return list(layers), times


def milliseconds(*seconds: float) -> list[float]:
    return [round(each * 1e3, 6) for each in seconds]


def test_a_layer_that_int8_makes_slower_goes_back_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({**FAST, "c": (4.0, 9.0)})
    layers, times = tuned(monkeypatch, machine)
    assert layers == ["c"]
    assert machine.compiled[2:] == [{"a", "b", "d"}]
    (step,) = times.steps
    assert (step.layers, milliseconds(step.before, step.after), step.is_kept) == (("c",), [12, 7], True)
    assert milliseconds(times.float_model.median, times.int8.median, times.tuned.median) == [16, 12, 7]
    assert times.is_faster


def test_a_model_that_gains_everywhere_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, times = tuned(monkeypatch, machine := Machine(FAST))
    assert (layers, times.steps, len(machine.compiled)) == ([], (), 2)


def test_the_smallest_cut_comes_first_and_the_rest_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({**FAST, "a": (4.0, 12.0), "c": (4.0, 5.0), "d": (4.0, 5.0)})
    layers, times = tuned(monkeypatch, machine)
    assert [each.layers for each in times.steps] == [("a",), ("c", "d")]
    assert layers == ["a", "c", "d"]


def test_the_whole_model_decides_whatever_the_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = {**FAST, "b": (4.0, 9.0), "d": (4.0, 6.0)}
    machine = Machine(slower, lambda int8: 20e-3 - 2e-3 * ("b" in int8) + 3e-3 * ("d" in int8))
    layers, times = tuned(monkeypatch, machine)
    assert [(each.layers, each.is_kept) for each in times.steps][:2] == [(("b",), False), (("d",), True)]
    assert [each.why_dropped for each in times.steps][:2] == ["not faster in most rounds", ""]
    assert layers == ["d"]


def test_a_gain_within_the_noise_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({**FAST, "b": (4.0, 9.0)}, lambda int8: 20e-3 + 0.1e-3 * ("b" in int8))
    layers, times = tuned(monkeypatch, machine)
    assert (layers, [each.is_kept for each in times.steps]) == ([], [False] * len(times.steps))
    assert {each.why_dropped for each in times.steps} == {"faster by less than 2% in most rounds"}


def test_the_float_model_is_taken_if_nothing_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({**FAST, "b": (4.0, 9.0)}, lambda int8: 20e-3 if int8 else 10e-3)
    layers, times = tuned(monkeypatch, machine)
    assert layers == LAYERS
    assert (times.steps[-1].layers, times.steps[-1].is_kept) == (tuple(LAYERS), True)
    assert (times.tuned, times.is_faster) == (times.float_model, False)


def test_a_gain_that_the_last_race_does_not_confirm_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine({**FAST, "b": (4.0, 9.0)}, is_lucky=True)
    layers, times = tuned(monkeypatch, machine)
    assert (layers, [each.is_kept for each in times.steps]) == ([], [True])
    assert (times.is_confirmed, times.tuned) == (False, times.int8)


def test_no_more_models_are_compiled_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = {name: (4.0, 5.0 + 2 * number) for number, name in enumerate(LAYERS)}
    machine = Machine(gains, lambda int8: 1e-3 + len(int8) * 1e-6)
    layers, times = tuned(monkeypatch, machine)
    assert (layers, times.is_faster) == ([], False)
    assert 2 < len(machine.compiled) <= MOST_MODELS


def test_if_float_is_faster_only_clear_gains_stay_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions that no profile shows make small islands of int8 slow."""
    times = {"a": (4.0, 4.2), "b": (4.0, 3.99), "c": (4.0, 1.0), "d": (4.0, 20.0)}
    machine = Machine(times, lambda int8: 10e-3 + (4e-3 if "b" in int8 else 0) - (1e-3 if "c" in int8 else 0))
    layers, found = tuned(monkeypatch, machine)
    assert set(layers) >= {"b"}
    assert "c" not in layers
    assert found.is_faster
