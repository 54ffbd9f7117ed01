"""One model of a batch with everything that is known about it before it is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from irquant.tools.zoo.batch_file import Entry


@dataclass(frozen=True)
class Job:
    """A model to quantize.

    Attributes:
        name: What the result is called.
        entry: What the batch file says of it, defaults included; its paths are absolute.
        folder: Of the batch file: there the user's own modules are looked for.
        output: The .xml to write.
        origin: What the result is made of -> its fingerprint or value; equal ones give equal results.
        faults: The folder for reproductions of what irquant itself fails at; None: none are wanted.
    """

    name: str
    entry: Entry
    folder: Path
    output: Path
    origin: Mapping[str, str]
    faults: Path | None = None

    @property
    def record(self) -> Path:
        """The file that says what is known of the result."""
        return self.output.with_suffix(".json")

    @property
    def results(self) -> tuple[Path, ...]:
        """All files that are written for it."""
        return self.output, self.output.with_suffix(".bin"), self.record, self.log

    @property
    def log(self) -> Path:
        """The file with what its process wrote, if it failed."""
        return self.output.with_suffix(".log")
