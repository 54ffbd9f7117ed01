"""A compiled model, and how it runs."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import openvino as ov

from ...ir import Array, Graph
from ...ir.ops import LOOP_BODY
from ...ir.stage import STAGE
from ...targets.target import HERE
from .emulation import compile_model, fold_constants, separate_fake_quantizes
from .executed import Executed, executed_graph
from .lend import BF16
from .loaded import Loaded, rejecting
from .messages import first_line
from .modes import EMULATION
from .portable import Portable
from .samples import DataError, Feed, Past, Runnable, Sample
from .warm_up import bodies_of, may_need_warm_up

_Item = TypeVar("_Item", bound=Runnable)


@dataclass(frozen=True)
class Mark:
    """The state of an engine's profile at some time.

    Attributes:
        inferences: The number of inferences so far.
        seconds: The seconds of each executed node in all of them together.
    """

    inferences: int
    seconds: Mapping[str, float]


@dataclass
class _Lane:
    """A request, which has states of its own.

    Attributes:
        request: The request.
        last: The arrays of the last step that it ran in a sequence; None: its states are unknown.
    """

    request: ov.InferRequest
    last: Feed | None = None


class Engine:
    """A compiled model. Before each sample its states are reset, and in front of a step the others run (see `Past`).

    Args:
        model: See `Loaded`.
        config: Properties of the CPU plugin.
        is_timed: Whether only times are wanted of it: then the number of streams is as the properties say, even if
            samples have to run twice (see `may_need_warm_up`).

    Attributes:
        runs_twice: Whether `run` and `outputs` run each sample twice (see `may_need_warm_up`).
    """

    def __init__(
        self, model: Graph | Portable | Path | Loaded, config: dict[str, str], *, is_timed: bool = False
    ) -> None:
        self._loaded = model if isinstance(model, Loaded) else Loaded(model)
        self._model, self._config = self._loaded.model.clone() if self._loaded is model else self._loaded.model, config
        self.runs_twice = not is_timed and may_need_warm_up(self._model)
        if self.runs_twice:  # each stream has its own memory: the second inference is to be in the same one
            config = {**config, "NUM_STREAMS": "1"}
        self._is_stateful = bool(self._model.get_sinks())
        if self._is_stateful and config.get("PERFORMANCE_HINT") == "THROUGHPUT" and not is_timed:
            # In streams of one thread, the plugin merges small products around an Assign, and ends the process.
            config = {**config, "SNIPPETS_MODE": "DISABLE"}
        with rejecting(self._loaded.source):
            if EMULATION.items() <= config.items():
                fold_constants(self._model)
                separate_fake_quantizes(self._model)
            self.compiled = compile_model(self._loaded.core, self._model, config)
        self._lane, self._inferences = _Lane(self.compiled.create_infer_request()), 0
        self._queue: ov.AsyncInferQueue | None = None

    def run(self, items: Iterable[_Item], take: Callable[[_Item, list[Array]], None]) -> None:
        """Runs all samples, several at a time, and calls `take(item, outputs)` for each, in order.

        A step waits for the one in front of it. The arrays that `take` gets are views that live only during the call.

        Raises:
            DataError: the model cannot run a sample.
        """
        # One more request than the plugin runs at once, so that it always has work while Python handles a result.
        most = self.at_once + 1
        idle = [_Lane(self.compiled.create_infer_request()) for _ in range(most)]
        running: deque[tuple[_Item, _Lane]] = deque()
        for item in items:
            while running and (item.past or not idle):
                idle.append(_finish(running, take))
            lane = idle.pop()  # the last one that ran, if the item is a step
            with _blaming(item.sample, item.feed):
                self._begin(lane, item)
                lane.request.start_async(_given(item.feed))
            running.append((item, lane))
        while running:
            _finish(running, take)

    def infer(self, feed: Feed) -> None:
        """Runs one inference from the first states, for timing; the outputs stay in the runtime."""
        self._catch_up(self._lane, None)
        self._infer(self._lane, feed)
        self._lane.last = None

    def seconds_of_many(self, feeds: Sequence[Feed], count: int) -> float:
        """The seconds for each of `count` inferences, as many at a time as suit the plugin; outputs are dropped."""
        if self._queue is None:
            self._queue = ov.AsyncInferQueue(self.compiled)
        given = [_given(feed) for feed in feeds]
        start = time.perf_counter()
        for number in range(count):
            if self._is_stateful:  # a cache that grows would not fit its mask any more
                self._queue[self._queue.get_idle_request_id()].reset_state()
            self._queue.start_async(given[number % len(given)])
        self._queue.wait_all()
        return (time.perf_counter() - start) / count

    def outputs(self, item: Runnable) -> list[Array]:
        """Runs one inference and returns its outputs.

        Raises:
            DataError: the model cannot run the sample.
        """
        with _blaming(item.sample, item.feed):
            self._begin(self._lane, item)
            self._infer(self._lane, item.feed)
        self._lane.last = item.feed
        return self.results()

    def _begin(self, lane: _Lane, item: Runnable) -> None:
        """Brings the states of a request to where an item begins; before that, runs it if it has to run twice."""
        self._catch_up(lane, item.past)
        if self.runs_twice:
            states = _copied_states(lane.request) if item.past else []
            self._infer(lane, item.feed)
            for state, value in states:
                state.state = value
            if not item.past:
                self._catch_up(lane, None)
        lane.last = item.feed

    def _catch_up(self, lane: _Lane, past: Past | None) -> None:
        """Runs the steps in front of an item that the request did not run last; without any, resets the states."""
        missing = list[Feed]()
        while past and past.feed is not lane.last:
            missing.append(past.feed)
            past = past.past
        if past is None and self._is_stateful:
            lane.request.reset_state()
        for feed in reversed(missing):
            self._infer(lane, feed)

    def _infer(self, lane: _Lane, feed: Feed) -> None:
        lane.request.infer(_given(feed))
        self._inferences += lane is self._lane

    def results(self) -> list[Array]:
        """The outputs of the last inference of `infer` or `outputs`."""
        return [np.array(_array(tensor)) for tensor in cast(Any, self._lane.request).output_tensors]

    def mark(self) -> Mark:
        """The times of the inferences of `infer` and `outputs` so far; needs `PROFILING`."""
        # The plugin gives the mean time of each node over all inferences.
        means = {each.node_name: each.real_time.total_seconds() for each in self._lane.request.get_profiling_info()}
        return Mark(self._inferences, {name: self._inferences * mean for name, mean in means.items()})

    def profile(self, since: Mark, until: Mark | None = None) -> list[tuple[Executed, float]]:
        """The executed nodes, and the mean seconds of each per inference between two marks; by default, until now."""
        now = until or self.mark()
        count, took = now.inferences - since.inferences, now.seconds
        # The plugin's means are whole microseconds, so that the difference of two may be less than nothing.
        return [
            (each, max(0.0, took.get(each.name, 0.0) - since.seconds.get(each.name, 0.0)) / count)
            for each in self.execution()
        ]

    @property
    def threads(self) -> int:
        """The number of threads that an inference may use."""
        return int(self.compiled.get_property("INFERENCE_NUM_THREADS"))

    @property
    def at_once(self) -> int:
        """The number of inferences that suit the plugin at a time."""
        return int(self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def execution(self) -> list[Executed]:
        """The executed graph. For models with dynamic shapes it is final only after an inference."""
        return executed_graph(self.compiled)

    def execution_of_body(self, path: Sequence[tuple[str, str]]) -> list[Executed] | None:
        """The executed graph of a body, which the runtime shows only if the body is compiled alone.

        Args:
            path: The names of control flow operations and the tags of their bodies, from outside in.

        Returns:
            None for a body with dynamic shapes: it would have to run first.
        """
        body: Any = self._model
        for name, tag in path:
            holder = next(each for each in body.get_ops() if each.get_friendly_name() == name and bodies_of(each))
            body = holder.get_function() if tag == LOOP_BODY else holder.get_function(int(tag == "else_body"))
        if body.is_dynamic():
            return None
        return executed_graph(self._loaded.core.compile_model(body, HERE, self._config))


def _copied_states(request: ov.InferRequest) -> list[tuple[Any, ov.Tensor]]:
    """The states of a request, each with a copy of its present value."""
    copies = list[tuple[Any, ov.Tensor]]()
    for each in cast(Any, request).query_state():
        value = ov.Tensor(each.state.element_type, each.state.shape)
        each.state.copy_to(value)
        copies.append((each, value))
    return copies


def _finish(running: deque[tuple[_Item, _Lane]], take: Callable[[_Item, list[Array]], None]) -> _Lane:
    """Waits for the oldest request, hands its outputs over, and returns it."""
    item, lane = running.popleft()
    with _blaming(item.sample, item.feed):
        lane.request.wait()
    tensors = cast(Any, lane.request).output_tensors
    take(item, [_array(tensor) for tensor in tensors])
    return lane


def _given(feed: Feed) -> dict[int, Array]:
    """The inputs for the runtime. It takes bf16 as arrays of dtype float16, and would convert others."""
    arrays = enumerate(feed.values())
    return {index: array.view(np.float16) if array.dtype == BF16 else array for index, array in arrays}


def _array(tensor: Any) -> Array:
    """The values of a tensor, without a copy if possible; bf16 as f32."""
    if tensor.element_type == ov.Type.bf16:
        return np.asarray(tensor.data.view(BF16).astype(np.float32))
    array: Array = tensor.bytes_data if tensor.element_type == ov.Type.string else tensor.data
    return array


@contextmanager
def _blaming(sample: Sample, feed: Feed) -> Generator[None]:
    """Turns the runtime's error into an error about the sample, with its shapes: inputs may not fit one another."""
    try:
        with STAGE.at(f"running {sample.label}"):
            yield
    except RuntimeError as error:
        shapes = ", ".join(f"'{name}' {list(array.shape)}" for name, array in feed.items())
        message = f"{sample.label}: the model cannot run it ({shapes}): {first_line(error)}"
        raise DataError(message) from error
