"""Measures the latency of two models in turn, so that both run under the same load of the machine."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ...ir import Graph
from ...ir.ops import LAYER_TYPES
from ..analysis.layer_times import SlowLayer, layer_seconds, run_as_one, slower_layers
from ..runtime.engine import ONE_STREAM, PROFILING, Engine, Mark
from ..runtime.samples import Feed

_SECONDS, _FEWEST, _MOST, _WARM_UP = 5.0, 5, 1000, 2


@dataclass(frozen=True)
class Latency:
    """The latency of one model, in seconds.

    Attributes:
        median: The median over the inferences.
        p10: The fastest tenth took less.
    """

    median: float
    p10: float


@dataclass(frozen=True)
class Latencies:
    """The latencies of two models.

    Attributes:
        first: The first model's latency.
        second: The second model's latency.
        rounds: The number of inferences of each.
        threads: The number of threads that an inference could use; one inference ran at a time.
        slower: The layers that are slower in the second model, the costliest first; only for a float model and a
            quantized one.
    """

    first: Latency
    second: Latency
    rounds: int
    threads: int
    slower: tuple[SlowLayer, ...] = ()

    @property
    def ratio(self) -> float:
        """The speed-up of the second model, by the medians."""
        return self.first.median / self.second.median

    @property
    def is_no_faster(self) -> bool:
        """Whether the second model takes as long as the first or longer, by the medians and by the fastest tenths."""
        return self.second.median >= self.first.median and self.second.p10 >= self.first.p10


def measure_latencies(
    first: Graph, second: Graph, feeds: Sequence[tuple[Feed, Feed]], *, seconds: float = _SECONDS
) -> Latencies:
    """Runs both models in turn for some seconds.

    Args:
        first: One model.
        second: The other model.
        feeds: Samples as inputs of either model.
        seconds: The time to run, if that is enough for a few inferences.
    """
    return _timed(_compiled((first, second), ONE_STREAM), feeds, seconds)


def measure_gain(
    first: Graph, second: Graph, feeds: Sequence[tuple[Feed, Feed]], *, seconds: float = _SECONDS
) -> Latencies:
    """`measure_latencies` of a float model and its quantized form, with the layers that became slower."""
    engines = _compiled((first, second), ONE_STREAM | PROFILING)
    marks: list[list[Mark]] = []
    found = _timed(engines, feeds, seconds, lambda: marks.append([each.mark() for each in engines]))
    profiles = [engine.profile(mark) for engine, mark in zip(engines, marks[0], strict=True)]
    groups = run_as_one((node.name for node in first.nodes(*LAYER_TYPES)), *profiles)
    before, after = (layer_seconds(each, groups) for each in profiles)
    return replace(found, slower=tuple(slower_layers(first, before, after, found.first.median)))


def _compiled(models: Sequence[Graph], config: dict[str, str]) -> list[Engine]:
    """Compiles the models in parallel: each compilation keeps one core busy."""
    with ThreadPoolExecutor() as pool:
        compiling = [pool.submit(Engine, model, config) for model in models]
    return [each.result() for each in compiling]


def _timed(
    engines: Sequence[Engine],
    feeds: Sequence[tuple[Feed, Feed]],
    seconds: float,
    warmed_up: Callable[[], object] = lambda: None,
) -> Latencies:
    """Runs the models in turn; calls `warmed_up` before the inferences that count."""
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(times) < _WARM_UP + _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        if len(times) == _WARM_UP:
            warmed_up()
        one, other = feeds[len(times) % len(feeds)]
        times.append((_seconds(engines[0], one), _seconds(engines[1], other)))
    taken = np.array(times[_WARM_UP:])
    medians, tenths = np.median(taken, axis=0), np.quantile(taken, 0.1, axis=0)
    each = [Latency(float(median), float(p10)) for median, p10 in zip(medians, tenths, strict=True)]
    return Latencies(each[0], each[1], len(taken), engines[0].threads)


def _seconds(engine: Engine, feed: Feed) -> float:
    start = time.perf_counter()
    engine.infer(feed)
    return time.perf_counter() - start
