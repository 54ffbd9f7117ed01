"""A batch from its file to its results."""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from irquant.ir import UserError
from irquant.ir.atomic_write import write_failure
from irquant.passes.files.run_files import RunFile, check_run_files, named
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.runtime.load_model import model_files
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.zoo.batch_file import Entry
from irquant.tools.zoo.cache_key import cache_keys_of
from irquant.tools.zoo.cluster import run_on_cluster
from irquant.tools.zoo.entry_check import data_of
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.local_executor import run_locally
from irquant.tools.zoo.own_results import is_own_result
from irquant.tools.zoo.plan import PlannedJob, plan_jobs
from irquant.tools.zoo.reading import read_batch
from irquant.tools.zoo.record import Record, State, read_record
from irquant.tools.zoo.rows import IGNORED, Row, row_of, write_rows
from irquant.tools.zoo.settle import place, restore, settle
from irquant.tools.zoo.supervise import Outcome

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger("irquant")
#: Other files in the folder of the results: a line for each model; the lock of the running process; the page.
RESULTS, LOCK, PAGE = "results.jsonl", ".zoo.lock", "report.html"


class ZooError(UserError):
    """The folder of the results cannot be used."""


class Show(Protocol):
    """Shows the progress."""

    def started(self, job: Job) -> None:
        """Called when a model starts, in any thread."""
        ...

    def phase(self, job: Job, what: str) -> None:
        """Called with what is being done with a model, in any thread."""
        ...

    def finished(self, row: Row) -> None:
        """Called when a model has ended."""
        ...

    def remind(self, row: Row) -> None:
        """Called with a model that is up to date."""
        ...


@dataclass
class Run:
    """One run over a batch.

    Attributes:
        planned: The models, and which of them must run.
        folder: The folder of the results.
        page: The page about all models.
        started: When it started: UTC, in ISO 8601.
    """

    planned: Sequence[PlannedJob]
    folder: Path
    page: Path
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    _records: dict[str, Record] = field(default_factory=dict[str, Record])

    @classmethod
    def of(
        cls, path: Path, folder: Path, faults: Path | None = None, page: Path | None = None, *, force: bool = False
    ) -> "Run":
        """The run of a batch file.

        Args:
            path: The batch file.
            folder: The folder of the results.
            faults: The folder for reproductions of internal errors.
            page: The page about all models; default: in the folder of the results.
            force: Whether files that irquant did not make may be replaced.

        Raises:
            BatchError: the file has mistakes.
            RunFilesError: a result would overwrite an input, or a file that irquant did not make.
        """
        models, place = read_batch(path, folder), path.absolute().parent
        keys = iter(cache_keys_of([each.entry for each in models if not each.lacking], place))
        found = [(each, each.lacking or next(keys)) for each in models]
        jobs = [
            Job(
                name=each.name,
                entry=each.entry,
                data=_data_of(each.entry, place),
                folder=place,
                output=folder / f"{each.name}.xml",
                cache_key={} if isinstance(key, str) else key,
                faults=faults,
                lacking=key if isinstance(key, str) else "",
            )
            for each, key in found
        ]
        page = page or folder / PAGE
        beside = [("the results", folder / RESULTS), ("the lock of the results", folder / LOCK)]
        written = [(f"the result '{job.name}'", each) for job in jobs for each in job.results]
        writes = [*written, *beside, *named(report=page)]
        check_run_files(_read_by(path, jobs), writes, force=force, is_own=is_own_result)
        return cls(plan_jobs(jobs), folder, page)

    @property
    def waiting(self) -> list[Job]:
        """The models that must run."""
        return [each.job for each in self.planned if each.reason]

    def rows(self) -> list[Row]:
        """The result of each model so far, in the order of the batch file."""
        known = {each.job.name: each.record for each in self.planned} | self._records
        return [self._row(each, known[each.job.name]) for each in self.planned]

    def _row(self, planned: PlannedJob, record: Record | None) -> Row:
        """The row of a model with what is said of this run."""
        has_ended = planned.job.name in self._records and record is not None and record.state is not State.NOT_DONE
        return row_of(planned.job, record).model_copy(
            update={
                "ran": bool(planned.reason) and has_ended,
                "why": planned.why,
                "started": self.started,
                "irquant": version("irquant"),
                "openvino": version("openvino"),
            }
        )

    def work(self, at_a_time: int, cluster: str | None, show: Show) -> None:
        """Runs the models that must run. A failure of one model does not stop the others.

        The rows of an earlier run are replaced at the start, and whenever a model ends; its page is removed.

        Raises:
            ZooError: the folder of the results cannot be used.
            ClusterError: the cluster does not exist, or has lost all workers.
        """
        with _alone_in(self.folder):
            with suppress(OSError):  # a folder, or one that cannot be written: the end of the run tells
                self.page.unlink(missing_ok=True)
            for each in self.planned:
                if each.job.lacking:
                    record = Record(state=State.FAILED, message=each.job.lacking, attempts=0)
                    self._finish(each.job, Outcome(record), show)
                elif each.record:
                    self._records[each.job.name] = record = _kept(each, each.record)
                    _log_warnings(each.job, record)
                    show.remind(row_of(each.job, record))
            self._keep_rows()
            jobs = sorted(
                self.waiting, key=_size, reverse=True
            )  # a large model that starts last would run alone at the end
            going = run_on_cluster(cluster, jobs) if cluster else run_locally(jobs, at_a_time, show.started, show.phase)
            for job, outcome in going if jobs else ():
                self._finish(job, outcome, show)
                self._keep_rows()

    def _finish(self, job: Job, outcome: Outcome, show: Show) -> None:
        """Settles a model, and shows what became of it."""
        self._records[job.name] = record = settle(job, outcome)
        _log_warnings(job, record)
        show.finished(row_of(job, record))

    def _keep_rows(self) -> None:
        """Writes the rows so far, in case that the run is killed."""
        with suppress(ZooError):  # the disk may be full for now; the end of the run writes them again, and tells
            self.write_rows()

    def leftovers(self) -> list[str]:
        """The names of results in the folder whose models are not in the batch file."""
        named = {each.job.name for each in self.planned}
        return sorted(
            path.stem for path in self.folder.glob("*.json") if path.stem not in named and read_record(path) is not None
        )

    def write_rows(self) -> None:
        """Writes the rows beside the results.

        Raises:
            ZooError: the file cannot be written.
        """
        try:
            write_rows(self.rows(), self.folder / RESULTS)
        except OSError as error:
            raise ZooError(write_failure(self.folder / RESULTS, error)) from None


