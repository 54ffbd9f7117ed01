"""The place of a result: where the user says, beside the model, or where the original tool (pot) writes it.

The original writes results to `<folder>/<model name>_DefaultQuantization/<time stamp>/optimized/<model name>.xml`, with
`--direct-dump` to `<folder>/optimized/<model name>.xml`.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from irquant.ir import UserError
from irquant.passes.files.result_path import result_path
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.note import Note

_ALGORITHM, _FOLDER = "DefaultQuantization", Path("results")


@dataclass(frozen=True)
class Place:
    """The place of a result.

    Attributes:
        output: The .xml that the user names.
        folder: The folder that the user names.
        name: The name of the model, given by the user.
        layout: Whether to use the original's layout.
        is_direct: Whether to use it without time stamp.
        is_for_pot: Whether the command line is one of the original.
    """

    output: Path | None = None
    folder: Path | None = None
    name: str | None = None
    layout: bool = False
    is_direct: bool = False
    is_for_pot: bool = False

    def __post_init__(self) -> None:
        if self.name is not None and (not self.name or {*self.name} & {*"/\\\0"}):
            message = f"--name: {self.name!r} is not a file name; choose the folder with --output-dir"
            raise ConfigError(message)
        others = {
            "--name": self.name,
            "--output-dir": self.folder,
            "--pot-layout": self.layout,
            "--direct-dump": self.is_direct,
        }
        if self.output and (beside := [flag for flag, given in others.items() if given]):
            message = f"-o already sets the path of the result: leave it out, or {' and '.join(beside)}"
            raise ConfigError(message)

    def notes(self, *, is_configured: bool) -> Iterator[str]:
        """A note if the original would write the result elsewhere.

        Args:
            is_configured: Whether a configuration names the model, as those of the original do.
        """
        is_chosen = self.output or self.folder or self.layout or self.is_direct
        if not is_chosen and (self.is_for_pot or is_configured):
            yield Note(
                "the result lies beside the model; pot wrote into results/: --pot-layout does so, too, and "
                "--output-dir chooses the folder"
            )

    def of(self, model: Path, name: str | None) -> Path:
        """The .xml for the result.

        Args:
            model: The model.
            name: The name of the model in its configuration.
        """
        called = self.name or name
        if self.output:
            return self.output
        if not (self.layout or self.is_direct):
            beside = result_path(model, called)
            return self.folder / beside.name if self.folder else beside
        file = Path("optimized") / f"{called or model.stem}.xml"
        folder = self.folder or _FOLDER
        if self.is_direct:
            return folder / file
        return folder / f"{file.stem}_{_ALGORITHM}" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}" / file

    @contextmanager
    def prepared(self, result: Path) -> Generator[None]:
        """Makes the folder of a result; removes the new folders if the run fails."""
        missing = [each for each in result.parents if not each.exists()]
        try:
            for each in reversed(missing):
                _make(each)
            yield
        except BaseException:
            with suppress(OSError):  # the folder is not empty, or was never made
                for each in missing:
                    each.rmdir()
            raise


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be created: {error.strerror}"
        raise UserError(message) from None
