"""Lets one call on a file fail, or ends the process in front of it, inside a real process of the command.

Python runs `sitecustomize` before a program: `environment` puts one on its path. Calls on files below one folder are
counted: open, read, write, replace, unlink, fsync, mkdir and copy. The runtime's own reads are not among them.
"""

import builtins
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_VARIABLE = "IRQUANT_ATTACK"
_ROOT = Path(__file__).parents[2]
#: The main module of the process of one model of a batch.
_WORKER = "irquant.tools.zoo.worker"
_CALLS = ("open", "replace", "rename", "unlink", "remove", "fsync", "mkdir", "rmdir", "copy_file_range")


@dataclass(frozen=True)
class Strike:
    """What happens at one call.

    Attributes:
        folder: Calls on files below it count.
        log: The file that gets a line for each call that counts: process, call, path, and "struck" if it is struck.
        position: The number of the call, from 1; 0: none.
        what: A signal that ends the process, e.g. "SIGKILL", or the number of an error.
        is_worker: Whether calls of the processes of a batch count, instead of those of the command itself.
    """

    folder: str
    log: str
    position: int
    what: str | int
    is_worker: bool = False


def environment(strike: Strike, beside: Path) -> dict[str, str]:
    """The variables with which a Python process is struck.

    Args:
        strike: What happens.
        beside: A folder for the module that Python runs first.
    """
    beside.mkdir(exist_ok=True)
    (beside / "sitecustomize.py").write_text(
        f"import sys\nsys.path.insert(0, {str(_ROOT)!r})\nfrom tests.attacks.failing_io import install\ninstall()\n"
        f"sys.path.remove({str(_ROOT)!r})\n"
    )
    paths = os.pathsep.join(filter(None, [str(beside), os.environ.get("PYTHONPATH", "")]))
    return {_VARIABLE: json.dumps(asdict(strike)), "PYTHONPATH": paths}


def install() -> None:
    """Replaces the functions of this process that work on files, if the environment wants it."""
    if not (text := os.environ.get(_VARIABLE)):
        return
    strike = Strike(**json.loads(text))
    if strike.is_worker != (_WORKER in sys.orig_argv):
        return
    counter = _Counter(strike)
    for name in _CALLS:
        setattr(os, name, counter.around(name, getattr(os, name)))
    io.open = builtins.open = _opener(counter, io.open)
    os.fdopen = io.open


class _Counter:
    """Counts the calls, and strikes at one."""

    def __init__(self, strike: Strike) -> None:
        self._strike, self._seen, self._lock = strike, 0, threading.Lock()
        self._log = os.open(strike.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def counts(self, file: object) -> str:
        """The path of a file below the folder, relative to it; empty for others."""
        try:
            path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.path.abspath(os.fspath(file))  # type: ignore[call-overload]  # noqa: PTH100, PTH115
        except (OSError, TypeError, ValueError):
            return ""
        return os.path.relpath(path, self._strike.folder) if f"{path}/".startswith(f"{self._strike.folder}/") else ""

    def at(self, call: str, file: object) -> None:
        """Counts a call, and strikes if it is the one."""
        if not (path := self.counts(file)):
            return
        with self._lock:
            self._seen += 1
            is_struck = self._seen == self._strike.position
            os.write(self._log, f"{os.getpid()} {call} {path}{' struck' if is_struck else ''}\n".encode())
        if not is_struck:
            return
        if isinstance(self._strike.what, str):
            os.kill(os.getpid(), signal.Signals[self._strike.what])
            return
        raise OSError(self._strike.what, os.strerror(self._strike.what), path)

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function of `os` that may fail."""

        def called(file: object, *arguments: object, **options: object) -> Any:
            self.at(name, file)
            return real(file, *arguments, **options)

        return called


def _opener(counter: _Counter, real: Callable[..., Any]) -> Callable[..., Any]:
    """`open` whose files may fail at each read and write."""

    class Raw(io.FileIO):
        def read(self, *size: Any) -> Any:
            counter.at("read", self.fileno())
            return super().read(*size)

        def readall(self) -> Any:
            counter.at("read", self.fileno())
            return super().readall()

        def readinto(self, buffer: Any) -> Any:
            counter.at("read", self.fileno())
            return super().readinto(buffer)

        def write(self, data: Any) -> Any:
            counter.at("write", self.fileno())
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
        if not counter.counts(file):
            return real(file, mode, buffering, *text, **options)
        counter.at("open", file)
        raw = Raw(
            file, mode.replace("b", "").replace("t", ""), options.pop("closefd", True), options.pop("opener", None)
        )
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        buffered = kind(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

    return opened
