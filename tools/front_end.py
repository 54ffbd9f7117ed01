"""What `import irquant` shows in terminals and notebooks: progress and reports; and how it opens paths of data."""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from irquant.ir import Graph, printable
from irquant.passes import CompressionReport, Report
from irquant.passes.files.run_files import check_run_files, named
from irquant.passes.reporting.front_end import FrontEnd, install
from irquant.passes.reporting.shown_report import ShownReport
from irquant.tools.report.compression import compression_values
from irquant.tools.report.compression_page import compression_page
from irquant.tools.report.page import PageError, check_page, write_page
from irquant.tools.report.quantization import Subject, quantization_page
from irquant.tools.report.values import report_values
from irquant.tools.terminal.compression import compression_lines
from irquant.tools.terminal.next_step import next_step
from irquant.tools.terminal.summary import report_lines
from irquant.tools.terminal.verbosity import progress_shown


def install_front_end() -> None:
    """Makes this the front end of the process."""
    install(FrontEnd(progress_shown, _text, _framed, _save, _values, _open_data))


def _open_data(text: str, graph: Graph) -> Iterable[object]:
    """The samples that a source names; pictures are prepared as the model's metadata say."""
    from irquant.tools.sources.image_options import ImageOptions  # here, since most calls give the samples themselves
    from irquant.tools.sources.open_inputs import open_as

    return open_as(text, graph, ImageOptions())


def _text(report: ShownReport) -> str:
    """The report as the command line prints it."""
    if isinstance(report, CompressionReport):
        return "\n".join(map(printable, compression_lines(report, str(report.result))))
    assert isinstance(report, Report)
    where = str(report.origin.result) if report.origin else "result"
    return "\n".join(map(printable, report_lines(report, where)))


def _page(report: ShownReport) -> str:
    """The page of a report; empty without a run."""
    if isinstance(report, CompressionReport):
        return compression_page(report, report.model, report.result)
    assert isinstance(report, Report)
    if report.origin is None:
        return ""
    return quantization_page(report, Subject(report.origin.model, report.origin.result, report.origin.options))


def _framed(report: ShownReport) -> str:
    """The page of the report in a frame of its own, since its style is not that of the notebook."""
    if not (page := _page(report)):
        return f"<pre>{html.escape(_text(report))}</pre>"
    framed = html.escape(page)
    return f'<iframe srcdoc="{framed}" style="width: 100%; height: 80vh; border: 0" sandbox="allow-scripts"></iframe>'


def _save(report: ShownReport, path: Path, *, force: bool) -> None:
    check_page(path)
    check_run_files([], named(report=path), force=force)
    if not (page := _page(report)):
        message = f"{path}: a report without model files and options has no page; print it"
        raise PageError(message)
    write_page(path, page)


def _values(report: ShownReport) -> dict[str, Any]:
    """The document that `--json` prints."""
    if isinstance(report, CompressionReport):
        return compression_values(report, str(report.model), str(report.result))
    assert isinstance(report, Report)
    paths = (str(report.origin.model), str(report.origin.result)) if report.origin else ("model", "result")
    return {**report_values(report, *paths), "next": next_step(report, None)}
