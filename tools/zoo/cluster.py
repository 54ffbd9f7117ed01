"""Runs the models of a batch on a Dask cluster, each as a task, in a supervised process as on one machine.

Models, data and the folder of the results must have the same paths on all workers. If a worker dies, another takes
over.
"""

import importlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irquant.passes.calibration.cluster import ClusterError, cluster_client
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import Record, State
from irquant.tools.zoo.supervise import Outcome, supervise

#: How many seconds a cluster may be without any worker.
_PATIENCE = 60.0


def run_on_cluster(address: str, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
    """Runs all models, and yields the outcome of each as soon as it ends.

    Args:
        address: The address of a scheduler; "local": start workers on this machine.
        jobs: The models to quantize.

    Raises:
        ClusterError: the cluster does not exist, or has lost all workers.
    """
    with cluster_client(address) as client:
        shares = _tasks_by_host(client)
        running: dict[Any, Job] = {client.submit(_run, job, shares, pure=False): job for job in jobs}
        seen = time.monotonic()
        while running:
            for future in _finished(running):
                yield running.pop(future), _outcome(future)
            seen = time.monotonic() if client.nthreads() else seen
            if time.monotonic() - seen > _PATIENCE:
                message = (
                    f"{address}: the Dask scheduler has lost all workers; start workers, and run the same command again"
                )
                raise ClusterError(message)


def _tasks_by_host(client: Any) -> Mapping[str, int]:
    """How many models each machine runs at the same time."""
    found = Counter[str]()
    for address, threads in client.nthreads().items():
        found[_host(address)] += threads
    return found


def _host(address: str) -> str:
    return address.rpartition("://")[2].rpartition(":")[0]


def _finished(running: Mapping[Any, Job]) -> list[Any]:
    distributed: Any = importlib.import_module("distributed")  # imported here: an optional and slow package

    try:
        return list(distributed.wait(list(running), timeout=1, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _outcome(future: Any) -> Outcome:
    from distributed import CancelledError, KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker:
        message = "the Dask workers that ran it died, one after the other"
    except CancelledError:
        message = "the Dask scheduler dropped it"
    except Exception as error:
        message = f"a Dask worker failed: {' '.join(str(error).split())}; do all of them have this version of irquant?"
    else:
        return outcome
    return Outcome(Record(state=State.CRASHED, message=message))


def _run(job: Job, shares: Mapping[str, int]) -> Outcome:
    """Runs one model on a worker, with its share of the machine's cores."""
    from distributed import get_worker

    return supervise(job, max(1, shares.get(_host(get_worker().address), 1)), threading.Event())
