"""What `import irquant` shows of a run and its report."""

import dataclasses
import html
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from irquant import quantize_model
from irquant.passes import Report
from irquant.tools.terminal.summary import report_lines


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    output = tmp_path_factory.mktemp("out") / "o.xml"
    data = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    return quantize_model(model, data, output=output).report


def test_a_printed_report_reads_like_that_of_the_command_line(report: Report) -> None:
    assert report.origin
    assert str(report).splitlines() == list(report_lines(report, str(report.origin.result)))


def test_a_notebook_shows_the_page_in_a_frame(report: Report, model: Path) -> None:
    shown = report._repr_html_() or ""
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)" style="[^"]*" sandbox="allow-scripts"></iframe>', shown)
    assert found
    assert html.unescape(found[1]).startswith("<!doctype html>")
    assert model.name in html.unescape(found[1])


def test_a_report_without_a_run_is_shown_as_text(report: Report) -> None:
    bare = dataclasses.replace(report, origin=None)
    assert str(bare).startswith("result: ")
    assert bare._repr_html_() == f"<pre>{html.escape(str(bare))}</pre>"


def test_without_a_front_end_a_report_is_a_plain_value() -> None:
    code = (
        "from irquant.passes.reporting.report import Report\n"
        "bare = Report.__new__(Report)\n"
        "assert bare._repr_html_() is None\n"
        "from irquant.passes.reporting.front_end import shown\n"
        "from irquant.passes.infra.progress import no_progress\n"
        "with shown(None) as progress:\n"
        "    assert progress is no_progress\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
