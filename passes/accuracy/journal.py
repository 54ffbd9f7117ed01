"""Measurements that are kept in a file as soon as they are known, so that an interrupted run can resume.

The file is JSON Lines: each line has the fingerprint of a model, its metrics, and a description for people. One file
may serve several models, data and options: only lines of the same fingerprint are used. A line that was half written
when the process died is skipped.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...ir import UserError
from ...ir.user_files import MOST_DATA, read_user_file

_BEGIN = '{"irquant"'
_VERSION = 1


class JournalError(UserError):
    """The file is not a journal, or cannot be read or written."""


def fingerprint(**facts: object) -> str:
    """A hash that identifies one measurement."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class JournalEntry:
    """The measurement of one model.

    Attributes:
        values: Its metrics.
        int8: The number of layers that the plan runs in int8.
        layers: The number of all layers.
    """

    values: Mapping[str, float]
    int8: int = 0
    layers: int = 0


@dataclass
class Journal:
    """Measurements by fingerprint.

    Attributes:
        path: The file; None: nothing is kept.
        known: Earlier measurements.
        warnings: Messages to the user about the file.
    """

    path: Path | None = None
    known: dict[str, JournalEntry] = field(default_factory=dict[str, JournalEntry])
    warnings: list[str] = field(default_factory=list[str])

    @classmethod
    def read(cls, path: Path | None) -> "Journal":
        """Opens a file, which need not exist yet.

        Raises:
            JournalError: the file holds something else, or cannot be written.
        """
        journal = cls(path)
        if path is None:
            return journal
        try:
            lines = read_user_file(path, MOST_DATA).decode("utf-8", "replace").splitlines() if path.exists() else []
        except OSError as error:
            raise _failed(path, error) from error
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            message = f"{path}: cannot be written: name a file in an existing folder"
            raise JournalError(message)
        if lines and not (lines[0].startswith(_BEGIN) or _BEGIN.startswith(lines[0])):
            message = f"{path}: does not hold measurements; name a new file"
            raise JournalError(message)
        damaged = [number for number, line in enumerate(lines, 1) if not journal._take(line)]
        if damaged:
            numbers = ", ".join(map(str, damaged))
            journal.warnings.append(f"{path}: line {numbers} is damaged and was skipped: that model is measured again")
        return journal

    def add(self, key: str, measured: JournalEntry, **about: object) -> None:
        """Keeps a measurement; writes it to the disk at once.

        Raises:
            JournalError: the file cannot be written.
        """
        self.known[key] = measured
        if self.path is None:
            return
        line = json.dumps({"irquant": _VERSION, "key": key, **asdict(measured), **about})
        try:
            with self.path.open("a+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                is_whole = file.read(1) in (b"", b"\n")
                file.write((line if is_whole else f"\n{line}").encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _failed(self.path, error) from error

    def _take(self, line: str) -> bool:
        """Reads a line; returns whether it is complete."""
        try:
            content: Any = json.loads(line)
            values = {str(name): float(value) for name, value in content["values"].items()}
            found = JournalEntry(values, int(content["int8"]), int(content["layers"]))
            key = str(content["key"])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return False
        if not all(map(math.isfinite, values.values())):
            return False
        self.known[key] = found
        return True


def _failed(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path}: {error.strerror or error}: name a file that can be written")
