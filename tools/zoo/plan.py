"""Which models of a batch are to be done, and why."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import Record, State, read_record

#: Results that are looked through at the same time.
_READERS = 4


@dataclass(frozen=True)
class PlannedJob:
    """A model, and whether there is anything to do.

    Attributes:
        job: The model to quantize.
        reason: Why it is to be done; empty if its result is up to date.
        record: Of the last time, if that counts.
    """

    job: Job
    reason: str
    record: Record | None = None


def plan_jobs(jobs: Sequence[Job]) -> list[PlannedJob]:
    """What there is to do."""
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(_planned, jobs))


def _planned(job: Job) -> PlannedJob:
    record = read_record(job.record)
    if record is None:
        return PlannedJob(job, "new")
    if changed := [name for name in {**job.origin, **record.origin} if job.origin.get(name) != record.origin.get(name)]:
        return PlannedJob(job, f"changed: {', '.join(changed)}")
    if record.state is not State.DONE:
        return PlannedJob(job, f"{record.state} the last time")
    if not record.fits(job.output.parent):
        return PlannedJob(job, "the result was changed or deleted")
    return PlannedJob(job, "", record)
