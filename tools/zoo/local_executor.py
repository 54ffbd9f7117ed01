"""Runs the models of a batch on this machine, several in parallel."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from irquant.tools.zoo.job import Job
from irquant.tools.zoo.supervise import Outcome, supervise


def run_locally(
    jobs: Sequence[Job], at_a_time: int, started: Callable[[Job], None], show_phase: Callable[[Job, str], None]
) -> Iterator[tuple[Job, Outcome]]:
    """Runs all models, and yields the outcome of each as soon as it ends. Parallel models share the cores.

    Args:
        jobs: The models to quantize.
        at_a_time: How many models run in parallel at most.
        started: Called when a model starts, in any thread.
        show_phase: Called with what is being done with a model, in any thread.
    """
    stop, at_a_time = threading.Event(), min(at_a_time, max(1, len(jobs)))

    def run(job: Job) -> Outcome:
        started(job)
        return supervise(job, at_a_time, stop, partial(show_phase, job))

    with ThreadPoolExecutor(at_a_time) as pool:
        running = {pool.submit(run, job): job for job in jobs}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:  # also if the caller stops iterating
            stop.set()
            pool.shutdown(cancel_futures=True)
