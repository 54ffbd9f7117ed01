"""The command runs in a process of its own, and a small one outlives it.

The runtime is foreign code that no `try` holds: a mutated model or an index out of range may end the process by a
signal. The small process waits, passes signals on, and then says in one line what was running. It is forked before
anything is imported: that takes a millisecond and copies nothing.
"""

# Nothing heavy, which would take longer to import: see `interrupts`.
import os
import signal
import sys
import time
from collections.abc import Callable
from mmap import mmap
from typing import NoReturn

#: EX_OSERR of sysexits.h: the command's process was ended by a signal that nobody sent it.
DIED = 71
#: The exit code for what the user gave; `cli` has it, too, and imports much.
_WRONG = 2
#: Signals that users and systems send to end a process; the small process ends by the same.
_SENT = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGALRM", "SIGUSR1", "SIGUSR2")
#: The environment variable with the most seconds for one call of the runtime, and its default.
LIMIT, _SECONDS = "IRQUANT_CALL_SECONDS", 3600.0
_SIZE = 1024
#: `prctl` of Linux: the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def outlive() -> Callable[[str], None] | None:
    """Goes on in a new process; the old one waits for it and ends with its exit code.

    Returns:
        Takes what is running, in words; an empty text when it has returned. None where the system offers no way to do
        all this (other systems than Linux): there the command runs in the first process.
    """
    if not sys.platform.startswith("linux"):
        return None
    memory, limit = mmap(-1, _SIZE), _limit()
    passed_on = {getattr(signal, name) for name in _SENT[:4]}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
    parent = os.getpid()
    child = os.fork()
    if child:
        _wait(child, passed_on, memory, limit)
    _end_with(parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _Teller(memory).tell


class _Teller:
    """Writes words to shared memory, behind a number that tells two runs of the same code apart, up to a zero byte."""

    def __init__(self, memory: mmap) -> None:
        self._memory, self._number = memory, 0

    def tell(self, what: str) -> None:
        self._number += 1
        said = f"{self._number} {what}".encode(errors="backslashreplace")[: _SIZE - 1]
        self._memory[: len(said) + 1] = said + b"\0"


def _end_with(parent: int) -> None:
    """Asks the system to kill this process when its parent is killed."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was, before the system knew
        os._exit(DIED)


def _wait(child: int, passed_on: set[signal.Signals], memory: mmap, limit: float) -> NoReturn:
    stage, since = b"", time.monotonic()
    while True:
        came = signal.sigtimedwait({*passed_on, signal.SIGCHLD}, 1)
        # After a pause (Ctrl-Z and fg), Python gives numbers of no meaning. A terminal sends to both processes itself.
        if came and came.si_signo in passed_on and came.si_code <= 0:
            os.kill(child, came.si_signo)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_as(os.waitstatus_to_exitcode(status), _words(memory[:]))
        if memory[:] != stage:
            stage, since = memory[:], time.monotonic()
        if _words(stage) and time.monotonic() > since + limit:
            os.kill(child, signal.SIGKILL)
            _say(
                f"the OpenVINO runtime has been {_words(stage)} for {limit:g} s, and was stopped; {LIMIT} sets the time"
            )


def _limit() -> float:
    """The most seconds that one call of the runtime may take; ends the process if the environment says nonsense."""
    text = os.environ.get(LIMIT) or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:  # nan is neither
        _say(f"{LIMIT} is '{text}' in the environment, expected a number of seconds above 0", _WRONG)
    return seconds


def _words(memory: bytes) -> str:
    """What is running, without its number; empty between two calls of the runtime."""
    words = memory.partition(b"\0")[0].partition(b" ")[2].decode(errors="replace")
    return "".join(each if each.isprintable() else "?" for each in words)


def _end_as(code: int, stage: str) -> NoReturn:
    """Ends with the code of the command, or by the signal that was sent to it; else says what was running."""
    if code >= 0:
        os._exit(code)
    name = _name(-code)
    if name in _SENT:
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    _say(_what_happened(name, stage))


def _say(what: str, code: int = DIED) -> NoReturn:
    os.write(2, f"error: {what}\n".encode(errors="replace"))
    os._exit(code)


def _name(number: int) -> str:
    """The name of a signal; real-time signals have only numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _what_happened(name: str, stage: str) -> str:
    at = f" while {stage}" if stage else ""
    if name == "SIGKILL":
        return f"the process was killed ({name}){at}, most likely because the machine had no memory left; try --samples"
    if stage:
        return (
            f"the OpenVINO runtime ended the process ({name}){at}: check that the model and the data are valid, for "
            "example whether `benchmark_app -m MODEL` runs it"
        )
    return f"the process was ended ({name}): please report this, with the command"
