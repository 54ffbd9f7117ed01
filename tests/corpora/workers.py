"""Cases in processes of their own: one that dies or never ends costs its own case and nothing else."""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.corpora.onnx_models import Case
from tests.corpora.outcome import Kind, Outcome

#: Seconds for all variants of a case.
PATIENCE = 120.0


class _Worker:
    """A forked process that has all cases in memory, and the case that it works on."""

    def __init__(self, cases: Sequence[Case], case: int) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(cases, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.give(case)

    def give(self, case: int) -> None:
        self.case, self.since = case, time.monotonic()
        self.trying: tuple[str, Kind] = ("", Kind.FAULT)
        self.pipe.send(case)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def judged(cases: Sequence[Case], processes: int) -> Iterator[list[Outcome]]:
    """The outcomes of each case, in the order in which they are done.

    Must be called before anything has loaded the runtime, whose threads no fork survives.
    """
    waiting = list(reversed(range(len(cases))))
    workers = [_Worker(cases, waiting.pop()) for _ in range(min(processes, len(cases)))]
    while workers:
        ready = wait([each.pipe for each in workers], timeout=1.0)
        for worker in list(workers):
            said = _heard(worker) if worker.pipe in ready else None
            lost = said if isinstance(said, str) else _is_late(worker)
            if isinstance(said, list):
                yield said
            elif lost:
                yield [Outcome(cases[worker.case].name, *worker.trying, lost)]
            else:
                continue
            if lost or not waiting:
                worker.end()
                workers.remove(worker)
                workers += [_Worker(cases, waiting.pop())] if waiting else []
            else:
                worker.give(waiting.pop())


def _heard(worker: _Worker) -> Any:
    """The outcomes of a case; the text of how the process ended; or nothing: it only tells what it tries."""
    try:
        said = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        return f"the process ended with {worker.process.exitcode}"
    if isinstance(said, tuple):
        worker.trying = said
        return None
    return said


def _is_late(worker: _Worker) -> str:
    return f"did not end within {PATIENCE:.0f} s" if time.monotonic() - worker.since > PATIENCE else ""


def _work(cases: Sequence[Case], pipe: Connection) -> None:
    from tests.corpora.judge import outcomes  # loads the runtime, here and not in the parent

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    while True:
        pipe.send(list(outcomes(cases[pipe.recv()], lambda variant, kind: pipe.send((variant, kind)))))
