"""Runs a function in a process of its own, with limits: whatever ends that process, the program goes on.

The function tells what it does in steps, so that the step that ended the process is known.
"""

import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SECONDS, MEGABYTES = 60, 2048
#: One step: its name, and what to run. It returns the kind of its end and a detail.
Step = tuple[str, Callable[[], tuple[str, str]]]


@dataclass(frozen=True)
class End:
    """How a step ended.

    Attributes:
        step: Its name.
        kind: What the step returned; "traceback" if it raised, "death" if a signal ended the process, "limit" if it took
            too long or too much memory.
        detail: A message.
    """

    step: str
    kind: str
    detail: str


def ends(steps: Iterable[Step], seconds: int = SECONDS, megabytes: int = MEGABYTES) -> list[End]:
    """Runs steps one after the other in one process; those behind the one that ends the process do not run."""
    steps = list(steps)
    source, sink = os.pipe()
    if not (child := os.fork()):
        os.close(source)
        _run(steps, sink, seconds, megabytes)
    os.close(sink)
    with os.fdopen(source) as pipe:
        found = [End(*line.rstrip("\n").split("\t", 2)) for line in pipe]
    _, status = os.waitpid(child, 0)
    if len(found) == len(steps):
        return found
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    kind = "limit" if number == signal.SIGALRM else "death"
    return [*found, End(steps[len(found)][0], kind, signal.Signals(number).name if number else f"status {status}")]


def _run(steps: Iterable[Step], sink: int, seconds: int, megabytes: int) -> None:
    """The process: a line for each step that ended by itself."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    for name, run in steps:
        signal.alarm(seconds)
        try:
            kind, detail = run()
        except MemoryError:
            kind, detail = "limit", "memory"
        except BaseException as error:
            kind, detail = "traceback", f"{_place(error)}: {error!r}"
        os.write(sink, f"{name}\t{kind}\t{' '.join(detail.split())[:300]}\n".encode())
    os._exit(0)


def _place(error: BaseException) -> str:
    """The line of the library, or else of whatever, that an error comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if "irquant" in each.filename] or frames
    return f"{os.path.relpath(own[-1].filename)}:{own[-1].lineno}"