def _kept(planned: PlannedJob, record: Record) -> Record:
    """The record of a result that is up to date, whose files are where they belong then."""
    if planned.is_set_aside:
        record = restore(planned.job, record)
    return place(planned.job, record)


def _log_warnings(job: Job, record: Record) -> None:
    """Tells the warnings of a model but those about ignored names, which are always shown."""
    for warning in record.figures.warnings if record.figures else ():
        if not warning.startswith(IGNORED):
            _LOG.info("%s: warning: %s", job.name, warning)


def _read_by(batch: Path, jobs: Sequence[Job]) -> Iterator[RunFile]:
    """The files that a run reads."""
    yield "the batch file", batch
    sources: dict[str, None] = {}
    for job in jobs:
        entry = job.entry
        yield from model_files(Path(entry.model))
        files = {"configuration": entry.config, "tuning": entry.tuning}
        yield from named(**{name: Path(path) for name, path in files.items() if path})
        yield from target_files(entry.target)
        yield from code_files([entry.metric] if entry.metric else [], "the metric", job.folder)
        yield from code_files(entry.extension, "the extension", job.folder)
        if job.data:
            sources[job.data] = None
    for each in sources:  # models often share their data
        yield from data_files(each, folder=batch.absolute().parent)


def _data_of(entry: Entry, folder: Path) -> str:
    """The source of the samples, from the entry or its configuration."""
    try:
        settings = read_config_file(entry.config) if entry.config else ConfigFile()
    except ConfigError:  # it is missing, so that the model cannot run
        settings = ConfigFile()
    return data_of(entry, settings, folder) or ""


def _size(job: Job) -> int:
    files = (each for _, each in model_files(Path(job.entry.model)))
    return sum(each.stat().st_size for each in files if each.is_file())


@contextmanager
def _alone_in(folder: Path) -> Generator[None]:
    """Makes the folder, and locks it against other runs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")  # "w" would touch the file of the run that holds the lock
    except OSError as error:
        message = f"{folder}: results cannot be written there: {error.strerror}; give another --output-dir"
        raise ZooError(message) from None
    with file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"{folder}: another run is at work there; wait for it, or give another --output-dir"
            raise ZooError(message) from None
        yield
