"""One model of a batch, with everything that is known before its run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from irquant.tools.zoo.batch_file import Entry

#: Folders for results that must not be used: those that are worse than expected; those of models that failed since.
MISSED, EARLIER = "missed", "earlier"


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
        lacking: What is wrong about the files that it names, so that it cannot run; empty if nothing is.
    """

    name: str
    entry: Entry
    data: str
    folder: Path
    output: Path
    cache_key: Mapping[str, str]
    faults: Path | None = None
    lacking: str = ""

    @property
    def record(self) -> Path:
        """The file with the record of the result."""
        return self.output.with_suffix(".json")

    @property
    def results(self) -> tuple[Path, ...]:
        """All files that are written for the model."""
        aside = (self.missed / self.output.name, self.earlier / self.output.name)
        moved = (each.with_suffix(suffix) for each in (self.output, *aside) for suffix in (".xml", ".bin", ".html"))
        return *moved, self.record, self.earlier_record, self.log

    @property
    def missed(self) -> Path:
        """The folder of results that are worse than the batch file expects."""
        return self.output.parent / MISSED

    @property
    def earlier(self) -> Path:
        """The folder of earlier results of models that failed."""
        return self.output.parent / EARLIER

    @property
    def earlier_record(self) -> Path:
        """The file with the record of the earlier result."""
        return self.earlier / self.record.name

    @property
    def log(self) -> Path:
        """The file with the output of its process, if it failed."""
        return self.output.with_suffix(".log")
