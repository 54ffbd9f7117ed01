"""How long one inference of each of two models takes, in turn, so that both see the same machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...ir import Graph
from ...ir.ops import LAYER_TYPES
from ..calibration.samples import Feed
from ..layer_times import Profile, SlowLayer, layer_seconds, run_as_one, slower_layers
from ..runtime import ONE_STREAM, PROFILING, Engine

_SECONDS, _FEWEST, _MOST, _WARM_UP = 5.0, 5, 1000, 2
#: Called after an inference of both models, which it may ask for profiles.
Watch = Callable[[Engine, Engine], None]


@dataclass(frozen=True)
class Latency:
    """Of one model, in seconds.

    Attributes:
        median: Half of the inferences took less.
        p10: A tenth did.
    """

    median: float
    p10: float


@dataclass(frozen=True)
class Latencies:
    """Of two models.

    Attributes:
        first: The one.
        second: The other.
        rounds: How often each was run.
        threads: How many threads an inference could use; one ran at a time.
        slower: The layers that the second runs slower, the costliest first; only of a float model and a quantized one.
    """

    first: Latency
    second: Latency
    rounds: int
    threads: int
    slower: tuple[SlowLayer, ...] = ()

    @property
    def ratio(self) -> float:
        """How many times faster the second is, by the medians."""
        return self.first.median / self.second.median

    @property
    def is_no_faster(self) -> bool:
        """Whether the second takes as long as the first, or longer: by the medians, and by the fastest tenths."""
        return self.second.median >= self.first.median and self.second.p10 >= self.first.p10


def measure_latencies(
    first: Graph,
    second: Graph,
    feeds: Sequence[tuple[Feed, Feed]],
    *,
    seconds: float = _SECONDS,
    watch: Watch | None = None,
) -> Latencies:
    """Runs both models in turn for some seconds.

    Args:
        first: The one model.
        second: The other.
        feeds: Samples, as either model takes them.
        seconds: For how long, if that is enough for a few inferences.
        watch: Called after each time that both have run.
    """
    engines = [Engine(graph, ONE_STREAM | PROFILING if watch else ONE_STREAM) for graph in (first, second)]
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(times) < _WARM_UP + _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        one, other = feeds[len(times) % len(feeds)]
        times.append((_seconds(engines[0], one), _seconds(engines[1], other)))
        if watch:
            watch(engines[0], engines[1])
    taken = np.array(times[_WARM_UP:])
    medians, tenths = np.median(taken, axis=0), np.quantile(taken, 0.1, axis=0)
    each = [Latency(float(median), float(p10)) for median, p10 in zip(medians, tenths, strict=True)]
    return Latencies(each[0], each[1], len(taken), engines[0].threads)


def measure_gain(
    first: Graph, second: Graph, feeds: Sequence[tuple[Feed, Feed]], *, seconds: float = _SECONDS
) -> Latencies:
    """`measure_latencies` of a float model and what became of it, with the layers that became slower."""
    seen: list[tuple[Profile, Profile]] = []
    found = measure_latencies(
        first, second, feeds, seconds=seconds, watch=lambda one, other: seen.append((one.profile(), other.profile()))
    )
    groups = run_as_one((node.name for node in first.nodes(*LAYER_TYPES)), *seen[-1])
    before, after = ([layer_seconds(pair[k], groups) for pair in seen[_WARM_UP:]] for k in range(2))
    # What else the machine does only adds to a time: the fastest of the one over the usual of the other is no accident.
    slower = slower_layers(first, _over(before, np.median), _over(after, np.min), found.first.median)
    return replace(found, slower=tuple(slower))


def _over(times: Sequence[Mapping[str, float]], reduce: Callable[[list[float]], Any]) -> Mapping[str, float]:
    """One number for each layer."""
    names = dict.fromkeys(name for each in times for name in each)
    return {name: float(reduce([each.get(name, 0.0) for each in times])) for name in names}


def _seconds(engine: Engine, feed: Feed) -> float:
    start = time.perf_counter()
    engine.infer(feed)
    return time.perf_counter() - start
