"""Calibration on a Dask cluster: workers run the model on shards and return their numbers in the order of the samples.

The result does not depend on the sharding: statistics are kept for each sample, and each sample runs alone.
"""

import importlib
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ...ir import Array, Graph, UserError
from ...ir.spelling import option
from ..runtime.engine import Engine
from ..runtime.modes import THROUGHPUT
from ..runtime.portable import Portable
from .attach_statistics import Block
from .measurement import Runs, Take, kept_of
from .reading import CalibrationSample

#: The number of samples per shard, and the number of shards that wait at each worker.
_SHARD, _AHEAD = 8, 2
#: The number of times that a shard is sent again after its worker died.
_RETRIES = 3
#: The seconds that a scheduler has to answer.
_SECONDS = 10.0


class ClusterError(UserError):
    """A cluster cannot be reached, or loses one worker after the other."""


@contextmanager
def cluster_runs(address: str, instrumented: Graph, blocks: Sequence[Block]) -> Generator[Runs]:
    """Runs samples on a cluster.

    Args:
        address: The address of a scheduler, e.g. "tcp://10.0.0.1:8786"; "local": workers are started here.
        instrumented: The model to run.
        blocks: Its outputs with statistics.

    Yields:
        A function `run(items, take)` that runs samples, and calls `take(job, kept outputs)` for each, in their order.

    Raises:
        ClusterError: there is no such cluster, the model's extensions cannot be sent to it, or a shard failed
            repeatedly.
        DataError: the model cannot run a sample.
    """
    if made := [each for each in instrumented.extensions if not isinstance(each, (str, Path))]:
        message = f"{made[0]}: an extension that is not a file cannot be sent to a cluster; give the path of a library"
        raise ClusterError(message)
    with cluster_client(address) as client:
        model = _Model(client, Portable.of(instrumented))

        def run(items: Iterable[CalibrationSample], take: Take) -> None:
            running: deque[tuple[tuple[CalibrationSample, ...], Any]] = deque()
            source = iter(items)
            while shard := tuple(islice(source, _SHARD)):
                if any(each.past for each in shard):
                    message = f"{option('cluster')}: the steps of a sequence run one after the other: leave it out"
                    raise ClusterError(message)
                if len(running) >= _AHEAD * max(1, len(client.nthreads())):
                    _take_first(running, model, blocks, take)
                running.append((shard, model.submit(shard, blocks)))
            while running:
                _take_first(running, model, blocks, take)

        yield run


def _take_first(
    running: deque[tuple[tuple[CalibrationSample, ...], Any]],
    model: "_Model",
    blocks: Sequence[Block],
    take: Take,
) -> None:
    shard, future = running.popleft()
    for job, kept in zip(shard, model.result(shard, blocks, future), strict=True):
        take(job, kept)


class _Model:
    """A model that all workers have."""

    def __init__(self, client: Any, portable: Portable) -> None:
        self.client, self.portable = client, portable
        self.sent = client.scatter(portable, broadcast=True)

    def submit(self, shard: tuple[CalibrationSample, ...], blocks: Sequence[Block]) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # samples have to be sent
            return self.client.submit(_run_shard, self.sent, shard, tuple(blocks), pure=False)

    def result(self, shard: tuple[CalibrationSample, ...], blocks: Sequence[Block], future: Any) -> list[list[Array]]:
        """The kept outputs of a shard; if the worker died with the model's last copy, both are sent again."""
        from distributed import CancelledError, KilledWorker  # here: an extra

        for _ in range(_RETRIES):
            try:
                with suppress(CancelledError, KilledWorker):
                    found: list[list[Array]] = future.result()
                    return found
            except UserError:
                raise
            except Exception as error:
                message = f"a worker fails: {' '.join(str(error).split())}; check that all workers have this irquant"
                raise ClusterError(message) from error
            self.sent = self.client.scatter(self.portable, broadcast=True)
            future = self.submit(shard, blocks)
        message = f"{shard[0].sample.label}: its workers die, one after another; check that they have enough memory"
        raise ClusterError(message)


@contextmanager
def cluster_client(address: str) -> Generator[Any]:
    """A client of a scheduler that has workers; "local": the scheduler is started here.

    Raises:
        ClusterError: there is no such cluster.
    """
    try:
        distributed: Any = importlib.import_module("distributed")  # here: an extra, and slow
    except ImportError:
        message = "a cluster needs Dask: pip install 'irquant[cluster]'"
        raise ClusterError(message) from None
    if address == "local":
        cluster = distributed.LocalCluster(threads_per_worker=1, dashboard_address=None)
        with cluster, distributed.Client(cluster) as client:
            yield client
        return
    try:
        client = distributed.Client(address, timeout=_SECONDS)
    except (OSError, ValueError) as error:
        message = f"{address}: no Dask scheduler answers: {error}"
        raise ClusterError(message) from None
    with client:
        if not client.nthreads():
            message = f"{address}: the Dask scheduler has no workers; start some with 'dask worker {address}'"
            raise ClusterError(message)
        yield client


_lock = threading.Lock()
_engines: dict[str, Engine] = {}


def _run_shard(model: Portable, shard: tuple[CalibrationSample, ...], blocks: tuple[Block, ...]) -> list[list[Array]]:
    """Runs on a worker; returns the kept outputs of each sample. One model at a time stays compiled in a process."""
    kept: list[list[Array]] = []
    with _lock:
        if model.key not in _engines:
            _engines.clear()
            _engines[model.key] = Engine(model, THROUGHPUT)
        _engines[model.key].run(shard, lambda job, outputs: kept.append(kept_of(outputs, blocks, job)))
    return kept
