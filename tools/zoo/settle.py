"""Puts the files of a finished model in their places, and writes its record.

Beside the records are only results that can be used. What is worse than the batch file expects is in `missed/`; the
earlier result of a model that failed since is in `earlier/`, with its record.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from irquant.ir.atomic_write import write_bytes
from irquant.tools.zoo.job import EARLIER, Job
from irquant.tools.zoo.record import Record, State, read_record
from irquant.tools.zoo.rows import row_of
from irquant.tools.zoo.supervise import Outcome


def settle(job: Job, outcome: Outcome) -> Record:
    """Writes the record of a finished model, and returns it."""
    record = outcome.record
    if record.state is State.NOT_DONE:
        return record
    if record.state is State.DONE and not record.fits(job.output.parent):
        message = f"{job.output}: differs from what the worker wrote: do workers and this machine share the folder?"
        record = record.model_copy(update={"state": State.FAILED, "message": message, "files": {}})
    try:
        if record.state is State.DONE:
            job.log.unlink(missing_ok=True)
            _remove(_files(job, job.missed))  # before the record, which would seem to be theirs after a kill
            record.write(job.record)
            _remove([*_files(job, job.earlier), job.earlier_record])
            return place(job, record)
        if _set_aside(job):
            record = record.model_copy(update={"message": f"{record.message}; the earlier result is in {EARLIER}/"})
        _keep_log(job, outcome.log)
        record.write(job.record)
    except OSError as error:
        return _unwritten(job, record, error)
    return record


def place(job: Job, record: Record) -> Record:
    """Moves the files of a result to where they belong by what the batch file expects now.

    Returns:
        The record; that of a failure if the files cannot be moved.
    """
    if record.state is not State.DONE:
        return record
    is_missed = row_of(job, record).state is State.MISSED
    here, there = (job.missed, job.output.parent) if is_missed else (job.output.parent, job.missed)
    try:
        _move(job, there, here)
    except OSError as error:
        return _unwritten(job, record, error)
    return record


def restore(job: Job, record: Record) -> Record:
    """Moves an earlier result back, which is up to date again; returns its record, or that of a failure."""
    try:
        record.write(job.record)
        _move(job, job.earlier, job.output.parent)
        job.earlier_record.unlink()
    except OSError as error:
        return _unwritten(job, record, error)
    return record


def _unwritten(job: Job, record: Record, error: OSError) -> Record:
    message = f"{error.filename or job.record}: cannot be written: {error.strerror}"
    return record.model_copy(update={"state": State.FAILED, "message": record.message or message, "figures": None})


def _set_aside(job: Job) -> bool:
    """Moves the former result of a failed model away, since it would look like a new one; files of other origin stay.

    Its record is in both places meanwhile: it tells which files are irquant's if the process is killed.

    Returns:
        Whether there was one that can be used.
    """
    old = read_record(job.record)
    if old is None or not old.fits(job.output.parent, job.missed):
        return False
    if is_usable := old.fits(job.output.parent):
        job.earlier.mkdir(exist_ok=True)
        old.write(job.earlier_record)
        _move(job, job.output.parent, job.earlier)
    else:
        _remove(_files(job, job.missed))
    return is_usable


def _move(job: Job, source: Path, target: Path) -> None:
    """Moves the files of a result; an .xml that can be used is never there without its weights."""
    files = _files(job, source)
    for each in files if source == job.output.parent else reversed(files):
        if each.exists():  # else it is there already
            target.mkdir(exist_ok=True)
            each.replace(target / each.name)


def _remove(paths: Iterable[Path]) -> None:
    for each in paths:
        each.unlink(missing_ok=True)


def _files(job: Job, folder: Path) -> tuple[Path, Path, Path]:
    """The .xml, the .bin and the page of a result in a folder."""
    xml = folder / job.output.name
    return xml, xml.with_suffix(".bin"), xml.with_suffix(".html")


def _keep_log(job: Job, log: bytes) -> None:
    job.log.unlink(missing_ok=True)
    if log:
        with suppress(OSError):  # the record is more important
            write_bytes(job.log, log)
