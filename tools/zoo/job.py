"""One model of a batch, with everything that is known before its run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from irquant.tools.zoo.batch_file import Entry


@dataclass(frozen=True)
class Job:
    """A model to quantize.

    Attributes:
        name: The name of the result.
        entry: The entry of the batch file, defaults included, with absolute paths.
        data: The source of the samples, from the entry or its configuration.
        folder: The folder of the batch file, which is searched for the user's modules.
        output: The .xml to write.
        cache_key: Name of an input or option -> fingerprint or value; equal keys give equal results.
        faults: The folder for reproductions of internal errors; None: none are written.
    """

    name: str
    entry: Entry
    data: str
    folder: Path
    output: Path
    cache_key: Mapping[str, str]
    faults: Path | None = None

    @property
    def record(self) -> Path:
        """The file with the record of the result."""
        return self.output.with_suffix(".json")

    @property
    def results(self) -> tuple[Path, ...]:
        """All files that are written for the model."""
        return self.output, self.output.with_suffix(".bin"), self.record, self.log

    @property
    def log(self) -> Path:
        """The file with the output of its process, if it failed."""
        return self.output.with_suffix(".log")
