"""What all reports have in common: the front end shows and writes them."""

import json
from pathlib import Path
from typing import Any

from ...ir import UserError
from .front_end import FrontEnd, front_end


class ShownReport:
    """A report that is printed as the command line prints it, and that a notebook shows as a page."""

    def __str__(self) -> str:
        """The report as the command line prints it."""
        shows = front_end()
        return shows.text(self) if shows else repr(self)

    def _repr_html_(self) -> str | None:
        """The page of the report, for a notebook."""
        shows = front_end()
        return shows.framed(self) if shows else None

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Writes the report as a page, like `--report`: one HTML file that needs no network.

        Args:
            path: The file to write (.html).
            force: Whether a file that irquant did not make may be replaced (default: no).

        Raises:
            UserError: the file cannot be written, or it may not be replaced; then nothing was written.
        """
        _needed().save(self, Path(path), force=force)

    def to_json(self) -> str:
        """The report as the JSON document that `--json` prints (docs/json.md).

        Raises:
            UserError: irquant was imported without what shows reports.
        """
        return json.dumps(_needed().values(self), indent=2, allow_nan=False)


class ShownResult:
    """A model and its report, in one line, or as the page of the report in a notebook."""

    model: Any
    report: Any

    def __repr__(self) -> str:
        """Both in one line: the model by its path, or by its name in memory."""
        model = self.model if isinstance(self.model, Path) else self.model.get_friendly_name()
        return f"{type(self).__name__}(model={str(model)!r}, report={self.report!r})"

    def _repr_html_(self) -> str | None:
        """The page of the report, for a notebook."""
        report: ShownReport = self.report
        return report._repr_html_()


def _needed() -> FrontEnd:
    if (shows := front_end()) is None:
        message = "reports are written by the front of the library: import quantize or quantize_model from irquant"
        raise UserError(message)
    return shows
