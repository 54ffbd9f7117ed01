"""Plans which models of a batch must run, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import Record, State, read_record

#: The number of results that are checked in parallel.
_READERS = 4


@dataclass(frozen=True)
class PlannedJob:
    """A model, and whether it must run.

    Attributes:
        job: The model to quantize.
        reason: Why it must run; empty if its result is up to date.
        record: The record of the last run, if its result is up to date.
    """

    job: Job
    reason: str
    record: Record | None = None


def plan_jobs(jobs: Sequence[Job]) -> list[PlannedJob]:
    """The plan for all models."""
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(_planned, jobs))


def _planned(job: Job) -> PlannedJob:
    record = read_record(job.record)
    if record is None:
        return PlannedJob(job, "new")
    if changed := list(dict.fromkeys(_changed(job.cache_key, record.origin))):
        return PlannedJob(job, f"changed: {', '.join(changed)}")
    if record.state is not State.DONE:
        return PlannedJob(job, f"{record.state} the last time")
    if not record.fits(job.output.parent):
        return PlannedJob(job, "the result was changed or deleted")
    return PlannedJob(job, "", record)


def _changed(now: Mapping[str, str], before: Mapping[str, str]) -> Iterator[str]:
    """What differs between two cache keys, by the names of a batch file."""
    for name in {**now, **before}:
        new, old = now.get(name), before.get(name)
        if new == old:
            continue
        if name != "accuracy":
            yield name.removeprefix("pictures.")
            continue
        limits, others = (json.loads(each or "null") for each in (new, old))
        if limits and others:  # else there was, or is, no metric, and `metric` changed
            yield from (each for each in {**limits, **others} if limits.get(each) != others.get(each))
