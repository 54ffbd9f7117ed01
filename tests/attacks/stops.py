"""Ends commands by signals and lets calls on files fail, and judges what is left.

A stop comes at a random moment, or in front of a random call on a file: between two moves a process is for microseconds.
"""

import errno
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .failing_io import Strike, environment
from .judging import faults_after, faults_of_next, leftovers, without_token
from .scene import COMMANDS, Command, End, Look, Scene, family_gone, wait

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")


@dataclass(frozen=True)
class Case:
    """One disturbed run.

    Attributes:
        what: What was done to which command, for people.
        outcome: How the command ended, for counts.
        faults: What is wrong.
    """

    what: str
    outcome: str
    faults: tuple[str, ...] = ()


class Attacker:
    """Disturbs commands in a scene.

    Attributes:
        commands: The commands.
    """

    def __init__(self, root: Path, commands: Sequence[Command] = COMMANDS) -> None:
        self.commands, self._scene = commands, Scene(root, commands)
        self._calls: dict[tuple[str, bool, bool], list[str]] = {}

    def stop(self, seed: int) -> Case:
        """Stops a random command at a random moment or call, by a random signal."""
        chance = random.Random(seed)
        command, over_old, name = chance.choice(self.commands), chance.random() < 1 / 2, chance.choice(SIGNALS)
        if chance.random() < 1 / 2:
            is_worker = command.name == "zoo" and chance.random() < 1 / 2
            calls = len(self.calls(command, over_old=over_old, is_worker=is_worker))
            return self.strike(command, chance.randint(1, calls), name, over_old=over_old, is_worker=is_worker)
        delay, to_child = chance.uniform(0, 1.1 * self._scene.seconds[command.name]), chance.random() < 1 / 4
        before = self._scene.set(command, over_old=over_old)
        process = self._scene.start(command.line)
        time.sleep(delay)
        _send(process.pid, name, to_child=to_child)
        return self._judged(f"{name} after {delay:.3f} s", command, before, wait(process), over_old=over_old)

    def calls(self, command: Command, *, over_old: bool, is_worker: bool = False) -> list[str]:
        """The calls on files of an undisturbed run, in their order."""
        key = (command.name, over_old, is_worker)
        if key not in self._calls:
            self._scene.set(command, over_old=over_old)
            self._calls[key] = self._struck(command, 0, "", is_worker=is_worker)[1]
        return self._calls[key]

    def strike(
        self, command: Command, position: int, what: str | int, *, over_old: bool, is_worker: bool = False
    ) -> Case:
        """Runs a command whose call at a position fails, or in front of which a signal comes.

        Args:
            command: The command.
            position: The number of the call, from 1.
            what: The name of the signal, or the number of the error.
            over_old: Whether old results are there.
            is_worker: Whether the call is one of the processes of a batch.
        """
        before = self._scene.set(command, over_old=over_old)
        end, calls = self._struck(command, position, what, is_worker=is_worker)
        struck = next((each for each in calls if each.endswith(" struck")), "no call any more")
        name = what if isinstance(what, str) else errno.errorcode[what]
        what_was = f"{name} at call {position}{' of a worker' if is_worker else ''}: {struck.removesuffix(' struck')}"
        can_remove = not struck.startswith(("unlink", "remove", "rmdir"))
        return self._judged(without_token(what_was), command, before, end, over_old=over_old, can_remove=can_remove)

    def _struck(self, command: Command, position: int, what: str | int, *, is_worker: bool) -> tuple[End, list[str]]:
        log = self._scene.root / "calls.txt"
        log.unlink(missing_ok=True)
        strike = Strike(str(self._scene.root), str(log), position, what, is_worker)
        end = self._scene.run(command.line, **environment(strike, self._scene.root / "first"))
        family_gone(self._scene.folder)
        lines = [line.split(" ", 1) for line in log.read_text().splitlines()] if log.exists() else []
        one = lines[0][0] if lines else ""  # each model of a batch has a process, and they do about the same
        return end, [call for process, call in lines if process == one or call.endswith(" struck")]

    def _judged(
        self, what: str, command: Command, before: Look, end: End, *, over_old: bool, can_remove: bool = True
    ) -> Case:
        family_gone(self._scene.folder)
        after, wanted = self._scene.look(), self._scene.wanted[command.name]
        faults = list(faults_after(command, before, end, after, wanted))
        left = leftovers(after, before, wanted)
        is_over = end.code in (0, 1, 2) and can_remove
        if is_over and left:
            faults.append(f"left behind: {[*map(without_token, left)]}")
        if is_over and any(self._scene.temporary.iterdir()):
            faults.append("left behind in the folder for temporary files")
        if after.files != before.files:
            faults += faults_of_next(self._scene.run(command.line), self._scene.look(), wanted)
        state = "over old results" if over_old else "fresh"
        return Case(f"{command.name} {state}, {what}", _outcome(before, end, after), tuple(faults))


def _send(process: int, name: str, *, to_child: bool) -> None:
    """Sends a signal to a command, or to the process in which it does its work."""
    with suppress(psutil.Error):
        found = psutil.Process(process)
        children = found.children() if to_child else []
        (children[0] if children else found).send_signal(signal.Signals[name])


def _outcome(before: Look, end: End, after: Look) -> str:
    """The exit code, and what it left."""
    code = f"exit code {end.code}" if end.code >= 0 else signal.Signals(-end.code).name
    return f"{code}, {'as before' if before.files == after.files else 'changed'}"
