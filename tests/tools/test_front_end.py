"""What `import irquant` shows of a run and its report."""

import dataclasses
import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from irquant import CompressionReport, UserError, compress_model, quantize_model
from irquant.passes import Report
from irquant.passes.reporting.front_end import front_end, install
from irquant.tools.report.page import PageError
from irquant.tools.terminal.compression import compression_lines
from irquant.tools.terminal.next_step import next_step
from irquant.tools.terminal.summary import report_lines
from tests.passes.weight_only_models import language_model


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    output = tmp_path_factory.mktemp("out") / "o.xml"
    data = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    return quantize_model(model, data, output=output).report


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> CompressionReport:
    output = tmp_path_factory.mktemp("out") / "c.xml"
    return compress_model(language_model(), output=output).report


def test_the_report_of_a_compression_reads_like_that_of_the_command_line(compressed: CompressionReport) -> None:
    assert str(compressed).splitlines() == list(compression_lines(compressed, str(compressed.result)))
    assert compressed.result.name == "c.xml"


def test_a_notebook_shows_the_page_of_a_compression(compressed: CompressionReport) -> None:
    assert "&lt;!doctype html&gt;" in (compressed._repr_html_() or "")


def test_a_program_reads_the_verdict_that_people_read(report: Report) -> None:
    assert report.worst_output in (report.check.outputs or ())
    assert str(report).partition(": ")[2].startswith(f"{report.verdict} on 1 sample only (")
    assert dataclasses.replace(report, check=dataclasses.replace(report.check, outputs=None)).verdict is None


def test_both_reports_are_written_as_pages_and_documents(
    report: Report, compressed: CompressionReport, tmp_path: Path
) -> None:
    for each in (report, compressed):
        each.save(tmp_path / "page.html")  # the second replaces the first: irquant made it
        assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
        assert json.loads(each.to_json())["seconds"] == round(each.seconds, 4)
    found = json.loads(report.to_json())
    assert (found["verdict"], found["next"]) == (report.verdict, next_step(report, None))


def test_a_page_replaces_no_file_of_others(report: Report, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(UserError, match="exists, and irquant did not make it"):
        report.save(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"
    report.save(str(tmp_path / "mine.html"), force=True)
    assert (tmp_path / "mine.html").read_text() != "mine"


def test_a_page_needs_a_run_and_a_suffix(report: Report, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"has no page; print it$"):
        dataclasses.replace(report, origin=None).save(tmp_path / "p.html")
    with pytest.raises(PageError, match=r"the report must end in \.html$"):
        report.save(tmp_path / "p.txt")


def test_without_a_front_end_nothing_is_written(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = front_end()
    assert shows
    monkeypatch.setattr("irquant.passes.reporting.front_end._installed.front_end", None)
    with pytest.raises(UserError, match="import quantize or quantize_model from irquant"):
        report.save(tmp_path / "p.html")
    install(shows)


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
