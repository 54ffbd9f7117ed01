"""What Ctrl-C does, from the first line of the process on; SIGTERM and SIGHUP of service managers do the same.

Before a command begins, it ends the process at once: an exception in the middle of an import may come out as another
one.
While a command is at work, it raises KeyboardInterrupt, so that all is cleaned up; a second one does not wait for that.
"""

# Nothing else, which would take longer to import: that would be the time in which Ctrl-C shows a traceback.
import os
import signal
import time

#: The signals that ask a process to end: of the keyboard, of service managers, and of a terminal that is closed.
_ASKING = ("SIGINT", "SIGTERM", "SIGHUP")
#: What shells add to the number of the signal that ended a process.
_BY_SIGNAL = 128
#: Seconds within which a second interrupt is the first one again: who signals all processes of a group also reaches the
#: one that passes signals on (see `outlive`).
_SAME = 0.2


class Interrupts:
    """What is known of them.

    Attributes:
        is_at_work: Whether a command has begun.
        came: Whether one came since then, whatever exception is on its way.
        exit_code: The exit code of an interrupted process, as shells give it: 130, for SIGTERM 143, for SIGHUP 129.
    """

    def __init__(self) -> None:
        self.is_at_work = False
        self.came = False
        self.exit_code = _BY_SIGNAL + signal.SIGINT
        self._taken = 0.0

    def install(self) -> None:
        """Takes interrupts over, unless whoever started the process wants none."""
        for number in (getattr(signal, name) for name in _ASKING if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)

    def _take(self, number: int, _frame: object) -> None:
        if self.came and time.monotonic() < self._taken + _SAME:
            return
        self._taken = time.monotonic()
        self.exit_code = _BY_SIGNAL + number
        if self.is_at_work and not self.came:
            self.came = True
            raise KeyboardInterrupt
        said = b"interrupted again; stopped at once" if self.came else b"interrupted; nothing was written"
        try:
            os.write(2, b"error: " + said + b"\n")
        finally:
            os._exit(self.exit_code)


INTERRUPTS = Interrupts()
