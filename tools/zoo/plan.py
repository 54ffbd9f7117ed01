"""Plans which models of a batch must run, and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import LASTING, Record, State, read_record

#: The number of results that are checked in parallel.
_READERS = 4


@dataclass(frozen=True)
class PlannedJob:
    """A model, and whether it must run.

    Attributes:
        job: The model to quantize.
        reason: Why it must run; empty if its result is up to date, or if it cannot run.
        record: The record of the last run, if its result is up to date.
        is_set_aside: Whether this result is in the folder of earlier ones, since the model failed in between.
    """

    job: Job
    reason: str
    record: Record | None = None
    is_set_aside: bool = False

    @property
    def why(self) -> str:
        """Why it must run, or why not."""
        return f"cannot run: {self.job.lacking}" if self.job.lacking else self.reason or "up to date"


def plan_jobs(jobs: Sequence[Job]) -> list[PlannedJob]:
    """The plan for all models."""
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(_planned, jobs))


def _planned(job: Job) -> PlannedJob:
    if job.lacking:
        return PlannedJob(job, "")
    record = read_record(job.record)
    if record is not None and record.state not in LASTING and (earlier := _usable(job)):
        return PlannedJob(job, "", earlier, is_set_aside=True)
    if record is None:
        return PlannedJob(job, "new")
    if not record.origin:  # it could not run
        return PlannedJob(job, f"{record.state} the last time")
    if changed := list(dict.fromkeys(_changed(job.cache_key, record.origin))):
        return PlannedJob(job, f"changed: {', '.join(changed)}")
    if record.state not in LASTING:
        return PlannedJob(job, f"{record.state} the last time")
    if record.state is State.DONE and not record.fits(job.output.parent, job.missed):
        return PlannedJob(job, "the result was changed or deleted")
    return PlannedJob(job, "", record)


def _usable(job: Job) -> Record | None:
    """The record of an earlier result that is up to date again, as when files were missing for a night."""
    record = read_record(job.earlier_record)
    is_same = record is not None and not any(_changed(job.cache_key, record.origin))
    return record if record is not None and is_same and record.fits(job.earlier) else None


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
