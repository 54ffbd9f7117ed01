"""Measures the latency of models in turn, so that all run under the same load of the machine.

A model runs in the device's own precision unless its user asks for another one, and on CPUs with bf16 units that is
bf16: the floats of both models are faster there than in f32. The first figures are those that users without options
get; f32 and the throughput mode, in which the runtime works on several inferences at a time, come after them.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import permutations, takewhile
from typing import Literal

import numpy as np

from ...ir import Array, Graph
from ...ir.ops import LAYER_TYPES
from ..analysis.layer_times import (
    LayerTime,
    SlowLayer,
    are_possible,
    in_both,
    layer_seconds,
    layer_times,
    run_as_one,
    surely_slower,
)
from ..runtime.core import own_precision
from ..runtime.engine import Engine
from ..runtime.modes import LATENCY, OWN_PRECISION, OWN_THROUGHPUT, PROFILING, THROUGHPUT
from ..runtime.samples import Feed
from .latency_seconds import SECONDS
from .profiled_blocks import ProfiledBlocks

#: The share of the seconds for the mode that users without options get.
_SHARE = 0.5
_FEWEST, _MOST, _WARM_UP = 5, 1000, 2
#: The least gain of a model that counts as faster, and the quantile of the normal distribution for 95 %.
LEAST_GAIN, _Z = 0.02, 1.96
#: The spread of the middle 80 % of the times, as a factor, from which they scatter.
_SCATTER = 1.5
#: The seconds of a turn of many inferences at a time.
_TURN = 0.05

Hint = Literal["latency", "throughput"]


@dataclass(frozen=True)
class Latency:
    """The latency of one model, in seconds; in throughput mode, the time of a turn divided by its inferences.

    Attributes:
        median: The median over the inferences.
        p10: The fastest tenth took less.
        p90: The slowest tenth took longer.
        p99: The slowest hundredth took longer.
    """

    median: float
    p10: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Array) -> "Latency":
        """The latency as measured.

        Args:
            seconds: The seconds of each inference, [rounds].
        """
        return cls(*(float(each) for each in np.quantile(seconds, (0.5, 0.1, 0.9, 0.99))))


@dataclass(frozen=True)
class Mode:
    """How the runtime runs a model.

    Attributes:
        precision: The precision of floats: "f32", or the device's own one.
        hint: The performance hint: one inference as fast as possible, or as many as possible in a second.
        is_default: Whether users without options get it.
    """

    precision: str
    hint: Hint
    is_default: bool = False

    @property
    def properties(self) -> dict[str, str]:
        """The properties of the plugin."""
        if self.precision == "f32":
            return LATENCY if self.hint == "latency" else THROUGHPUT
        return OWN_PRECISION if self.hint == "latency" else OWN_THROUGHPUT


@dataclass(frozen=True)
class Latencies:
    """The latencies of two models in one mode.

    Attributes:
        first: The first model's latency.
        second: The second model's latency.
        rounds: The number of inferences of each; in throughput mode, of turns with many inferences.
        threads: The number of threads that an inference could use.
        mode: The mode.
        at_once: The number of inferences that ran at a time.
        slower: The layers that are slower in the second model, the costliest first; only for a float model and a
            quantized one.
        others: The latencies in other modes.
        layers: The times of the layers in either model, from the runtime's profile; only for a float model and a
            quantized one.
    """

    first: Latency
    second: Latency
    rounds: int
    threads: int
    mode: Mode
    at_once: int = 1
    slower: tuple[SlowLayer, ...] = ()
    others: tuple["Latencies", ...] = ()
    layers: tuple[LayerTime, ...] = ()

    @property
    def ratio(self) -> float:
        """The speed-up of the second model, by the medians."""
        return self.first.median / self.second.median

    @property
    def is_unclear(self) -> bool:
        """Whether the times of either model scatter by more than the models differ."""
        spread = max(each.p90 / each.p10 for each in (self.first, self.second))
        return spread > _SCATTER and spread > max(self.ratio, 1 / self.ratio)

    @property
    def is_no_faster(self) -> bool:
        """Whether the second model takes as long as the first or longer, by the medians and by the fastest tenths."""
        return self.second.median >= self.first.median and self.second.p10 >= self.first.p10

    @property
    def each_mode(self) -> Iterator["Latencies"]:
        """The latencies in all modes that were measured, the default one first."""
        yield self
        yield from self.others


def default_mode() -> Mode:
    """The mode of users without options."""
    return Mode(own_precision(), "latency", is_default=True)


def all_modes() -> list[Mode]:
    """The modes in which a machine may run a model, the default one first."""
    own = default_mode()
    modes = [Mode(precision, hint) for hint in ("latency", "throughput") for precision in (own.precision, "f32")]
    return [own, *dict.fromkeys(each for each in modes if each != replace(own, is_default=False))]


def measure_latencies(
    first: Graph, second: Graph, feeds: Sequence[tuple[Feed, Feed]], *, seconds: float = SECONDS
) -> Latencies:
    """Runs both models in turn for some seconds, in each mode.

    Args:
        first: One model.
        second: The other model.
        feeds: Samples as inputs of either model.
        seconds: The time to run, compilation aside, if that is enough for a few inferences.
    """
    default, *modes = all_modes()
    found = _timed(_compiled((first, second), default.properties), feeds, _SHARE * seconds, default)
    return replace(found, others=_in_modes((first, second), feeds, seconds, modes))


def measure_gain(
    first: Graph,
    second: Graph,
    feeds: Sequence[tuple[Feed, Feed]],
    *,
    seconds: float = SECONDS,
    in_all_modes: bool = False,
    at_most: float = math.inf,
) -> Latencies:
    """The latencies of a float model and its quantized form, and the times of their layers in the default mode.

    Args:
        first: The float model.
        second: The quantized model.
        feeds: See `measure_latencies`.
        seconds: See `measure_latencies`.
        in_all_modes: Whether to measure in the other modes, too.
        at_most: The seconds, compilation included, after which no other mode begins.
    """
    end = time.perf_counter() + at_most
    mode, *others = all_modes() if in_all_modes else [default_mode()]
    share = _SHARE * seconds if others else seconds
    found, layers = _profiled((first, second), feeds, share, mode)
    slower = surely_slower(first, layers, found.first.median)
    if slower:  # compiled and measured again: the place of a model in memory makes other layers slow, as does the load
        _, again = _profiled((first, second), feeds, share, mode)
        slower = in_both(slower, surely_slower(first, again, found.first.median))
    if not are_possible(slower, found.first.median, found.second.median):
        slower = []
    in_modes = _in_modes((first, second), feeds, seconds, others, end)
    return replace(found, slower=tuple(slower), layers=tuple(layers), others=in_modes)


def _profiled(
    models: tuple[Graph, Graph], feeds: Sequence[tuple[Feed, Feed]], seconds: float, mode: Mode
) -> tuple[Latencies, list[LayerTime]]:
    """The latencies of two models, newly compiled, and the times of their layers."""
    engines = _compiled(models, mode.properties | PROFILING)
    blocks = ProfiledBlocks(engines, seconds, _MOST)
    found = _timed(engines, feeds, seconds, mode, blocks.begin, blocks.done)
    profiles = blocks.profiles()
    groups = run_as_one((node.name for node in models[0].nodes(*LAYER_TYPES)), *(each[0] for each in profiles))
    before, after = ([layer_seconds(each, groups) for each in of_one] for of_one in profiles)
    return found, layer_times(groups, before, after)


def in_turn(
    engines: Sequence[Engine],
    feeds: Sequence[Sequence[Feed]],
    seconds: float,
    warmed_up: Callable[[], object] = lambda: None,
    done: Callable[[], object] = lambda: None,
) -> Array:
    """The seconds of single inferences of several models in turn, [rounds, models].

    The rounds take all orders of the models, so that each follows every other one as often: what ran before a model
    decides what it finds in the caches.

    Args:
        engines: The models.
        feeds: Samples as inputs of each model.
        seconds: The time to run, if that is enough for a few rounds.
        warmed_up: Called before the inferences that count.
        done: Called after each round that counts.
    """
    orders = list(permutations(range(len(engines))))
    times, end = list[list[float]](), math.inf
    while len(times) < _WARM_UP + _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        if len(times) == _WARM_UP:
            warmed_up()
            end = time.perf_counter() + seconds
        took = [0.0] * len(engines)
        for index in orders[len(times) % len(orders)]:
            took[index] = _seconds(engines[index], feeds[len(times) % len(feeds)][index])
        times.append(took)
        if len(times) > _WARM_UP:
            done()
    return np.array(times[_WARM_UP:])


def falls(before: Array, after: Array) -> bool:
    """Whether a latency is lower than another by more than the noise; see `why_no_fall`."""
    return not why_no_fall(before, after)


def why_no_fall(before: Array, after: Array) -> str:
    """Why a latency is not lower than another by more than the noise; empty if it is.

    Two things are noise: the load of the machine, which hits both models of a round alike, and the place of a model in
    memory, for which two compilations differ by up to `LEAST_GAIN`. The median of the rounds' ratios must show that
    gain, and the upper end of its 95 % confidence interval must lie below 1: the order statistic of rank
    n / 2 + 1.96 sqrt(n) / 2 (Conover, "Practical Nonparametric Statistics", 3rd ed., 1999, section 3.2).

    Args:
        before: The seconds of each inference of one model, [rounds].
        after: The seconds of the other model in the same rounds.
    """
    ratios = np.sort(after / before)
    rank = min(len(ratios), math.ceil(len(ratios) / 2 + _Z * math.sqrt(len(ratios)) / 2))
    if np.median(ratios) >= 1 - LEAST_GAIN:
        gain = 1 - float(np.median(ratios))
        return f"faster by less than {LEAST_GAIN:.0%} in most rounds" if gain > 0 else "not faster in most rounds"
    return "" if ratios[rank - 1] < 1 else "too noisy to tell"


def _in_modes(
    models: Sequence[Graph],
    feeds: Sequence[tuple[Feed, Feed]],
    seconds: float,
    modes: Sequence[Mode],
    end: float = math.inf,
) -> tuple[Latencies, ...]:
    """The latencies in the modes that are not the default one, in their share of the seconds; none begins late."""
    share = (1 - _SHARE) * seconds / max(1, len(modes))
    timed = {"latency": _timed, "throughput": _timed_at_once}
    in_time = takewhile(lambda _: time.perf_counter() < end, modes)
    return tuple(timed[mode.hint](_compiled(models, mode.properties), feeds, share, mode) for mode in in_time)


def _compiled(models: Sequence[Graph], config: dict[str, str]) -> list[Engine]:
    """Compiles the models in parallel: each compilation keeps one core busy."""
    with ThreadPoolExecutor() as pool:
        compiling = [pool.submit(Engine, model, config, is_timed=True) for model in models]
    return [each.result() for each in compiling]


def _timed(
    engines: Sequence[Engine],
    feeds: Sequence[tuple[Feed, Feed]],
    seconds: float,
    mode: Mode,
    warmed_up: Callable[[], object] = lambda: None,
    done: Callable[[], object] = lambda: None,
) -> Latencies:
    """Runs two models in turn, one inference at a time."""
    taken = in_turn(engines, feeds, seconds, warmed_up, done)
    return Latencies(Latency.of(taken[:, 0]), Latency.of(taken[:, 1]), len(taken), engines[0].threads, mode)


def _timed_at_once(
    engines: Sequence[Engine], feeds: Sequence[tuple[Feed, Feed]], seconds: float, mode: Mode
) -> Latencies:
    """Runs two models in turn, each turn with as many inferences at a time as suit the plugin."""
    own = [[pair[index] for pair in feeds] for index in range(len(engines))]
    least = [each.at_once for each in engines]
    counts = [
        max(few, math.ceil(_TURN / engine.seconds_of_many(mine, few)))
        for engine, mine, few in zip(engines, own, least, strict=True)
    ]
    times, end = list[list[float]](), time.perf_counter() + seconds
    while len(times) < _FEWEST or (time.perf_counter() < end and len(times) < _MOST):
        turns = zip(engines, own, counts, strict=True)
        times.append([engine.seconds_of_many(mine, count) for engine, mine, count in turns])
    taken = np.array(times)
    return Latencies(
        Latency.of(taken[:, 0]), Latency.of(taken[:, 1]), len(taken), engines[0].threads, mode, engines[0].at_once
    )


def _seconds(engine: Engine, feed: Feed) -> float:
    start = time.perf_counter()
    engine.infer(feed)
    return time.perf_counter() - start
