"""How long one inference of each of two models takes, in turn, so that both see the same machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Graph
from ..calibration.samples import Feed
from ..runtime import ONE_STREAM, Engine

_SECONDS, _FEWEST, _MOST, _WARM_UP = 5.0, 5, 1000, 2


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
    """

    first: Latency
    second: Latency
    rounds: int
    threads: int

    @property
    def ratio(self) -> float:
        """How many times faster the second is, by the medians."""
        return self.first.median / self.second.median


def measure_latencies(first: Graph, second: Graph, feeds: Sequence[tuple[Feed, Feed]]) -> Latencies:
    """Runs both models in turn for some seconds.

    Args:
        first: The one model.
        second: The other.
        feeds: Samples, as either model takes them.
    """
    engines = [Engine(graph, ONE_STREAM) for graph in (first, second)]
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _WARM_UP + _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        one, other = feeds[len(times) % len(feeds)]
        times.append((_seconds(engines[0], one), _seconds(engines[1], other)))
    taken = np.array(times[_WARM_UP:])
    medians, fastest = np.median(taken, axis=0), np.quantile(taken, 0.1, axis=0)
    each = [Latency(float(median), float(p10)) for median, p10 in zip(medians, fastest, strict=True)]
    return Latencies(each[0], each[1], len(taken), engines[0].threads)


def _seconds(engine: Engine, feed: Feed) -> float:
    start = time.perf_counter()
    engine.infer(feed)
    return time.perf_counter() - start
