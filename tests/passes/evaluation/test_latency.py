"""Latency: which modes there are, what counts as faster, and that models run in turn."""

from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes.evaluation import latency
from irquant.passes.evaluation.latency import (
    Latency,
    Mode,
    all_modes,
    falls,
    in_turn,
    measure_gain,
    measure_latencies,
    why_no_fall,
)
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import LATENCY, OWN_PRECISION, OWN_THROUGHPUT, THROUGHPUT
from irquant.passes.runtime.samples import Feed

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(3)


def noisy(median: float, rounds: int = 400) -> Array:
    return median * np.exp(0.05 * RNG.normal(size=rounds))


def test_percentiles_are_those_of_the_rounds() -> None:
    assert Latency.of(np.arange(101.0)) == Latency(50.0, 10.0, 90.0, 99.0)


@pytest.mark.parametrize(("after", "expected"), [(0.9, True), (0.99, False), (1.0, False), (1.2, False)])
def test_a_gain_beyond_the_noise_counts_and_no_other(after: float, *, expected: bool) -> None:
    assert falls(noisy(1.0), noisy(after)) is expected


def test_a_large_gain_in_few_wild_rounds_does_not_count() -> None:
    before, after = np.ones(6), np.array([0.2, 0.3, 0.4, 1.5, 0.5, 0.3])
    assert not falls(before, after)
    assert why_no_fall(before, after) == "too noisy to tell"


def test_load_that_hits_both_models_of_a_round_is_no_noise() -> None:
    load = np.exp(RNG.normal(size=200))
    assert falls(load, 0.95 * load)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("bf16", [("bf16", "latency"), ("f32", "latency"), ("bf16", "throughput"), ("f32", "throughput")]),
        ("f32", [("f32", "latency"), ("f32", "throughput")]),
    ],
)
def test_the_mode_of_users_without_options_comes_first(
    monkeypatch: pytest.MonkeyPatch, own: str, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(latency, "own_precision", lambda: own)
    modes = all_modes()
    assert [(each.precision, each.hint) for each in modes] == expected
    assert [each.is_default for each in modes] == [True] + [False] * (len(expected) - 1)


def test_a_mode_says_what_the_plugin_is_told() -> None:
    assert Mode("f32", "latency").properties == LATENCY
    assert Mode("f32", "throughput").properties == THROUGHPUT
    assert Mode("bf16", "latency").properties == OWN_PRECISION
    assert Mode("bf16", "throughput").properties == OWN_THROUGHPUT


class Recorded:
    """Writes down which model ran on what."""

    def __init__(self, name: str, runs: list[tuple[str, int]]) -> None:
        self.name, self.runs = name, runs

    def infer(self, feed: Feed) -> None:
        self.runs.append((self.name, int(feed["x"])))


def test_models_run_in_turn_and_in_all_orders() -> None:
    runs: list[tuple[str, int]] = []
    engines = cast(list[Engine], [Recorded(name, runs) for name in "ab"])
    feeds: list[list[Feed]] = [[{"x": np.array(number)}] * 2 for number in range(2)]
    warm: list[int] = []
    taken = in_turn(engines, feeds, 0.0, lambda: warm.append(len(runs)))
    assert taken.shape == (5, 2)
    assert warm == [4], "after two rounds that do not count"
    assert runs[:8] == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 0), ("b", 0), ("b", 1), ("a", 1)]


def test_two_models_are_measured_in_all_modes() -> None:
    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    kernel = RNG.normal(size=(4, 4, 3, 3)).astype(np.float32)
    graph = from_runtime(ov.Model([op.convolution(x, kernel, *[[1, 1]] * 4)], [x], "m"))
    feed: Feed = {"x": np.ones((1, 4, 8, 8), np.float32)}
    feeds = [(feed, feed)]
    found = measure_latencies(graph, graph.copy(), feeds, seconds=0.01)
    modes = [each.mode for each in found.each_mode]
    assert modes == all_modes()
    assert all(each.first.p10 <= each.first.median <= each.first.p90 <= each.first.p99 for each in found.each_mode)
    gain = measure_gain(graph, graph.copy(), feeds, seconds=0.01, in_all_modes=True)
    assert [each.mode for each in gain.each_mode] == modes
    assert measure_gain(graph, graph.copy(), feeds, seconds=0.01).others == ()
