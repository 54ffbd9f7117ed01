"""Runs one model in its own process, within its limits of time and memory, and again after a crash.

The supervisor watches the resident memory, as `top` shows it, because this exhausts a machine. A limit on the address
space would count weights that are only mapped, and memory that the runtime and its threads reserve but never use.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

import psutil
from pydantic import ValidationError

from irquant.ir.errors import shortened
from irquant.passes.runtime.core import THREADS, cores
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import PASSING, Record, State
from irquant.tools.zoo.worker import Answer, Task

#: Seconds between two checks of a process.
_EVERY = 0.05
#: Seconds between the end of a process by SIGTERM and that of the whole run, if the signal went to all.
_ASKED = 1.0
#: The resident memory of a process with a small model, in MB: the runtime takes most of it.
_USUAL_MB = 150
#: The most characters of what a process said last.
_MOST_SAID = 300
_WORKER = "irquant.tools.zoo.worker"
#: The number of threads of the libraries behind numpy.
_OTHER_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


ShowPhase = Callable[[str], None]


def _show_nothing(_: str) -> None:
    """Shows no phase."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a model.

    Attributes:
        record: The record of its run.
        log: The standard error of its process, if it gave no answer or had an internal error.
    """

    record: Record
    log: bytes = b""


def supervise(job: Job, at_a_time: int, stop: threading.Event, show_phase: ShowPhase = _show_nothing) -> Outcome:
    """Quantizes a model. Failures become states of its record.

    Args:
        job: The model to quantize.
        at_a_time: The most models that run at the same time, with equal shares of the cores.
        stop: Set to end it early.
        show_phase: Called with what is being done, whenever that changes.
    """
    attempts = 1
    began = time.perf_counter()
    outcome = _attempt(job, at_a_time, stop, show_phase)
    while outcome.record.state in PASSING and attempts <= job.entry.retries and not stop.is_set():
        attempts += 1
        outcome = _attempt(job, at_a_time, stop, show_phase)
    seconds = round(time.perf_counter() - began, 2) if attempts > 1 else outcome.record.seconds
    return replace(outcome, record=outcome.record.model_copy(update={"attempts": attempts, "seconds": seconds}))


def _attempt(job: Job, at_a_time: int, stop: threading.Event, show_phase: ShowPhase) -> Outcome:
    try:
        return _run(job, at_a_time, stop, show_phase)
    except OSError as error:  # no memory for a process, or no disk space for its output
        return Outcome(
            Record(state=State.CRASHED, message=f"its process cannot be started: {error}", origin=dict(job.cache_key))
        )


def _run(job: Job, at_a_time: int, stop: threading.Event, show_phase: ShowPhase) -> Outcome:
    faults = str(job.faults / job.name) if job.faults else None
    with TemporaryFile() as answers, TemporaryFile() as log, TemporaryDirectory() as folder:
        phase = Path(folder) / "phase"
        task = Task(entry=job.entry, output=str(job.output), at_a_time=at_a_time, phase=str(phase), faults=faults)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=log,
            cwd=job.folder,
            env=_environment(max(1, cores() // at_a_time)),
            start_new_session=True,  # the supervisor handles interrupts from the terminal
        )
        try:
            watched = _Watched(process, job, _Phase(phase, show_phase))
            watched.tell(task.model_dump_json().encode() + b"\n")
            stopped_for = watched.wait(stop)
        finally:
            _kill(process)
        return _outcome(job, watched, stopped_for, _content(answers), _content(log))


def _environment(threads: int) -> dict[str, str]:
    """The environment of this process, with its absolute module paths and the number of threads."""
    paths = os.pathsep.join(each for each in sys.path if Path(each).is_absolute())
    others = {name: str(threads) for name in _OTHER_THREADS}
    return others | dict(os.environ) | {THREADS: str(threads), "PYTHONPATH": paths}


@dataclass
class _Phase:
    """What a process is doing, which it writes to a file.

    Attributes:
        path: The file.
        show: Called with each new phase.
        last: The phase that was shown last.
    """

    path: Path
    show: ShowPhase
    last: str = ""

    def look(self) -> None:
        """Shows the phase if it is a new one."""
        with suppress(OSError):  # the process has not written it yet
            now = self.path.read_text(encoding="utf-8")
            if now and now != self.last:
                self.last = now
                self.show(now)


class _Watched:
    """A running process, with its time and memory."""

    def __init__(self, process: "subprocess.Popen[bytes]", job: Job, phase: "_Phase") -> None:
        self.process, self.job, self.phase = process, job, phase
        self.began, self.seconds, self.peak_mb = time.perf_counter(), 0.0, 0.0
        self._memory: Any = psutil.Process(process.pid)

    def tell(self, line: bytes) -> None:
        """Sends the task. Standard input stays open; if it ends, the worker knows that the supervisor is dead."""
        assert self.process.stdin is not None
        with suppress(OSError):  # the process has already died; `wait` reports that
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def wait(self, stop: threading.Event) -> State | None:
        """Waits for its end. Returns the state that ended the wait early, or None."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_EVERY)
            self._look()
            self.phase.look()
            if self.process.returncode is not None:
                return State.NOT_DONE if self._was_stopped(stop) else None
            if self.job.entry.memory_mb and self.peak_mb > self.job.entry.memory_mb:
                return State.MEMORY
            if self.job.entry.timeout_seconds and self.seconds > self.job.entry.timeout_seconds:
                return State.TIMEOUT
            if stop.is_set():
                return State.NOT_DONE

    def _was_stopped(self, stop: threading.Event) -> bool:
        """Whether it ended because all processes of the run are asked to end, as service managers do."""
        is_asked = self.process.returncode == -signal.SIGTERM
        return is_asked and stop.wait(_ASKED)  # the main process needs a moment to hear of it

    def _look(self) -> None:
        self.seconds = time.perf_counter() - self.began
        with suppress(psutil.Error):
            self.peak_mb = max(self.peak_mb, self._memory.memory_info().rss / 1e6)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process and its children."""
    try:
        parent: Any = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.Error:
        family = []
    for each in family:
        with suppress(psutil.Error):
            each.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _outcome(job: Job, watched: _Watched, stopped_for: State | None, answers: bytes, log: bytes) -> Outcome:
    seen: dict[str, Any] = {"seconds": round(watched.seconds, 2), "peak_mb": round(watched.peak_mb, 1)}
    seen["origin"] = dict(job.cache_key)
    answer = _answer(answers) if stopped_for is None and watched.process.returncode == 0 else None
    if answer:
        state = _state(answer)
        record = Record(state=state, message=answer.message, figures=answer.figures, files=answer.files, **seen)
        return Outcome(record, log if answer.is_internal else b"")
    message = _limit(job, stopped_for) if stopped_for else _death(watched.process.returncode, log)
    return Outcome(Record(state=stopped_for or State.CRASHED, message=message, **seen), log)


def _state(answer: Answer) -> State:
    if answer.is_internal:
        return State.INTERNAL
    if answer.is_unchanged:
        return State.UNCHANGED
    return State.FAILED if answer.message else State.DONE


def _answer(content: bytes) -> Answer | None:
    """What a process answered; None if that is nothing, or something that only the user's code can have written."""
    try:
        return Answer.model_validate_json(content)
    except ValidationError:
        return None


def _limit(job: Job, state: State) -> str:
    if state is State.MEMORY:
        least = f"even a small model takes about {_USUAL_MB}"
        return f"took more than memory_mb: {job.entry.memory_mb:g}; raise the limit: {least}"
    if state is State.TIMEOUT:
        return f"took longer than timeout_seconds: {job.entry.timeout_seconds:g}; raise the limit"
    return "interrupted"


def _death(code: int, log: bytes) -> str:
    if code < 0:
        name = _signal_name(-code)
        hint = "; was the machine out of memory?" if -code == signal.SIGKILL else ""
        return f"its process was killed by {name}{hint}"
    lines = log.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return f"its process ended with code {code}: {shortened(last.strip(), _MOST_SAID)}"


def _signal_name(number: int) -> str:
    """What a signal is called; those for real time have numbers only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
