"""The progress of a command without a terminal, as in a log: a line now and then."""

import time
from dataclasses import dataclass, field

import click

from irquant.ir import printable

#: Seconds between two lines: short runs print none, and a log shows that a long one is alive.
EVERY = 30.0


@dataclass
class ProgressLines:
    """Prints the current task on standard error.

    Attributes:
        every: The least seconds between two lines.
        last: When the last line was printed, or the run began.
        begun: The tasks of which a line was printed, and whose end was not: it is printed, too.
    """

    every: float = EVERY
    last: float = field(default_factory=time.monotonic)
    begun: set[str] = field(default_factory=set[str])

    def show(self, task: str, done: int, total: int | None) -> None:
        """Prints a line if the last one is old enough, or if it ends a task of which one was printed.

        Args:
            task: What is being done.
            done: The number of finished steps.
            total: The number of all steps; None: it is not known.
        """
        ends = done == total
        if not (ends and task in self.begun) and time.monotonic() - self.last < self.every:
            return
        self.last = time.monotonic()
        (self.begun.discard if ends else self.begun.add)(task)
        click.echo(printable(f"{task}{f': {count}' if (count := counted_steps(done, total)) else ''}"), err=True)

    def close(self) -> None:
        """Prints that the run has ended, if tasks are left: a search may end early, and some tasks have no steps."""
        if self.begun:
            self.begun.clear()
            click.echo("finished", err=True)


def counted_steps(done: int, total: int | None) -> str:
    """The number of steps for people; empty for a task without steps.

    Args:
        done: The number of finished steps.
        total: The number of all steps; None: it is not known.
    """
    if total is None:
        return f"{done}" if done else ""
    return f"{done} of {total}"
