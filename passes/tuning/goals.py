"""How a run is tuned: by measurements, or as a file says."""

from dataclasses import dataclass
from pathlib import Path

from ...ir.spelling import option, switched_on
from ..options.config_error import ConfigError

#: The beginning of each file of a tuning that irquant writes.
MARK = b'{\n  "format": "irquant tuning"'
#: The seconds to measure if the user names none.
SECONDS = 20.0


@dataclass(frozen=True)
class TuningGoals:
    """How a run is tuned.

    Attributes:
        seconds: The seconds to measure; None: the file names the layers.
        file: The file to read, or to write after measurements.
    """

    seconds: float | None = SECONDS
    file: Path | None = None

    @classmethod
    def of(cls, *, tune: bool, file: Path | None, seconds: float | None) -> "TuningGoals | None":
        """The goals of some options; None: no tuning.

        Raises:
            UserError: the options contradict each other.
        """
        if seconds is not None and not tune:
            message = (
                f"{option('tune_seconds')} is the time to measure, and nothing is: give {switched_on('tune')}, too"
            )
            raise ConfigError(message)
        if seconds is not None and not 0 < seconds < float("inf"):
            message = f"{option('tune_seconds')} is {seconds:g}, expected a number above 0"
            raise ConfigError(message)
        if file:
            from .tuning_file import check_ending  # here: a command that only prints its help reads no files

            check_ending(file)
        if not tune and file is None:
            return None
        return cls((seconds or SECONDS) if tune else None, file)

    @property
    def reads(self) -> Path | None:
        """The file that is read."""
        return self.file if self.seconds is None else None

    @property
    def writes(self) -> Path | None:
        """The file that is written."""
        return None if self.seconds is None else self.file
