"""What `import irquant` shows in terminals and notebooks: progress, and reports as text and as page."""

import html

from irquant.ir import printable
from irquant.passes import Report
from irquant.passes.reporting.front_end import FrontEnd, install
from irquant.tools.report.quantization import Subject, quantization_page
from irquant.tools.terminal.summary import report_lines
from irquant.tools.terminal.verbosity import progress_shown


def install_front_end() -> None:
    """Makes this the front end of the process."""
    install(FrontEnd(progress_shown, _text, _page))


def _text(report: Report) -> str:
    """The report as the command line prints it."""
    where = str(report.origin.result) if report.origin else "result"
    return "\n".join(map(printable, report_lines(report, where)))


def _page(report: Report) -> str:
    """The page of the report in a frame of its own, since its style is not that of the notebook."""
    if report.origin is None:
        return f"<pre>{html.escape(_text(report))}</pre>"
    subject = Subject(report.origin.model, report.origin.result, report.origin.options)
    page = html.escape(quantization_page(report, subject))
    return f'<iframe srcdoc="{page}" style="width: 100%; height: 80vh; border: 0" sandbox="allow-scripts"></iframe>'
